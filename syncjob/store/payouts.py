"""Payouts of the sub-ledger, and what was posted of the movements that they pay out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from syncjob.model import Kind, Role
from syncjob.moment import from_micros, micros
from syncjob.money import Money
from syncjob.reconcile import Payout, Posted
from syncjob.store.database import Database, among, one_of
from syncjob.store.tables import ENTRY, LINE, PAIDOUT, SUBJECT

_E, _L = ENTRY.c, LINE.c
_FEES = [role.value for role in (Role.FEES, Role.DISPUTE_FEES, Role.FEE_TAX, Role.FEES_PREPAID)]
_LINES = ENTRY.join(LINE, _L.entry == _E.id)
_PAYOUTS = (
    select(SUBJECT.c.name, _E.date, _E.effective, _L.currency, func.sum(_L.minor))
    .select_from(_LINES.join(SUBJECT, SUBJECT.c.id == _E.subject))
    .where(
        _E.source == bindparam("source"),
        _E.kind == Kind.PAYOUT.value,
        _E.effective >= bindparam("since"),
        _L.role == Role.PAYOUTS_IN_TRANSIT.value,
    )
    .group_by(SUBJECT.c.name, _E.date, _E.effective, _L.currency)
    .order_by(_E.effective, SUBJECT.c.name)
)
_POSTED = (
    select(_E.key, _E.kind, _L.role, func.sum(_L.minor))
    .select_from(_LINES)
    .where(
        among(_E.key, "keys"),
        _L.currency == bindparam("currency"),
        one_of(_L.role, [Role.CLEARING.value, *_FEES]),
        _L.reference == "",
    )
    .group_by(_E.key, _E.kind, _L.role)
)
_OUT = select(PAIDOUT.c.movement, PAIDOUT.c.payout).where(
    PAIDOUT.c.source == bindparam("source"), among(PAIDOUT.c.movement, "movements")
)
_AT_ONCE = 2000
_APART = ":fees"  # an entry of fees alone, beside that of its movement


def payouts(database: Database, source: str, since: datetime) -> list[Payout]:
    """The payouts of a source that left its balance from an instant on, oldest first."""
    return [
        Payout(source, name.partition(":")[2] or name, date.fromisoformat(day), from_micros(at), Money(int(minor), currency))
        for name, day, at, currency, minor in database.rows(_PAYOUTS, source=source, since=micros(since))
    ]


def posted(database: Database, source: str, ids: Sequence[str], currency: str) -> dict[str, Posted]:
    """By ledger id, what was posted of these movements in a currency, fees that are an entry of their own included."""
    keys = [f"{source}:{id}{end}" for id in ids for end in ("", _APART)]
    found: dict[str, Posted] = {}
    rows: list[Any] = database.rows(_POSTED, keys=keys, currency=currency) if keys else []
    for key, kind, role, minor in sorted(rows):
        id = key.removeprefix(f"{source}:").removesuffix(_APART)
        one = found.setdefault(id, Posted(kind))
        if role == Role.CLEARING.value:
            one.net += int(minor)
        else:
            one.fees += int(minor)
    return found


def note_paid_out(database: Database, source: str, payout: str, movements: Sequence[str]) -> None:
    """Keep what a payout pays out, by ledger ids; what the gateway said last counts."""
    with database.writing():
        database.upsert(PAIDOUT, [(source, movement, payout) for movement in dict.fromkeys(movements)])


def paid_out(database: Database, source: str, movements: Sequence[str]) -> dict[str, str]:
    """By ledger id, the payout that pays a movement out, of those of which the gateway has said it."""
    found: dict[str, str] = {}
    for start in range(0, len(movements), _AT_ONCE):
        batch = list(movements[start : start + _AT_ONCE])
        found |= dict(database.rows(_OUT, source=source, movements=batch))
    return found
