"""Subjects: their numbers, their place in the order of planning, and which of them are to be planned (again)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import and_, bindparam, func, or_, select, text, update

from syncjob.model import Status, Stream
from syncjob.moment import micros
from syncjob.store.database import Database, Value, Values, among, one_of
from syncjob.store.tables import APPLICATION, DELIVERY, DIRTY, ENTRY, INVOICE, PART, RECORD, STREAM, SUBJECT
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


_ENTRIES_OF = select(ENTRY.c.subject).where(
    or_(
        and_(ENTRY.c.date >= bindparam("day"), ENTRY.c.date < bindparam("end")),
        and_(ENTRY.c.effective >= bindparam("instant"), ENTRY.c.effective < bindparam("stop")),
    )
)
_RECORDS_OF = select(RECORD.c.subject).where(
    RECORD.c.head == 1, RECORD.c.occurred >= bindparam("instant"), RECORD.c.occurred < bindparam("stop")
)
_INVOICES_OF = (
    select(_S.id)
    .select_from(SUBJECT.join(INVOICE, and_(_S.scope == INVOICE.c.target, _S.name == "invoice:" + INVOICE.c.number)))
    .join(PART, PART.c.number == INVOICE.c.normal)
    .join(APPLICATION, APPLICATION.c.id == PART.c.application)
    .where(APPLICATION.c.subject.in_(_ENTRIES_OF))
)
_OF_DAYS = (
    select(_S.id)
    .where(or_(_S.id.in_(_ENTRIES_OF), _S.id.in_(_RECORDS_OF), _S.id.in_(_INVOICES_OF)))
    .order_by(_S.position, _S.name, _S.scope)
)
_UNSENT = (
    update(SUBJECT)
    .values(dirty=_S.dirty + 1)
    .where(
        _S.id.in_(
            select(DELIVERY.c.subject).where(
                DELIVERY.c.delivered_revision == 0, one_of(DELIVERY.c.status, (Status.PLANNED.value, Status.HELD.value))
            )
        )
    )
)


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


def mark_unsent(database: Database) -> int:
    """Ask for the subjects of documents that no target holds yet to be planned again."""
    with database.writing():
        return database.run(_UNSENT)


def of_days(
    database: Database, since: tuple[date, datetime], until: tuple[date, datetime] | None
) -> Iterator[Subject]:
    """Subjects of a span of days by position, then the invoices that their payments name."""
    last = until or (date.max, datetime.max.replace(tzinfo=UTC))
    span = {"day": since[0].isoformat(), "instant": micros(since[1]), "end": last[0].isoformat(), "stop": micros(last[1])}
    yield from _in_order(database, [row[0] for row in database.rows(_OF_DAYS, **span)])


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
    yield from _in_order(database, (row[0] for row in found))


def _in_order(database: Database, ids: Iterable[int]) -> Iterator[Subject]:
    order = array("q", ids)
    for start in range(0, len(order), _AT_ONCE):
        numbers = order[start : start + _AT_ONCE]
        known = by_id(database, numbers)
        yield from (known[number] for number in numbers)
