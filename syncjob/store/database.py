"""The one connection to the state: its settings, its transactions, and statements that are compiled once and run in batches.

SQLAlchemy writes the SQL; rows go to and from the driver as plain tuples, because converting them one by one costs more than
storing them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from sqlalchemy import Connection, Executable, Table, bindparam, func, insert, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement

from syncjob.errors import Busy, StateDamaged, SyncjobError
from syncjob.store.faults import explained
from syncjob.store.tables import META

Value: TypeAlias = "int | str | bytes | None"
Values: TypeAlias = "tuple[Value, ...]"

FENCE = "fence"
_FENCE = select(META.c.value).where(META.c.name == FENCE).with_for_update()

# ---------------------------------------------------------------- texts that a database cannot hold

# PostgreSQL refuses NUL and both refuse half a surrogate pair, yet a gateway may send either. Here, and nowhere else, they are
# written as U+2400 and four hexadecimal digits, and read back; U+2400 itself is written the same way, so nothing is lost.
_MARK = "\u2400"
_UNSAFE = re.compile("[\0\u2400\ud800-\udfff]")
_MARKED = re.compile("\u2400([0-9a-f]{4})")


def _marked(value: Value) -> Value:
    return _UNSAFE.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", value) if type(value) is str else value


def _unmarked(value: Value) -> Value:
    return _MARKED.sub(lambda found: chr(int(found[1], 16)), value) if type(value) is str else value


def _holdable(rows: Sequence[Values]) -> Sequence[Values]:
    """Rows as both databases can hold them. One look at all their texts together: nearly all pass as they are."""
    whole = "".join([value for row in rows for value in row if type(value) is str])
    if "\0" not in whole and (whole.isascii() or (_MARK not in whole and _is_whole(whole))):
        return rows
    return [tuple(map(_marked, row)) for row in rows]


def _is_whole(text: str) -> bool:
    """Whether no surrogate stands in it without its other half."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- statements


def one_of(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """A column has one of a few fixed values; `in_` would be expanded at each execution, and these texts are compiled once."""
    return or_(*(column == value for value in values))


class among(ColumnElement[bool]):
    """A column's value is in a list of any length, given as one parameter."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: Any = bindparam(name)


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: Any, **options: Any) -> str:
    column, values = compiler.process(element.column, **options), compiler.process(element.values, **options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - a placeholder and a name of ours


@compiles(among, "postgresql")
def _among_postgresql(element: among, compiler: Any, **options: Any) -> str:
    column, values = compiler.process(element.column, **options), compiler.process(element.values, **options)
    return f"{column} = ANY ({values})"


class Database:
    """One open connection. Every change happens inside `writing`, which is one transaction."""

    def __init__(self, connection: Connection, place: str) -> None:
        self.place = place
        self.sqlite = connection.dialect.name == "sqlite"
        self.fence: int | None = None  # our number while we hold the run lock
        self._connection: Connection | None = connection
        self.complaints: tuple[type[Exception], ...] = (DBAPIError, connection.dialect.loaded_dbapi.Error)
        self._compiled: dict[Any, tuple[str, tuple[str, ...], Mapping[str, Any]]] = {}
        self._writing = False
        self._reading = False
        self._spoiled = False

    def close(self) -> None:
        """Let go of the connection; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            finally:
                connection.engine.dispose()

    @property
    def connection(self) -> Connection:
        """The open connection, or StateDamaged once it was given up."""
        if self._connection is None:
            raise StateDamaged(f"the state {self.place} was closed; run again")
        return self._connection

    # ------------------------------------------------------------ transactions
    @contextmanager
    def writing(self, *, fenced: bool = True) -> Iterator[None]:
        """One write transaction; inside another it is part of that one.

        Writers go one after the other in both databases, so numbers given out in here are nobody else's. While the run lock is
        held, a writer whose fencing number is no longer the highest is refused: another run has taken over.
        """
        if self._writing:
            try:
                yield
            except BaseException:
                self._spoiled = True
                raise
            return
        self.command("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
        self._writing, self._spoiled = True, False
        try:
            if fenced:
                self._check_fence()
            yield
            if self._spoiled:
                raise AssertionError("a part of this transaction failed: it cannot be committed")  # noqa: TRY301
        except BaseException:
            self._writing = False
            self._undo()
            raise
        self._writing = False
        self._commit()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several reads that see the same state; nothing is locked."""
        if self._writing or self._reading:
            yield
            return
        self.command("BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._reading = True
        try:
            yield
        finally:
            self._reading = False
            self._undo()

    def _check_fence(self) -> None:
        rows = self.rows(_FENCE)
        if self.fence is not None and (not rows or int(rows[0][0]) != self.fence):
            now = rows[0][0] if rows else "none"
            raise Busy(
                f"another run has taken over the state {self.place} (number {now}, ours was {self.fence}): this one stops"
            )

    def _undo(self) -> None:
        try:
            self.command("ROLLBACK")
        except (SyncjobError, AssertionError):
            self.close()  # SQLite has rolled back by itself, or the server is gone: either way this connection is finished

    def _commit(self) -> None:
        try:
            self.connection.exec_driver_sql("COMMIT")
        except Exception as wrong:
            # A failed COMMIT may have been done: an fsync that failed once is not to be trusted the second time.
            self.close()
            reason = " ".join(str(getattr(wrong, "orig", wrong)).split())
            raise StateDamaged(
                f"the state {self.place} may or may not have kept the last change ({reason}); make room if the disk is "
                "full, and run again: it will be seen then"
            ) from wrong

    # ------------------------------------------------------------ statements
    def command(self, words: str) -> list[Any]:
        """Run a fixed text that needs no parameters (PRAGMA, BEGIN, DDL) and give its rows, if it has any."""
        try:
            result = self.connection.exec_driver_sql(words)
            return list(result.all()) if result.returns_rows else []
        except self.complaints as wrong:
            raise self._failed(wrong) from wrong

    def rows(self, statement: Executable, **values: Any) -> list[Any]:
        """Run a query; a list among the values is one parameter for `among`."""
        words, names, preset = self._text(statement)
        try:
            result = self.connection.exec_driver_sql(words, self._bound(names, preset, values))
            found: list[Any] = list(result.cursor.fetchall())  # the driver's own tuples: nobody asks these rows for names
            result.close()
        except self.complaints as wrong:
            raise self._failed(wrong) from wrong
        if _MARK in "".join([value for row in found for value in row if type(value) is str]):
            return [tuple(map(_unmarked, row)) for row in found]
        return found

    def pages(self, statement: Executable, size: int) -> Iterator[list[Values]]:
        """The rows of a query, some at a time; for copying inside `reading`."""
        words, names, preset = self._text(statement)
        self.connection.execution_options(stream_results=True)  # changes this connection, so it is taken back below
        try:
            for page in self.connection.exec_driver_sql(words, self._bound(names, preset, {})).partitions(size):
                yield [tuple(map(_unmarked, row)) for row in page]
        except self.complaints as wrong:
            raise self._failed(wrong) from wrong
        finally:
            self.connection.execution_options(stream_results=False)

    def run(self, statement: Executable, **values: Any) -> int:
        """Run one change; gives how many rows it touched."""
        words, names, preset = self._text(statement)
        try:
            return self.connection.exec_driver_sql(words, self._bound(names, preset, values)).rowcount
        except self.complaints as wrong:
            raise self._failed(wrong) from wrong

    def many(self, statement: Executable, names: Sequence[str], rows: Sequence[Values]) -> int:
        """Run one change for each row of values, in the order of `names`; gives how many rows were touched."""
        if not rows:
            return 0
        words, bound, preset = self._text(statement)
        if bound != tuple(names):
            # The statement carries values of its own (SET dirty = 0), and has its own order of the others.
            asked = [name for name in bound if name not in names]
            if any(preset.get(name) is None for name in asked) or not set(names) <= set(bound):
                raise AssertionError(f"values come as {tuple(names)}, but the statement wants {bound}")
            places = [names.index(name) if name in names else None for name in bound]
            own = [preset.get(name) for name in bound]
            rows = [tuple(own[i] if place is None else row[place] for i, place in enumerate(places)) for row in rows]
        try:
            return self.connection.exec_driver_sql(words, list(_holdable(rows))).rowcount
        except self.complaints as wrong:
            raise self._failed(wrong) from wrong

    def insert(self, table: Table, rows: Sequence[Values]) -> None:
        """Insert whole rows, values in the order of the table's columns."""
        self.many(_INSERTS.setdefault(table.name, insert(table)), [column.name for column in table.columns], rows)

    def upsert(self, table: Table, rows: Sequence[Values], keep: tuple[str, ...] = ()) -> None:
        """Insert whole rows, or replace those with the same primary key, all but the columns to `keep`."""
        name = (self.sqlite, table.name, keep)
        if name not in _UPSERTS:
            made = _insert_of(self.sqlite)(table)
            fresh = {c.name: made.excluded[c.name] for c in table.columns if not c.primary_key and c.name not in keep}
            _UPSERTS[name] = made.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=fresh)
        self.many(_UPSERTS[name], [column.name for column in table.columns], rows)

    def add_up(self, table: Table, rows: Sequence[Values]) -> None:
        """Insert whole rows whose last column is a number, or add it to that of the row with the same primary key."""
        name = (self.sqlite, table.name, _ADDED)
        if name not in _UPSERTS:
            made, number = _insert_of(self.sqlite)(table), list(table.columns)[-1]
            total = {number.name: number + made.excluded[number.name]}
            _UPSERTS[name] = made.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=total)
        self.many(_UPSERTS[name], [column.name for column in table.columns], rows)

    def changes_of_others(self) -> int | None:
        """A number that stays the same only while no other connection changes anything; None where nobody can tell."""
        return int(self.command("PRAGMA data_version")[0][0]) if self.sqlite else None

    def next_id(self, table: Table) -> int:
        """The first free number of a table; only `writing` may ask, since writers go one after the other."""
        if not self._writing:
            raise AssertionError("a number was asked for outside a write transaction")
        highest = _HIGHEST.setdefault(table.name, select(func.max(table.c.id)))
        return int(self.rows(highest)[0][0] or 0) + 1

    def _failed(self, wrong: Exception) -> Exception:
        """The error to raise. A connection that broke is given up: a new one would not hold the run lock of the old."""
        if isinstance(wrong, DBAPIError) and wrong.connection_invalidated:
            self.close()
        return explained(self.place, wrong)

    def _text(self, statement: Executable) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
        known = self._compiled.get(statement)
        if known is None:
            compiled: Any = statement.compile(dialect=self.connection.dialect)  # type: ignore[attr-defined]
            known = (compiled.string, tuple(compiled.positiontup or ()), dict(compiled.params))
            self._compiled[statement] = known
        return known

    def _bound(self, names: tuple[str, ...], preset: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([self._value(values[name] if name in values else preset[name]) for name in names])

    def _value(self, value: Any) -> Any:
        if isinstance(value, (list, tuple, set, frozenset)):
            held = list(_holdable([tuple(value)])[0])
            return json.dumps(held) if self.sqlite else held
        return _marked(value)


def _insert_of(sqlite: bool) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT; a quiet tick does not pay for loading the other dialect."""
    if sqlite:
        from sqlalchemy.dialects.sqlite import insert as own
    else:
        from sqlalchemy.dialects.postgresql import insert as own  # type: ignore[assignment]
    return own


_INSERTS: dict[str, Any] = {}
_UPSERTS: dict[tuple[bool, str, tuple[str, ...]], Any] = {}
_ADDED = ("added up",)  # in place of the columns to keep
_HIGHEST: dict[str, Any] = {}
