"""The sub-ledger as a journal: entries by date, instant and key, with the documents that bring them to books."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Text, and_, bindparam, case, func, or_, select

from syncjob.model import Entry
from syncjob.store import rows
from syncjob.store.database import Database
from syncjob.store.tables import CODED, DELIVERY, ENTRY, LINE, POSTED, SUBJECT

_E, _L, _S, _P = ENTRY.c, LINE.c, SUBJECT.c, POSTED.c
_AT_ONCE = 2000  # entries, as far as days allow it
_HEAD = 1 + len(rows.ENTRY_COLUMNS)
_WANTED = and_(
    _E.date >= bindparam("since"),
    _E.date <= bindparam("until"),
    or_(bindparam("source", type_=Text()) == "", _E.source == bindparam("source")),
)
_DAYS = select(_E.date, func.count()).where(_WANTED).group_by(_E.date).order_by(_E.date)
_LINES = (
    select(_S.name, *rows.ENTRY_COLUMNS, *rows.LINE_COLUMNS)
    .select_from(ENTRY.join(SUBJECT, _S.id == _E.subject).join(LINE, _L.entry == _E.id))
    .where(_WANTED)
    .order_by(_E.date, _E.effective, _E.key, _L.ordinal)
)
_HELD_IN = case(
    (DELIVERY.c.delivered_revision > 0, DELIVERY.c.delivered_revision),
    else_=DELIVERY.c.revision,
)
_CHART = (
    select(CODED.c.chart)
    .where(CODED.c.key == _P.document, CODED.c.target == _P.target, CODED.c.revision <= _HELD_IN)
    .order_by(CODED.c.revision.desc())
    .limit(1)
    .scalar_subquery()
)
_DOCUMENTS = (
    select(_E.key, _P.target, _P.document, func.coalesce(_CHART, 0))
    .select_from(
        ENTRY.join(POSTED, _P.entry == _E.id).join(
            DELIVERY, and_(DELIVERY.c.key == _P.document, DELIVERY.c.target == _P.target)
        )
    )
    .where(_WANTED)
    .order_by(_E.key, _P.target, _P.document)
)


class Carried(NamedTuple):
    """A document that brings an entry to a target's books, and the number of the chart that its postings stand under."""

    target: str
    document: str
    chart: int


def entries(database: Database, since: date, until: date, source: str) -> Iterator[tuple[Entry, list[Carried]]]:
    """Entries dated between two days, both included, of one source ("": all), in the order of a journal."""
    for first, last in _spans(database, since, until, source):
        wish = {"since": first, "until": last, "source": source}
        carried: dict[str, list[Carried]] = {}
        for key, target, document, chart in database.rows(_DOCUMENTS, **wish):
            carried.setdefault(key, []).append(Carried(target, document, int(chart)))
        for key, lines in groupby(database.rows(_LINES, **wish), key=lambda row: row[1]):
            of_entry = list(lines)
            head = of_entry[0]
            told = rows.entry_of(head[0], head[1:_HEAD], [rows.line_of(line[_HEAD:]) for line in of_entry])
            yield told, carried.get(key, [])


def _spans(database: Database, since: date, until: date, source: str) -> Iterator[tuple[str, str]]:
    """Spans of whole days that hold some thousand entries each: a day is never cut, so the order is that of all."""
    first = last = ""
    number = 0
    for day, count in database.rows(_DAYS, since=since.isoformat(), until=until.isoformat(), source=source):
        if first and number + count > _AT_ONCE:
            yield first, last
            first, number = "", 0
        first, last, number = first or day, day, number + count
    if first:
        yield first, last
