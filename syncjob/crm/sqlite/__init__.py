"""A CRM in one SQLite file, for a start without a vendor: open it with any SQLite tool, or export its tables as CSV.

Each document is one row under its document key (`external_id`), so writing it again replaces it (class A); a row of an older
revision never replaces a newer one. Amounts are whole minor units beside their currency; the views `readable_*` show
decimals. A Call is one transaction. Nothing in a row tells when it was written: an interrupted and an undisturbed run leave
the same rows. What surprised us: a NUL ends a text in most tools, and a lone surrogate cannot be bound at all.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from syncjob.crm.sqlite.export import export_csv, export_jsonl, tables
from syncjob.crm.sqlite.schema import ADOPTED, BY_NAME, SCHEMA, TABLES, UPSERT, VOID, Table, opened, statements, version
from syncjob.errors import ConnectorDown, Problem, RecordRefused
from syncjob.model import Action, Json, Remote, canonical, idempotency_key
from syncjob.money import Money, decimals, plain
from syncjob.ports import (
    Absent,
    Call,
    CannotTell,
    Contact,
    Delivered,
    Found,
    Identity,
    Member,
    Options,
    Outcome,
    Present,
    Promises,
    Put,
    Refused,
    TargetClass,
    Unknown,
    Unsent,
)

__all__ = ["PROMISES", "SETTINGS", "Sqlite", "connect", "export_csv", "export_jsonl", "tables"]

SETTINGS = {"path": "The file of the CRM, seen from the home (default: crm.sqlite)."}
_BATCH = 500
_BUSY_SECONDS = 5
_UNBINDABLE = re.compile("[\0\ud800-\udfff]")
PROMISES = Promises(grade=TargetClass.A, batch=_BATCH, kinds=tuple(TABLES))


def _now() -> datetime:
    return datetime.now(UTC)


def connect(
    options: Options, http: object | None = None, *, clock: Callable[[], datetime] = _now, busy_seconds: int = _BUSY_SECONDS
) -> Sqlite:
    """The CRM in a file under the home. `clock` gives aware UTC; `busy_seconds` is how long another writer is waited for."""
    del http  # a file needs no network
    return Sqlite(options.name, options.home / (options.settings.get("path") or "crm.sqlite"), clock, busy_seconds)


class Sqlite:
    """The CRM of one SQLite file; each call opens its own connection, so any thread may make it."""

    promises = PROMISES

    def __init__(self, name: str, path: Path, clock: Callable[[], datetime], busy_seconds: int) -> None:
        self.name = name
        self._path = path
        self._clock = clock
        self._busy_seconds = busy_seconds

    # ------------------------------------------------------------ about the file

    def check(self) -> list[Problem]:
        """Whether the file can be written to and is ours; nothing is written."""
        folder = next(one for one in self._path.parents if one.exists())  # SQLite keeps its journal beside the file
        for place in (folder, self._path):
            if place.exists() and not os.access(place, os.W_OK):
                cure = "give syncjob's user the right to write there"
                return [Problem(str(place), self.name, "it cannot be written to", cure)]
        if not self._path.exists():
            return []
        try:
            with self._opened() as db:
                version(db)
        except (ConnectorDown, sqlite3.Error) as wrong:
            return [Problem(str(self._path), self.name, str(wrong))]
        return []

    def identity(self) -> Identity:
        """Always the same: a file has no account, and its path changes when a home moves."""
        return Identity("sqlite", "live")

    def provision(self) -> list[Problem]:
        """Create the file, its tables and views, once, and what an older file has not; one of a newer syncjob is refused."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # People's names are in it: only its owner reads it, until the owner decides otherwise.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with self._opened() as db:
                if version(db) < SCHEMA:
                    db.execute("BEGIN IMMEDIATE")
                    if (known := version(db)) < SCHEMA:  # another run may have been quicker
                        for statement in statements(known):
                            db.execute(statement)
                    db.execute("COMMIT")
        except (OSError, sqlite3.Error, ConnectorDown) as wrong:
            return [Problem(str(self._path), self.name, str(wrong), "mend that, then run again")]
        return []

    # ------------------------------------------------------------ writing

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """Calls of up to 500 documents in their order; what cannot be a row is in its Call as a refusal."""
        return [self._call(batch[start : start + _BATCH]) for start in range(0, len(batch), _BATCH)]

    def _call(self, puts: Sequence[Put]) -> Call:
        rows: list[Json] = []
        for put in puts:
            try:
                rows.append(_row(put))
            except RecordRefused as wrong:
                what = f"{put.kind} {put.key}"
                rows.append({"refused": {"what": what, "where": self.name, "why": str(wrong), "cure": wrong.cure}})
        members = tuple(Member(put.key, put.revision, put.generation) for put in puts)
        key = idempotency_key([(member.key, member.revision, member.generation) for member in members])
        return Call(key, members, canonical(rows).encode())

    def send(self, call: Call) -> Sequence[Outcome]:
        """Write a Call's rows in one transaction; ConnectorDown where the file is damaged, foreign, or of a newer syncjob."""
        rows: list[dict[str, Any]] = json.loads(call.request)
        members = list(zip(call.members, rows, strict=True))
        good = [(member.key, row) for member, row in members if "refused" not in row]
        bad = [(member.key, row) for member, row in members if "refused" in row]
        outcomes: dict[str, Outcome] = {key: Refused(key, Problem(**row["refused"])) for key, row in bad}
        committing = False
        try:
            with self._opened() as db:
                if version(db) < SCHEMA:
                    return [
                        Unsent(member.key, f"{self._path} has not all tables yet; the next run makes them")
                        for member in call.members
                    ]
                db.execute("BEGIN IMMEDIATE")
                gone = _adopted_and_gone(db, good)
                orphans = _write(db, [(key, row) for key, row in good if key not in gone])
                outcomes |= {key: Refused(key, self._orphan(key, row)) for key, row in good if key in orphans}
                outcomes |= {key: Refused(key, self._gone(key, row)) for key, row in good if key in gone}
                outcomes |= _held(db, [(key, row) for key, row in good if key not in orphans and key not in gone])
                committing = True
                db.execute("COMMIT")
        except sqlite3.Error as wrong:
            outcomes |= self._failed(wrong, [key for key, _ in good], in_doubt=committing)
        return [outcomes[member.key] for member in call.members]

    def _failed(self, wrong: sqlite3.Error, keys: Sequence[str], *, in_doubt: bool) -> dict[str, Outcome]:
        """What an error of SQLite means for the rows of a Call; its transaction was rolled back when the file was closed."""
        code = getattr(wrong, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise ConnectorDown(f"{self._path} is damaged ({wrong}); restore it from a backup") from wrong
        reason = f"{self._path}: {wrong}"
        # Busy and full are said before anything is kept; any other error of a commit may have come after it.
        if in_doubt and code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            return {key: Unknown(key, reason) for key in keys}
        return {key: Unsent(key, reason) for key in keys}

    def _orphan(self, key: str, row: Mapping[str, Any]) -> Problem:
        links = ", ".join(row[column] for column in row if column.endswith("_id") and column != "external_id" and row[column])
        why = f"it refers to {links}, which is not in this file"
        return Problem(key, self.name, why, "restore the rows that were deleted, then run: syncjob held retry")

    def _gone(self, key: str, row: Mapping[str, Any]) -> Problem:
        why = f"{row['table']} has no row {row['external_id']}, which a person has linked with this customer"
        cure = f"link another one, or run: syncjob customers split {self.name}:{row['external_id']}"
        return Problem(key, self.name, why, cure)

    # ------------------------------------------------------------ reading

    def contacts(self, wanted: str) -> list[Contact]:
        """The contact of this id alone; without one, up to 50 whose id, name or e-mail begins like it."""
        asked = (
            "SELECT external_id, coalesce(name, ''), coalesce(email, '') FROM contacts WHERE void = 0 AND external_id = ?",
            "SELECT external_id, coalesce(name, ''), coalesce(email, '') FROM contacts WHERE void = 0"
            " AND (instr(lower(external_id), ?1) OR instr(lower(name), ?1) OR instr(lower(email), ?1))"
            " ORDER BY external_id LIMIT 50",
        )
        text = _bindable(wanted)
        if not self._path.exists():
            return []
        try:
            with self._opened() as db:
                if not version(db):
                    return []
                found = db.execute(asked[0], (text,)).fetchall()
                found = found or db.execute(asked[1], (text.lower()[: max(3, len(text) // 2)],)).fetchall()
        except sqlite3.Error as wrong:
            raise ConnectorDown(f"{self._path}: {wrong}") from wrong
        return [Contact(*row) for row in found]

    def find(self, puts: Sequence[Put]) -> Sequence[Found]:
        """Look documents up by their keys; a void row is absent."""
        asked = self._clock()
        found: dict[str, Found] = {}
        try:
            with self._opened() as db:
                if not version(db):
                    return [Absent(put.key, asked) for put in puts]
                for kind, members in groupby(sorted(puts, key=lambda put: put.kind), key=lambda put: put.kind):
                    keys = {_place(put): put.key for put in members}
                    for row in _rows(db, TABLES[kind], list(keys)) if kind in TABLES else ():
                        if not row["void"]:
                            key = keys[row["external_id"]]
                            found[key] = Present(key, (_remote(row),), _echo(TABLES[kind], row))
        except (sqlite3.Error, ConnectorDown) as wrong:
            return [CannotTell(put.key, f"{self._path}: {wrong}") for put in puts]
        return [found.get(put.key, Absent(put.key, asked)) for put in puts]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file that exists; a transaction that is open when it closes was never made."""
        with closing(opened(self._path, self._busy_seconds)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = FULL")
            yield db


# ---------------------------------------------------------------- a document as a row


def _row(put: Put) -> dict[str, Json]:
    """The row of a Put, or what to void; RecordRefused where a field does not fit."""
    table = TABLES.get(put.kind)
    if table is None:
        raise RecordRefused(f"this CRM holds no {put.kind}", cure="take it out of this target's map")
    if put.action not in (Action.CREATE, Action.UPDATE, Action.VOID):
        raise RecordRefused(f"this CRM cannot {put.action} a {put.kind}", cure="take it out of this target's map")
    if _bindable(put.key) != put.key:
        raise RecordRefused(f"document key is {put.key!r}, which SQLite cannot hold")
    row: dict[str, Json] = {"table": table.name, "external_id": _place(put), "revision": put.revision}
    if put.expected is not None and row["external_id"] != put.key:
        # A contact that was there before us; its row's own number of revisions counts until we have written it once.
        row["first"] = int(not put.expected.version)
    if put.action is Action.VOID:
        return row | {"void": 1}
    body = put.body
    allowed = {"external_id", "as_of", *table.texts, *table.amounts, *(("currency",) if table.amounts else ())}
    unknown = sorted(body.keys() - allowed)
    if unknown:
        raise RecordRefused(f"the body has {unknown}, which {table.name} does not know", cure="correct the map")
    if body.get("external_id", put.key) not in (put.key, put.reference):
        raise RecordRefused(f"external_id is {body['external_id']!r}, not the document's key", cure="leave it out of the map")
    strange = sorted(put.links.keys() - set(table.links))
    if strange:
        raise RecordRefused(f"{table.name} cannot be linked to {strange}", cure="correct the map")
    for role in table.links:
        row[f"{role}_id"] = put.links[role].id if role in put.links else None
    for name in (*table.texts, "as_of"):
        row[name] = _text(name, body.get(name))
    if table.amounts:
        row |= _amounts(table, body)
    return row | {"void": 0}


def _place(put: Put) -> str:
    """The key of a document's row: its own, or that of the row which a person has linked it with."""
    return put.expected.id if put.expected is not None and put.action is Action.UPDATE else _bindable(put.key)


def _amounts(table: Table, body: Mapping[str, Json]) -> dict[str, Json]:
    currency = body.get("currency")
    row: dict[str, Json] = {f"{name}_minor": None for name in table.amounts}
    for name in table.amounts:
        text = body.get(name)
        if text is None:
            continue
        if not isinstance(text, str) or not isinstance(currency, str):
            raise RecordRefused(f"{name} is {text!r} {currency!r}, not decimal text with a currency", cure="correct the map")
        row[f"{name}_minor"] = Money.of(text, currency).minor
    row["currency"] = currency
    if currency is not None:
        decimals(str(currency))
    return row


def _text(name: str, value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return _bindable(value) if value else value
    raise RecordRefused(f"{name} is {value!r}, not text", cure="correct the map")


def _bindable(text: str) -> str:
    """A text that SQLite can hold: NUL becomes its picture U+2400, a lone surrogate U+FFFD."""
    return _UNBINDABLE.sub(lambda found: "\u2400" if found[0] == "\0" else "\ufffd", text)


# ---------------------------------------------------------------- rows in the file


def _write(db: sqlite3.Connection, rows: Sequence[tuple[str, dict[str, Any]]]) -> set[str]:
    """Write rows in one open transaction; the keys of those that refer to what is not there come back."""
    used = sorted({row["currency"] for _, row in rows if row.get("currency")})
    db.executemany("INSERT OR IGNORE INTO currencies VALUES (?, ?, ?)", [(c, decimals(c), 10 ** decimals(c)) for c in used])
    refused: set[str] = set()
    try:
        for statement, group in groupby(rows, key=lambda one: _statement(one[1])):
            db.executemany(statement, [row for _, row in group])
    except sqlite3.IntegrityError:
        for key, row in rows:  # those that were written already are written once more, which changes nothing
            try:
                db.execute(_statement(row), row)
            except sqlite3.IntegrityError:
                refused.add(key)
    return refused


def _statement(row: Mapping[str, Any]) -> str:
    name = row["table"]
    return VOID[name] if row["void"] else ADOPTED[name] if "first" in row else UPSERT[name]


def _adopted_and_gone(db: sqlite3.Connection, rows: Sequence[tuple[str, dict[str, Any]]]) -> set[str]:
    """The keys of documents whose row somebody else made, and which is not there any more."""
    adopted = [(key, row) for key, row in rows if "first" in row]
    return {key for key, row in adopted if not any(_rows(db, BY_NAME[row["table"]], [row["external_id"]]))}


def _held(db: sqlite3.Connection, rows: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Outcome]:
    """What the file holds of these rows, as read back from it."""
    kept: dict[str, Outcome] = {}
    by_table: dict[str, dict[str, str]] = {}
    for key, row in rows:
        by_table.setdefault(row["table"], {})[row["external_id"]] = key
        kept[key] = Delivered(key, Remote(row["external_id"]))  # undone before it ever was a row
    for name, keys in by_table.items():
        for held in _rows(db, BY_NAME[name], list(keys)):
            key = keys[held["external_id"]]
            kept[key] = Delivered(key, _remote(held), None if held["void"] else _echo(BY_NAME[name], held))
    return kept


def _rows(db: sqlite3.Connection, table: Table, keys: Sequence[str]) -> Iterator[sqlite3.Row]:
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        marks = ", ".join("?" * len(part))
        yield from db.execute(f"SELECT * FROM {table.name} WHERE external_id IN ({marks})", part)  # noqa: S608


def _remote(row: sqlite3.Row) -> Remote:
    return Remote(row["external_id"], str(row["revision"]))


def _echo(table: Table, row: sqlite3.Row) -> Mapping[str, Json]:
    """A row in the words of the body; what was not given is left away."""
    held: dict[str, Json] = {name: row[name] for name in table.texts if row[name] is not None}
    if table.amounts and row["currency"] is not None:
        currency = held["currency"] = row["currency"]
        for name in table.amounts:
            minor = row[f"{name}_minor"]
            if minor is not None:
                held[name] = plain(minor, currency)
    return held
