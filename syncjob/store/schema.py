"""The version of the tables, and how a state of an older version becomes one of this version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Table, inspect, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from syncjob import __version__
from syncjob.errors import Misconfigured, StateDamaged
from syncjob.store.database import FENCE, Database
from syncjob.store.tables import APPLICATION, BANKLINE, CALL, CODED, CUSTOMER, DELIVERY, MAPCOUNT, META, METADATA, PAIDOUT

_SCHEMA, _STEPS, _WRITTEN_BY = "schema", "schema steps done", "written by"
_ALL = select(META.c.name, META.c.value)
_CREATING = 0x53594E44  # PostgreSQL's lock for the moment in which the tables are made


@dataclass(frozen=True, slots=True)
class Migration:
    """The way to one version from the one before: steps that are each one transaction, so a killed migration goes on."""

    version: int
    steps: tuple[Callable[[Database], None], ...]


def _maps_of_documents(database: Database) -> None:
    database.command(f"ALTER TABLE {DELIVERY.name} ADD COLUMN map TEXT NOT NULL DEFAULT ''")


def _customers_and_counts(database: Database) -> None:
    for words in definitions(database, tables=(CUSTOMER, MAPCOUNT)):
        database.command(words)


def _charts_of_documents(database: Database) -> None:
    for words in definitions(database, tables=(CODED,)):
        database.command(words)


def _payers_of_applications(database: Database) -> None:
    """What was written off, and who paid, where a record with personal fields says so; else it is left to people."""
    database.command("ALTER TABLE application ADD COLUMN customer TEXT NOT NULL DEFAULT ''")
    whole = "INTEGER" if database.sqlite else "BIGINT"
    database.command(f"ALTER TABLE application ADD COLUMN written_off {whole} NOT NULL DEFAULT 0")
    database.command(
        "UPDATE application SET customer = COALESCE((SELECT MAX(record.person) FROM record WHERE record.head = 1"
        " AND record.subject = application.subject), '') WHERE rule = 'no number named'"
    )
    index = next(one for one in APPLICATION.indexes if one.name == "ix_application_customer")
    database.command(str(CreateIndex(index).compile(dialect=database.connection.dialect)))


def _bank_lines(database: Database) -> None:
    for words in definitions(database, tables=(BANKLINE,)):
        database.command(words)


def _runs_and_undone(database: Database) -> None:
    """Which run sent what, as far as the instants tell it; so far nothing was undone and nothing reversed."""
    whole, text = ("INTEGER", "TEXT") if database.sqlite else ("BIGINT", 'TEXT COLLATE "C"')
    database.command(f"ALTER TABLE {CALL.name} ADD COLUMN run {whole} NOT NULL DEFAULT 0")
    database.command("UPDATE call SET run = COALESCE((SELECT MAX(run.id) FROM run WHERE run.started <= call.committed), 0)")
    database.command(f"ALTER TABLE {DELIVERY.name} ADD COLUMN undone {whole} NOT NULL DEFAULT 0")
    database.command(f"ALTER TABLE {DELIVERY.name} ADD COLUMN reverses {text} NOT NULL DEFAULT ''")
    for index in DELIVERY.indexes:
        if index.name in ("ix_delivery_undone", "ix_delivery_reverses"):
            database.command(str(CreateIndex(index).compile(dialect=database.connection.dialect)))


def _paid_out(database: Database) -> None:
    for words in definitions(database, tables=(PAIDOUT,)):
        database.command(words)


# Version 1 is what `_create` made first; each later one is added here and to tables.py.
MIGRATIONS: tuple[Migration, ...] = (
    Migration(2, (_maps_of_documents, _customers_and_counts, _charts_of_documents)),
    Migration(3, (_payers_of_applications,)),
    Migration(4, (_bank_lines,)),
    Migration(5, (_runs_and_undone,)),
    Migration(6, (_paid_out,)),
)


def prepare(database: Database, *, create: bool) -> bool:
    """Bring an open database to this version; True if there was something to migrate.

    Raises StateDamaged for the state of a newer syncjob, Misconfigured where there is none and none shall be made.
    """
    if not inspect(database.connection).has_table(META.name):
        if not create:
            raise Misconfigured(f"there is no state in {database.place} yet: run syncjob run once, or check the path")
        _create(database)
    return pending(database) > 0


def pending(database: Database) -> int:
    """How many steps of migrations are left to do; StateDamaged if a newer syncjob has been at work."""
    version, done, writer = _state(database)
    newest = _newest()
    if version > newest:
        raise StateDamaged(
            f"the state {database.place} was written by syncjob {writer} (schema {version}), this is {__version__}"
            f" (schema {newest}); upgrade syncjob"
        )
    left = sum(len(migration.steps) for migration in MIGRATIONS if migration.version > version)
    return left + sum(len(migration.steps) - done for migration in MIGRATIONS if migration.version == version)


def migrate(database: Database) -> None:
    """Do the steps that are left, one transaction each. The version rises with the first, so no older program works on half."""
    for migration in MIGRATIONS:
        for number, step in enumerate(migration.steps, start=1):
            with database.writing():
                version, done, _ = _state(database)
                if (version, done) < (migration.version, number):
                    step(database)
                    _set(database, {_SCHEMA: migration.version, _STEPS: number, _WRITTEN_BY: __version__})


def next_fence(database: Database) -> int:
    """Take the next fencing number: every writer with a lower one is refused from now on."""
    with database.writing():
        number = int(dict(map(tuple, database.rows(_ALL)))[FENCE]) + 1
        _set(database, {FENCE: number})
    return number


def _newest() -> int:
    return max((migration.version for migration in MIGRATIONS), default=1)


def _state(database: Database) -> tuple[int, int, str]:
    known: dict[str, str] = dict(database.rows(_ALL))
    try:
        return int(known[_SCHEMA]), int(known[_STEPS]), known[_WRITTEN_BY]
    except (KeyError, ValueError) as wrong:
        raise StateDamaged(f"the state {database.place} does not say its version; restore its last backup") from wrong


def _set(database: Database, values: dict[str, Any]) -> None:
    database.upsert(META, [(name, str(value)) for name, value in values.items()])


def _create(database: Database) -> None:
    with database.writing(fenced=False):
        if not database.sqlite:
            database.command(f"SELECT pg_advisory_xact_lock({_CREATING}, hashtext(current_schema()))")
        if inspect(database.connection).has_table(META.name):
            return  # another process was faster
        if database.sqlite and database.command("SELECT name FROM sqlite_master"):
            raise StateDamaged(f"{database.place} is the database of another program; give syncjob a file of its own")
        for words in definitions(database):
            database.command(words)
        last = MIGRATIONS[-1].steps if MIGRATIONS else ()
        _set(database, {_SCHEMA: _newest(), _STEPS: len(last), _WRITTEN_BY: __version__, FENCE: 0})


def definitions(database: Database, *, strict: bool | None = None, tables: Sequence[Table] = ()) -> list[str]:
    """The statements that make these tables, or all; SQLite before 3.37 knows no STRICT: there each whole number is checked."""
    dialect = database.connection.dialect
    if strict is None:
        strict = (
            tuple(map(int, database.command("SELECT sqlite_version()")[0][0].split("."))) >= (3, 37)
            if database.sqlite
            else False
        )
    made: list[str] = []
    for table in tables or METADATA.sorted_tables:
        words = str(CreateTable(table).compile(dialect=dialect)).strip()
        if isinstance(dialect, sqlite.dialect):
            words = (
                _strict(words) if strict else _checked(words, [c.name for c in table.columns if isinstance(c.type, Integer)])
            )
        made.append(words)
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in sorted(table.indexes, key=lambda i: str(i.name))]
    return made


def _strict(words: str) -> str:
    return f"{words}, STRICT" if words.endswith("WITHOUT ROWID") else f"{words} STRICT"


def _checked(words: str, columns: list[str]) -> str:
    columns_part, _, options = words.rpartition(")")
    checks = "".join(f", CHECK (typeof(\"{column}\") IN ('integer', 'null'))" for column in columns)
    return f"{columns_part}{checks}){options}"
