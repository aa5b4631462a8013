"""What the file holds: a table per kind of document, a readable view of each, and the views that people ask for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syncjob.errors import ConnectorDown
from syncjob.model import DocumentKind

SCHEMA = 2
_APPLICATION = 0x73796E63  # PRAGMA application_id: "sync", so that no other program's file is taken for ours
_LINKED = {"contact": "contacts", "company": "companies", "payment": "payments"}


@dataclass(frozen=True, slots=True)
class Table:
    """How one kind of document is kept: its texts, its amounts (all in one currency), and what it may be linked to."""

    name: str
    texts: tuple[str, ...]
    links: tuple[str, ...]
    amounts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a document fills, without its key."""
        amounts = (*(f"{name}_minor" for name in self.amounts), "currency") if self.amounts else ()
        return (*(f"{role}_id" for role in self.links), *self.texts, *amounts, "as_of", "revision", "void")


_SINCE_2 = ("address", "postal_code", "city")  # columns of contacts that a file of schema 1 has not
_ALL_LINKS = ("contact", "company", "payment")
TABLES = {
    DocumentKind.COMPANY: Table("companies", ("name",), ()),
    DocumentKind.CONTACT: Table("contacts", ("name", "email", "phone", "company", "country", *_SINCE_2), ("company",)),
    DocumentKind.PAYMENT: Table(
        "payments",
        ("status", "paid_at", "description", "invoice", "type"),
        ("contact", "company"),
        ("amount", "fee", "net", "refunded"),
    ),
    DocumentKind.DEAL: Table("deals", ("name", "stage"), _ALL_LINKS, ("amount", "paid")),
    DocumentKind.TASK: Table("tasks", ("title", "due", "status", "text"), _ALL_LINKS),
    DocumentKind.EVENT: Table("events", ("title", "at", "text"), _ALL_LINKS),
}
BY_NAME = {table.name: table for table in TABLES.values()}


def opened(path: Path, busy_seconds: int) -> sqlite3.Connection:
    """A connection without transactions of its own; a file that is not there is not made."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=busy_seconds, isolation_level=None, uri=True)


def version(db: sqlite3.Connection) -> int:
    """The schema that the file has (0: none yet); a file that is not ours, or newer than we are, is ConnectorDown."""
    number = int(db.execute("PRAGMA user_version").fetchone()[0])
    ours = int(db.execute("PRAGMA application_id").fetchone()[0]) == _APPLICATION
    if not ours and (number or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
        raise ConnectorDown("the file is another program's database; choose another path")
    if number > SCHEMA:
        raise ConnectorDown(f"the file has schema {number}, and this syncjob knows {SCHEMA}; use the newer syncjob")
    return number


def _upsert(table: Table) -> str:
    columns = ("external_id", *table.columns)
    changes = ", ".join(f"{column} = excluded.{column}" for column in table.columns)
    values = ", ".join(f":{column}" for column in columns)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608  (names from TABLES)
        f" ON CONFLICT (external_id) DO UPDATE SET {changes} WHERE excluded.revision >= {table.name}.revision"
    )


UPSERT = {table.name: _upsert(table) for table in TABLES.values()}


def _adopted(table: Table) -> str:
    """An update of a row that somebody else made: what we do not know stays as it is, and nothing is ever made."""
    plain = ("revision", "void")
    changes = [f"{column} = coalesce(:{column}, {column})" for column in table.columns if column not in plain]
    changes += [f"{column} = :{column}" for column in plain]
    return (
        f"UPDATE {table.name} SET {', '.join(changes)}"  # noqa: S608  (names from TABLES)
        " WHERE external_id = :external_id AND (:first OR revision <= :revision)"
    )


ADOPTED = {table.name: _adopted(table) for table in TABLES.values()}
VOID = {
    name: f"UPDATE {name} SET void = 1, revision = :revision WHERE external_id = :external_id AND revision <= :revision"  # noqa: S608
    for name in UPSERT
}


def _create(table: Table) -> str:
    columns = ["external_id TEXT NOT NULL PRIMARY KEY"]
    columns += [f"{role}_id TEXT REFERENCES {_LINKED[role]} (external_id)" for role in table.links]
    columns += [f"{name} TEXT" for name in (*table.texts, "as_of")]
    columns += [f"{name}_minor INTEGER CHECK (typeof({name}_minor) IN ('integer', 'null'))" for name in table.amounts]
    columns += ["currency TEXT REFERENCES currencies (code)"] if table.amounts else []
    columns += ["revision INTEGER NOT NULL CHECK (typeof(revision) = 'integer')"]
    columns += ["void INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1))"]
    return f"CREATE TABLE {table.name} ({', '.join(columns)})"


def _decimal(minor: str) -> str:
    """SQL that shows whole minor units as a plain decimal, by the exponent of the joined currency; no float is involved."""
    sign = f"CASE WHEN {minor} < 0 THEN '-' ELSE '' END"
    whole = f"(abs({minor}) / currencies.units)"  # in SQL || binds tighter than /
    rest = f"printf('%0*d', currencies.decimals, abs({minor}) % currencies.units)"
    return f"CASE WHEN currencies.decimals = 0 THEN CAST({minor} AS TEXT) ELSE {sign} || {whole} || '.' || {rest} END"


def _readable(table: Table) -> str:
    columns = [f"{table.name}.{name}" for name in ("external_id", *(f"{role}_id" for role in table.links), *table.texts)]
    columns += [f"{_decimal(f'{table.name}.{name}_minor')} AS {name}" for name in table.amounts]
    columns += [f"{table.name}.{name}" for name in (*(("currency",) if table.amounts else ()), "as_of", "revision", "void")]
    join = f" LEFT JOIN currencies ON currencies.code = {table.name}.currency" if table.amounts else ""
    return f"SELECT {', '.join(columns)} FROM {table.name}{join}"  # noqa: S608  (names from TABLES)


VIEWS = {
    "payment_history": f"""
        SELECT contacts.name AS contact, contacts.email, payments.paid_at AS date,
               {_decimal("payments.amount_minor")} AS amount, payments.currency, payments.status, payments.invoice
        FROM payments
        LEFT JOIN contacts ON contacts.external_id = payments.contact_id
        LEFT JOIN currencies ON currencies.code = payments.currency
        WHERE payments.void = 0
        ORDER BY payments.paid_at, payments.external_id""",  # noqa: S608
    "open_tasks": """
        SELECT tasks.due, tasks.title, tasks.text, contacts.name AS contact, contacts.email
        FROM tasks
        LEFT JOIN contacts ON contacts.external_id = tasks.contact_id
        WHERE tasks.void = 0 AND coalesce(tasks.status, 'open') = 'open'
        ORDER BY tasks.due, tasks.external_id""",
    "deals_by_stage": f"""
        SELECT deals.stage, deals.currency, count(*) AS deals,
               {_decimal("sum(deals.amount_minor)")} AS amount, {_decimal("sum(deals.paid_minor)")} AS paid
        FROM deals
        LEFT JOIN currencies ON currencies.code = deals.currency
        WHERE deals.void = 0
        GROUP BY deals.stage, deals.currency
        ORDER BY deals.stage, deals.currency""",  # noqa: S608
    "customers": f"""
        SELECT contacts.name AS contact, contacts.email, payments.currency, count(*) AS payments,
               {_decimal("sum(payments.amount_minor)")} AS amount,
               {_decimal("sum(coalesce(payments.refunded_minor, 0))")} AS refunded
        FROM contacts
        JOIN payments ON payments.contact_id = contacts.external_id
        JOIN currencies ON currencies.code = payments.currency
        WHERE contacts.void = 0 AND payments.void = 0 AND coalesce(payments.status, '') <> 'failed'
        GROUP BY contacts.external_id, payments.currency
        ORDER BY contacts.name, contacts.external_id, payments.currency""",  # noqa: S608
}
NUMBERS = frozenset({"amount", "fee", "net", "refunded", "paid", "payments", "deals", "revision", "void"})


def statements(known: int) -> Iterator[str]:
    """What brings a file from the schema it has (0: empty) to ours, for one transaction."""
    if known == 1:
        yield from (f"ALTER TABLE contacts ADD COLUMN {name} TEXT" for name in _SINCE_2)
        yield "DROP VIEW readable_contacts"
        yield f"CREATE VIEW readable_contacts AS {_readable(BY_NAME['contacts'])}"
    else:
        yield from _from_nothing()
    yield f"PRAGMA user_version = {SCHEMA}"


def _from_nothing() -> Iterator[str]:
    yield "CREATE TABLE currencies (code TEXT NOT NULL PRIMARY KEY, decimals INTEGER NOT NULL, units INTEGER NOT NULL)"
    for table in TABLES.values():
        yield _create(table)
        yield from (f"CREATE INDEX {table.name}_{role} ON {table.name} ({role}_id)" for role in table.links)
        yield f"CREATE VIEW readable_{table.name} AS {_readable(table)}"
    for name, select in VIEWS.items():
        yield f"CREATE VIEW {name} AS {select}"
    yield f"PRAGMA application_id = {_APPLICATION}"
