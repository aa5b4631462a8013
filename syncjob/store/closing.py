"""What a month's close pack adds up: sums by day and by kind, what crosses the month's end, is open, missing, or came late."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, case, func, literal, null, or_, select, text

from syncjob.errors import Problem
from syncjob.model import UNDONE, Role
from syncjob.moment import from_micros, micros
from syncjob.store import delivering, rows
from syncjob.store.database import Database, one_of
from syncjob.store.tables import CALL, DELIVERY, ENTRY, LINE, MEMBER, POSTED, REVERSES, SUBJECT

_E, _L, _S, _P, _D, _M, _C = ENTRY.c, LINE.c, SUBJECT.c, POSTED.c, DELIVERY.c, MEMBER.c, CALL.c
_GATEWAYS = (Role.CLEARING.value, Role.RESERVE.value)
_LINES = ENTRY.join(LINE, _L.entry == _E.id)
_ABOUT = _LINES.join(SUBJECT, _S.id == _E.subject)


class Crossing(NamedTuple):
    """A line of a gateway's balance that is dated on one side of a month's end and moved on the other."""

    key: str
    source: str
    kind: str
    date: date
    effective: datetime
    role: Role
    bucket: str
    currency: str
    minor: int


class Open(NamedTuple):
    """What of one subject stands in a role at the end of a day, and the first day on which it came there."""

    role: Role
    source: str
    subject: str
    currency: str
    minor: int
    since: date


class Sent(NamedTuple):
    """A line of payouts in transit: a payout left, came back, or arrived."""

    source: str
    subject: str
    kind: str
    key: str
    date: date
    effective: datetime
    currency: str
    minor: int


class Missing(NamedTuple):
    """A line of an entry that a target's books do not have yet, the document that brings it, and how that stands."""

    key: str
    source: str
    kind: str
    date: date
    effective: datetime
    role: Role
    bucket: str
    currency: str
    minor: int
    document: str
    status: str
    problem: Problem | None


_THROUGH = (
    select(_E.source, _L.role, _L.currency, func.sum(_L.minor))
    .select_from(_LINES)
    .where(_E.date <= bindparam("through"))
    .group_by(_E.source, _L.role, _L.currency)
    .order_by(_E.source, _L.role, _L.currency)
)
_KINDS = (
    select(_E.source, _E.kind, _L.currency, _L.role, func.count(_E.id.distinct()), func.sum(_L.minor))
    .select_from(_LINES)
    .where(_E.date >= bindparam("first"), _E.date <= bindparam("last"))
    .group_by(_E.source, _E.kind, _L.currency, _L.role)
    .order_by(_E.source, _E.kind, _L.currency, _L.role)
)
_SIDES = (
    select(
        _E.source,
        _L.role,
        _L.currency,
        func.sum(case((_L.minor > 0, _L.minor), else_=0)),
        func.sum(case((_L.minor < 0, _L.minor), else_=0)),
    )
    .select_from(_LINES)
    .where(_E.date >= bindparam("first"), _E.date <= bindparam("last"))
    .group_by(_E.source, _L.role, _L.currency)
)
_CROSSING = (
    select(_E.key, _E.source, _E.kind, _E.date, _E.effective, _L.role, _L.bucket, _L.currency, _L.minor)
    .select_from(_LINES)
    .where(
        one_of(_L.role, _GATEWAYS),
        or_(
            and_(_E.date <= bindparam("through"), _E.effective >= bindparam("end")),
            and_(_E.date > bindparam("through"), _E.effective < bindparam("end")),
        ),
    )
    .order_by(_E.date, _E.effective, _E.key, _L.ordinal)
)
_OPEN = (
    select(_L.role, _E.source, _S.name, _L.currency, func.sum(_L.minor), func.min(_E.date))
    .select_from(_ABOUT)
    .where(
        _E.date <= bindparam("through"),
        one_of(_L.role, [r.value for r in (Role.UNAPPLIED, Role.CUSTOMER_CREDIT, Role.SUSPENSE, Role.PAYOUTS_IN_TRANSIT)]),
    )
    .group_by(_L.role, _E.source, _S.name, _L.currency)
    .having(func.sum(_L.minor) != 0)
)
_IN_TRANSIT = _L.role == Role.PAYOUTS_IN_TRANSIT.value
_OF_THE_MONTH = (
    select(_E.subject)
    .select_from(_LINES)
    .where(_IN_TRANSIT, _E.date <= bindparam("last"))
    .group_by(_E.subject, _L.currency)
    .having(or_(func.max(_E.date) >= bindparam("first"), func.sum(_L.minor) != 0))
)
_SENT = (
    select(_E.source, _S.name, _E.kind, _E.key, _E.date, _E.effective, _L.currency, _L.minor)
    .select_from(_ABOUT)
    .where(_IN_TRANSIT, _E.subject.in_(_OF_THE_MONTH))
    .order_by(_E.source, _E.date, _E.effective, _E.key, _L.ordinal)
)
_DELIVERED = case((_D.delivered_revision >= _P.revision, 1), else_=0)
_POSTED_TO = ENTRY.outerjoin(POSTED, and_(_P.entry == _E.id, _P.target == bindparam("target"))).outerjoin(
    DELIVERY, and_(_D.key == _P.document, _D.target == _P.target)
)
_MISSING = (
    select(
        *(_E.key, _E.source, _E.kind, _E.date, _E.effective, _L.role, _L.bucket, _L.currency, _L.minor),
        *(_P.document, case((delivering.IS_UNDONE, UNDONE), else_=_D.status), _D.problem),
    )
    .select_from(_POSTED_TO.join(LINE, _L.entry == _E.id))
    .where(_E.date <= bindparam("through"), _DELIVERED == 0)
    .order_by(_E.date, _E.effective, _E.key, _L.ordinal)
)
_BACK = DELIVERY.alias("reversing")
_TAKEN_BACK = (
    select(
        *(_E.key, _E.source, _E.kind, _BACK.c.date, _E.effective, _L.role, _L.bucket, _L.currency, _L.minor),
        *(_P.document, literal(UNDONE), null()),
    )
    .select_from(
        _BACK.join(POSTED, and_(_P.document == _BACK.c.reverses, _P.target == _BACK.c.target))
        .join(ENTRY, _E.id == _P.entry)
        .join(LINE, _L.entry == _E.id)
    )
    .where(_BACK.c.target == bindparam("target"), text(f"reversing.{REVERSES}"), _BACK.c.delivered_revision > 0)
    .where(_BACK.c.date <= bindparam("through"))
    .order_by(_BACK.c.date, _E.effective, _E.key, _L.ordinal)
)
_ARRIVED = (
    select(_P.entry.label("entry"), func.min(_C.settled).label("at"))
    .select_from(
        POSTED.join(MEMBER, and_(_M.key == _P.document, _M.revision >= _P.revision))
        .join(CALL, and_(_C.id == _M.call, _C.target == _P.target))
        .join(DELIVERY, and_(_D.key == _P.document, _D.target == _P.target))
    )
    .where(_P.target == bindparam("target"), _M.outcome == "delivered", _DELIVERED == 1)
    .group_by(_P.entry)
    .having(func.min(_C.settled) >= bindparam("end"))
    .subquery()
)
_LATE = (
    select(_E.source, _L.role, _L.currency, _ARRIVED.c.at, func.count(_E.id.distinct()), func.sum(_L.minor))
    .select_from(_LINES.join(_ARRIVED, _ARRIVED.c.entry == _E.id))
    .where(_E.date <= bindparam("through"), one_of(_L.role, _GATEWAYS))
    .group_by(_E.source, _L.role, _L.currency, _ARRIVED.c.at)
)


def sums_through(database: Database, day: date) -> dict[tuple[str, Role, str], int]:
    """(source, role, currency) -> sum of lines dated up to and with a day, in alphabetical order."""
    found = database.rows(_THROUGH, through=day.isoformat())
    return {(source, Role(role), currency): int(minor) for source, role, currency, minor in found}


def kind_sums(database: Database, first: date, last: date) -> list[tuple[str, str, str, Role, int, int]]:
    """(source, kind, currency, role, number of entries, sum) of entries dated from one day to another, both included."""
    found = database.rows(_KINDS, first=first.isoformat(), last=last.isoformat())
    return [
        (source, kind, currency, Role(role), int(number), int(minor)) for source, kind, currency, role, number, minor in found
    ]


def side_sums(database: Database, first: date, last: date) -> dict[tuple[str, Role, str], tuple[int, int]]:
    """(source, role, currency) -> sum of debits and of credits (negative) dated from one day to another."""
    found = database.rows(_SIDES, first=first.isoformat(), last=last.isoformat())
    return {(source, Role(role), currency): (int(debit), int(credit)) for source, role, currency, debit, credit in found}


def crossing(database: Database, day: date, end: datetime) -> list[Crossing]:
    """Lines of gateways' balances dated up to a day and moved from an instant on, or the other way round."""
    return [
        Crossing(key, source, kind, date.fromisoformat(on), from_micros(at), Role(role), bucket, currency, int(minor))
        for key, source, kind, on, at, role, bucket, currency, minor in database.rows(
            _CROSSING, through=day.isoformat(), end=micros(end)
        )
    ]


def open_items(database: Database, day: date) -> list[Open]:
    """What customers paid that waits for its purpose, and payouts on their way, by subject, at the end of a day."""
    found = [
        Open(Role(role), source, subject, currency, int(minor), date.fromisoformat(since))
        for role, source, subject, currency, minor, since in database.rows(_OPEN, through=day.isoformat())
    ]
    return sorted(found, key=lambda one: (one.role, one.source, one.currency, one.since, one.subject))


def sent(database: Database, first: date, last: date) -> list[Sent]:
    """Every line of the payouts that moved in transit between two days, or were in transit on either of them."""
    return [
        Sent(source, subject, kind, key, date.fromisoformat(on), from_micros(at), currency, int(minor))
        for source, subject, kind, key, on, at, currency, minor in database.rows(
            _SENT, first=first.isoformat(), last=last.isoformat()
        )
    ]


def missing(database: Database, target: str, day: date) -> list[Missing]:
    """The lines dated up to a day that a target's books do not have yet, then those that another document has taken back."""
    return [
        Missing(
            *(key, source, kind, date.fromisoformat(on), from_micros(at), Role(role), bucket, currency, int(minor)),
            *(document or "", status or "", rows.problem_of(problem)),
        )
        for statement in (_MISSING, _TAKEN_BACK)
        for key, source, kind, on, at, role, bucket, currency, minor, document, status, problem in database.rows(
            statement, target=target, through=day.isoformat()
        )
    ]


def late(database: Database, target: str, day: date, end: datetime) -> list[tuple[str, Role, str, datetime, int, int]]:
    """(source, role, currency, arrived, entries, sum): gateways' balances that reached the books from an instant on."""
    return [
        (source, Role(role), currency, from_micros(at), int(number), int(minor))
        for source, role, currency, at, number, minor in database.rows(
            _LATE, target=target, through=day.isoformat(), end=micros(end)
        )
    ]
