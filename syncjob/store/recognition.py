"""Deferred revenue in the sub-ledger: what sales and refunds deferred, and what months have brought to revenue."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from syncjob.model import Role
from syncjob.store.database import Database
from syncjob.store.tables import ENTRY, LINE, SUBJECT

_E, _L, _S = ENTRY.c, LINE.c, SUBJECT.c
_RECOGNITION = "recognition"
_DEFERRED = (
    select(_S.name, _E.kind, _E.date, _L.currency, _L.reference, func.sum(_L.minor))
    .select_from(ENTRY.join(LINE, _L.entry == _E.id).join(SUBJECT, _S.id == _E.subject))
    .where(_E.source == bindparam("source"), _L.role == Role.DEFERRED_REVENUE.value, _L.reference != "")
    .group_by(_S.name, _E.kind, _E.date, _L.currency, _L.reference)
    .order_by(_E.date, _S.name, _L.currency, _L.reference)
)


class Deferred(NamedTuple):
    """What a sale deferred on a day for a time, in minor units; a refund of it is negative."""

    subject: str
    day: date
    currency: str
    time: str
    minor: int


def deferred(database: Database, source: str) -> tuple[list[Deferred], dict[str, dict[tuple[str, str], int]]]:
    """What the sales of a source deferred, by day; and by month (YYYY-MM) and (currency, time) what was brought to revenue."""
    sales: list[Deferred] = []
    done: dict[str, dict[tuple[str, str], int]] = {}
    for subject, kind, day, currency, time, minor in database.rows(_DEFERRED, source=source):
        if kind == _RECOGNITION:
            month = done.setdefault(subject.partition(":")[2], {})
            month[currency, time] = month.get((currency, time), 0) + int(minor)
        else:
            sales.append(Deferred(subject, date.fromisoformat(day), currency, time, -int(minor)))
    return sales, done
