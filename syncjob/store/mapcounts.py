"""What the maps' rules did, added up by day: what a night is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import bindparam, delete, func, select

from syncjob.moment import business_date
from syncjob.store.database import Database, Values
from syncjob.store.tables import MAPCOUNT
from syncjob.store.values import Counted

KEPT = timedelta(days=90)

_M = MAPCOUNT.c
_SUMS = (
    select(_M.map, _M.field, _M.what, _M.value, func.sum(_M.number), func.min(_M.day))
    .where(_M.day >= bindparam("since"), _M.day <= bindparam("through"))
    .group_by(_M.map, _M.field, _M.what, _M.value)
    .order_by(_M.map, _M.field, _M.what, _M.value)
)
_PRUNE = delete(MAPCOUNT).where(_M.day < bindparam("before"))


def add(database: Database, day: date, counts: Mapping[Counted, int], now: datetime) -> None:
    """Add a run's counts to those of its day, and drop the days that nothing is compared with any more."""
    today = day.isoformat()
    rows: list[Values] = [(of, today, field, what, value, n) for (of, field, what, value), n in sorted(counts.items())]
    if rows:
        with database.writing():
            database.add_up(MAPCOUNT, rows)
            # By the earlier of two clocks: one that runs ahead for a day must not cost what a year has learned.
            database.run(_PRUNE, before=(min(day, business_date(now, UTC)) - KEPT).isoformat())


def sums(database: Database, since: date, through: date) -> dict[Counted, tuple[int, date]]:
    """What was counted from one day to another, both included, and on which of these days first."""
    found = database.rows(_SUMS, since=since.isoformat(), through=through.isoformat())
    return {(of, field, what, value): (int(n), date.fromisoformat(first)) for of, field, what, value, n, first in found}
