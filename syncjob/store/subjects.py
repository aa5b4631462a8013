"""Subjects: their numbers, their place in the order of planning, and which of them are to be planned (again)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import bindparam, func, select, text, update

from syncjob.model import Stream
from syncjob.store.database import Database, Value, Values, among
from syncjob.store.tables import DIRTY, STREAM, SUBJECT
from syncjob.store.values import Subject

AFTER_RECORDS = 1 << 60  # the position of a subject that no record is about: invoices are planned after every payment
_AT_ONCE = 1000

_S = SUBJECT.c
_STREAM = select(STREAM.c.id).where(
    STREAM.c.source == bindparam("source"), STREAM.c.account == bindparam("account"), STREAM.c.mode == bindparam("mode")
)
_STREAMS = select(STREAM.c.id, STREAM.c.source, STREAM.c.account, STREAM.c.mode)
_IDS = select(_S.name, _S.id).where(_S.scope == bindparam("scope"), among(_S.name, "names"))
_NEXT = (
    select(_S.scope, _S.name, _S.position)
    .where(text(DIRTY))
    .order_by(_S.position, _S.name, _S.scope)
    .limit(bindparam("at_most"))
)
_ORDER = select(_S.id).order_by(_S.position, _S.name, _S.scope)
_ORDER_OF = select(_S.id).where(_S.scope == bindparam("scope")).order_by(_S.position, _S.name)
_BY_ID = select(_S.id, _S.scope, _S.name, _S.position).where(among(_S.id, "ids"))

_EARLIER = func.min(_S.position, bindparam("position"))
_EARLIER_POSTGRESQL = func.least(_S.position, bindparam("position"))


def _touch(*, sqlite: bool) -> object:
    earlier = _EARLIER if sqlite else _EARLIER_POSTGRESQL
    return (
        update(SUBJECT)
        .values(
            stream=func.coalesce(_S.stream, bindparam("first_stream")), position=earlier, dirty=_S.dirty + bindparam("reasons")
        )
        .where(_S.id == bindparam("number"))
    )


_TOUCH = {True: _touch(sqlite=True), False: _touch(sqlite=False)}
_TOUCH_NAMES = ("first_stream", "position", "reasons", "number")


def stream_id(database: Database, stream: Stream) -> int:
    """The number of a stream, given out on its first use."""
    found = database.rows(_STREAM, source=stream.source, account=stream.account, mode=stream.mode)
    if found:
        return int(found[0][0])
    number = database.next_id(STREAM)
    database.insert(STREAM, [(number, stream.source, stream.account, stream.mode)])
    return number


def streams(database: Database) -> dict[int, Stream]:
    """Every stream by its number."""
    return {id: Stream(source, account, mode) for id, source, account, mode in database.rows(_STREAMS)}


def ids(database: Database, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The numbers of those (scope, name) that are known."""
    scopes: dict[str, list[str]] = {}
    for scope, name in names:
        scopes.setdefault(scope, []).append(name)
    found: dict[tuple[str, str], int] = {}
    for scope, wanted in scopes.items():
        found.update({(scope, name): id for name, id in database.rows(_IDS, scope=scope, names=wanted)})
    return found


def touch(
    database: Database, positions: Mapping[tuple[str, str], int], *, stream: int | None = None, dirty: bool
) -> dict[tuple[str, str], int]:
    """Make sure that these subjects are there, at the latest at these positions, perhaps to be planned; gives their numbers."""
    known = ids(database, positions)
    reason = 1 if dirty else 0
    changes: list[Values] = []
    if dirty:
        changes = [(stream, positions[name], reason, id) for name, id in known.items()]
        database.many(_TOUCH[database.sqlite], _TOUCH_NAMES, changes)  # type: ignore[arg-type]
    missing = [name for name in positions if name not in known]
    if missing:
        first = database.next_id(SUBJECT)
        rows: list[Values] = []
        for number, (scope, name) in enumerate(missing, start=first):
            rows.append((number, scope, name, stream, positions[scope, name], reason))
            known[scope, name] = number
        database.insert(SUBJECT, rows)
    return known


def dirty(database: Database, limit: int) -> list[Subject]:
    """The next subjects to be planned."""
    return [Subject(scope, name, position) for scope, name, position in database.rows(_NEXT, at_most=limit)]


def mark_dirty(database: Database, subjects: Sequence[Subject]) -> None:
    """Ask for subjects to be planned (again)."""
    positions: dict[tuple[str, str], int] = {}
    for one in subjects:
        name = (one.scope, one.name)
        positions[name] = min(positions.get(name, one.position), one.position)
    if positions:
        touch(database, positions, dirty=True)


def by_id(database: Database, numbers: Iterable[Value]) -> dict[int, Subject]:
    """Subjects by their numbers."""
    wanted = list(dict.fromkeys(numbers))
    return (
        {id: Subject(scope, name, position) for id, scope, name, position in database.rows(_BY_ID, ids=wanted)}
        if wanted
        else {}
    )


def every(database: Database, scope: str | None) -> Iterator[Subject]:
    """Every subject in order of position; only their numbers are held in memory, eight bytes each."""
    found = database.rows(_ORDER) if scope is None else database.rows(_ORDER_OF, scope=scope)
    order = array("q", (row[0] for row in found))
    del found
    for start in range(0, len(order), _AT_ONCE):
        numbers = order[start : start + _AT_ONCE]
        known = by_id(database, numbers)
        yield from (known[number] for number in numbers)
