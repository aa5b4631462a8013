"""Sums of the sub-ledger: by role and bucket for the gateway's leg, by what is delivered for the books' leg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import Select, and_, bindparam, case, func, literal_column, select, text, tuple_
from sqlalchemy.sql.elements import ColumnElement

from syncjob.model import Role
from syncjob.moment import from_micros, micros
from syncjob.store.database import Database, among, one_of
from syncjob.store.tables import CODED, DELIVERY, ENTRY, LINE, POSTED, REVERSES, SUBJECT

_E, _L = ENTRY.c, LINE.c
TODAY = -1  # stands for the chart that counts now, where an entry has no document yet
_AT_ONCE = 2000  # entries
_END = (1 << 63) - 1
_LINES = ENTRY.join(LINE, _L.entry == _E.id)
_THROUGH = (
    select(_L.role, _L.bucket, _L.currency, func.sum(_L.minor))
    .select_from(_LINES)
    .where(_E.source == bindparam("source"), _E.effective <= bindparam("through"))
    .group_by(_L.role, _L.bucket, _L.currency)
)
_PAGE = (
    select(_E.id, _E.effective)
    .where(
        _E.source == bindparam("source"),
        tuple_(_E.effective, _E.id) > tuple_(bindparam("after_effective"), bindparam("after_id")),
    )
    .order_by(_E.effective, _E.id)
    .limit(_AT_ONCE)
)
_MOVED = (
    select(_E.key, _E.effective, _L.role, _L.bucket, _L.currency, _L.minor)
    .select_from(_LINES)
    .where(
        _E.source == bindparam("source"),
        tuple_(_E.effective, _E.id) > tuple_(bindparam("after_effective"), bindparam("after_id")),
        tuple_(_E.effective, _E.id) <= tuple_(bindparam("last_effective"), bindparam("last_id")),
        one_of(_L.role, (Role.CLEARING.value, Role.RESERVE.value)),
    )
    .order_by(_E.effective, _E.id, _L.ordinal)
)
_DELIVERED = case((DELIVERY.c.delivered_revision >= POSTED.c.revision, 1), else_=0)
_POSTED_TO = ENTRY.outerjoin(POSTED, and_(POSTED.c.entry == _E.id, POSTED.c.target == bindparam("target"))).outerjoin(
    DELIVERY, and_(DELIVERY.c.key == POSTED.c.document, DELIVERY.c.target == POSTED.c.target)
)
_HELD_IN = case((DELIVERY.c.delivered_revision >= POSTED.c.revision, DELIVERY.c.delivered_revision), else_=DELIVERY.c.revision)
_CHART = (
    select(CODED.c.chart)
    .where(CODED.c.key == POSTED.c.document, CODED.c.target == POSTED.c.target, CODED.c.revision <= _HELD_IN)
    .order_by(CODED.c.revision.desc())
    .limit(1)
    .scalar_subquery()
)


def _sums(chart: ColumnElement[int]) -> Select[Any]:
    named = case((POSTED.c.document.is_(None), TODAY), else_=chart).label("under_chart")
    # The day of the document: the summary of a payout stands on another one than each of its entries.
    day = func.coalesce(DELIVERY.c.date, _E.date).label("on_day")
    sums = (day, _DELIVERED.label("is_delivered"), named, _L.role, _E.source, _L.bucket, _L.currency, func.sum(_L.minor))
    return (
        select(*sums)
        .select_from(_POSTED_TO.join(LINE, _L.entry == _E.id))
        .group_by(text("on_day"), text("is_delivered"), text("under_chart"), _L.role, _E.source, _L.bucket, _L.currency)
    )


# What another document takes back is not in the books any more from that document's day on, whichever day it was posted on.
_BACK = DELIVERY.alias("reversing")
_TAKEN_BACK = (
    select(_BACK.c.date, func.coalesce(_CHART, literal_column("0")).label("under_chart"))
    .add_columns(_L.role, _E.source, _L.bucket, _L.currency, func.sum(_L.minor))
    .select_from(
        _BACK.join(POSTED, and_(POSTED.c.document == _BACK.c.reverses, POSTED.c.target == _BACK.c.target))
        .join(DELIVERY, and_(DELIVERY.c.key == POSTED.c.document, DELIVERY.c.target == POSTED.c.target))
        .join(ENTRY, _E.id == POSTED.c.entry)
        .join(LINE, _L.entry == _E.id)
    )
    .where(_BACK.c.target == bindparam("target"), text(f"reversing.{REVERSES}"), _BACK.c.delivered_revision > 0)
    .group_by(_BACK.c.date, text("under_chart"), _L.role, _E.source, _L.bucket, _L.currency)
)
_ANY_TAKEN_BACK = select(DELIVERY.c.key).where(text(REVERSES)).limit(1)
_SUMS, _SUMS_OF_CHARTS = _sums(literal_column("0")), _sums(func.coalesce(_CHART, literal_column("0")))
_CODED = (
    select(CODED.c.target, CODED.c.key, CODED.c.revision, CODED.c.chart)
    .where(among(CODED.c.key, "keys"))
    .order_by(CODED.c.key, CODED.c.target, CODED.c.revision)
)
_ANY_CODED = select(CODED.c.chart).limit(1)
_DATES = select(func.min(DELIVERY.c.date), func.max(DELIVERY.c.date)).select_from(_POSTED_TO).where(_DELIVERED == 1)
_DAY = (
    select(_E.kind, _L.currency, _L.role, func.count(_E.id.distinct()), func.sum(_L.minor))
    .select_from(_LINES)
    .where(_E.source == bindparam("source"), _E.effective >= bindparam("since"), _E.effective < bindparam("until"))
    .group_by(_E.kind, _L.currency, _L.role)
    .order_by(_E.kind, _L.currency, _L.role)
)
_PREPAID = (
    select(_E.date, _L.currency, _L.reference, func.sum(_L.minor))
    .select_from(_LINES)
    .where(
        _E.source == bindparam("source"),
        _E.date <= bindparam("through"),
        _L.role == Role.FEES_PREPAID.value,
        _L.reference != "",  # else no bill takes it to its account
    )
    .group_by(_E.date, _L.currency, _L.reference)
)
_COUNT = (
    select(func.count())
    .select_from(ENTRY.join(SUBJECT, SUBJECT.c.id == _E.subject))
    .where(_E.source == bindparam("source"), SUBJECT.c.name == bindparam("name"))
)


class Sums:
    """Sums that were asked for, kept until an entry or a delivery changes: a night asks for the same ones many times."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._others: int | None = None
        self._balances: dict[tuple[str, datetime | None], dict[tuple[Role, str, str], int]] = {}
        self._days: dict[str, list[_Day]] = {}

    def balances(self, source: str, through: datetime | None) -> dict[tuple[Role, str, str], int]:
        """Sums by role, bucket and currency up to and with an instant."""
        self._forget_old()
        if (source, through) not in self._balances:
            self._balances[source, through] = _balances(self._database, source, through)
        return dict(self._balances[source, through])

    def posted(self, target: str, through: date, delivered: bool) -> dict[tuple[Role, str, str, str], int]:
        """Sums of what is (not) in the books; an entry without a document is not, so both together are the whole sub-ledger."""
        sums: dict[tuple[Role, str, str, str], int] = {}
        for (_, role, source, bucket, currency), minor in self.of_charts(target, through, delivered).items():
            place = role, source, bucket, currency
            sums[place] = sums.get(place, 0) + minor
        return sums

    def of_charts(self, target: str, through: date, delivered: bool) -> dict[tuple[int, Role, str, str, str], int]:
        """The same, each sum under the number of the chart that the postings of its documents were made with."""
        self._forget_old()
        if target not in self._days:
            statement = _SUMS_OF_CHARTS if self._database.rows(_ANY_CODED) else _SUMS
            self._days[target] = [
                (date.fromisoformat(day), bool(is_delivered), (int(chart), Role(role), source, bucket, currency), int(minor))
                for day, is_delivered, chart, role, source, bucket, currency, minor in self._database.rows(
                    statement, target=target
                )
            ]
            if self._database.rows(_ANY_TAKEN_BACK):
                self._days[target] += self._taken_back(target)
        sums: dict[tuple[int, Role, str, str, str], int] = {}
        for day, is_delivered, place, minor in self._days[target]:
            if day <= through and is_delivered is delivered:
                sums[place] = sums.get(place, 0) + minor
        return sums

    def _taken_back(self, target: str) -> Iterator[_Day]:
        for day, chart, role, source, bucket, currency, minor in self._database.rows(_TAKEN_BACK, target=target):
            place = (int(chart), Role(role), source, bucket, currency)
            yield date.fromisoformat(day), True, place, -int(minor)
            yield date.fromisoformat(day), False, place, int(minor)

    def forget(self) -> None:
        """Ask anew from now on: we have changed entries or deliveries ourselves, or taken a change back."""
        self._balances.clear()
        self._days.clear()

    def _forget_old(self) -> None:
        others = self._database.changes_of_others()
        if others is None or others != self._others:
            self._others = others
            self.forget()


_Day: TypeAlias = "tuple[date, bool, tuple[int, Role, str, str, str], int]"


def _balances(database: Database, source: str, through: datetime | None) -> dict[tuple[Role, str, str], int]:
    last = _END if through is None else micros(through)
    found = database.rows(_THROUGH, source=source, through=last)
    return {(Role(role), bucket, currency): int(minor) for role, bucket, currency, minor in found}


def movements(database: Database, source: str, since: datetime) -> Iterator[tuple[str, datetime, Role, str, str, int]]:
    """Clearing and reserve lines from an instant on, in the order of the gateway's ledger, some thousand at a time."""
    place = (micros(since) - 1, _END)
    while True:
        page = database.rows(_PAGE, source=source, after_effective=place[0], after_id=place[1])
        if not page:
            return
        last_id, last_effective = page[-1]
        found = database.rows(
            _MOVED,
            source=source,
            after_effective=place[0],
            after_id=place[1],
            last_effective=last_effective,
            last_id=last_id,
        )
        for key, effective, role, bucket, currency, minor in found:
            yield key, from_micros(effective), Role(role), bucket, currency, minor
        place = (last_effective, last_id)


def prepaid(database: Database, source: str, through: date) -> dict[tuple[date, str, str], int]:
    """(day, currency, reference) -> what stands on prepaid fees of entries dated up to a day."""
    found = database.rows(_PREPAID, source=source, through=through.isoformat())
    return {(date.fromisoformat(day), currency, reference): int(minor) for day, currency, reference, minor in found}


def count(database: Database, source: str, subject: str) -> int:
    """How many entries a subject has."""
    return int(database.rows(_COUNT, source=source, name=subject)[0][0])


def coded(database: Database, keys: Sequence[str]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """From which revision on which chart counts for documents, oldest first."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for target, key, revision, chart in database.rows(_CODED, keys=list(keys)) if keys else ():
        found.setdefault((target, key), []).append((int(revision), int(chart)))
    return found


def entry_dates(database: Database, target: str) -> tuple[date, date] | None:
    """First and last date of what is in the books."""
    first, last = database.rows(_DATES, target=target)[0]
    return None if first is None else (date.fromisoformat(first), date.fromisoformat(last))


def day_sums(database: Database, source: str, since: datetime, until: datetime) -> list[tuple[str, str, Role, int, int]]:
    """Sums by kind, currency and role in a half-open window."""
    found = database.rows(_DAY, source=source, since=micros(since), until=micros(until))
    return [(kind, currency, Role(role), int(number), int(minor)) for kind, currency, role, number, minor in found]
