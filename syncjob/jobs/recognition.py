"""Deferred revenue: by night what each month that has ended has earned becomes revenue; and the schedule of it all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from syncjob.jobs.job import Job, Source
from syncjob.jobs.nightly import today
from syncjob.jobs.planning import save_entries
from syncjob.model import Entry
from syncjob.moment import month_end
from syncjob.money import Money
from syncjob.posting.recognition import Time, recognised
from syncjob.posting.rules import Revenue, Schedule
from syncjob.store import Store
from syncjob.store.recognition import Deferred

_DAY = timedelta(days=1)


class Planned(NamedTuple):
    """What one sale has earned with the end of a month."""

    source: str
    subject: str
    time: Time
    month: date  # its last day
    earned: Money  # in that month
    sofar: Money  # with it
    total: Money


def recognise(job: Job, source: Source) -> None:
    """Post what each month that has ended has earned and no entry has brought to revenue; what came late is a further part.

    What was deferred once is earned to its end, whatever syncjob.yaml says of revenue by then.
    """
    how, name = job.rules.how(source.name), f"deferred:{source.name}"
    defers = job.store.get_fact(name) is not None
    if how.revenue is not Revenue.ON_PAYMENT and not defers:
        job.store.set_fact(name, True)
    elif not defers:
        return  # nothing was ever deferred: no sum of the sub-ledger is needed to know it
    if how.schedule is Schedule.ENTRIES:
        save_entries(job, source.name, list(_entries(job, source.name)))


def _entries(job: Job, source: str) -> Iterator[Entry]:
    sales, known = job.store.deferred(source)
    done: dict[tuple[str, str], int] = {}
    for month in _months(sales, today(job)):
        for place, minor in known.get(f"{month:%Y-%m}", {}).items():
            done[place] = done.get(place, 0) + minor
        due = {
            place: Money(minor - done.get(place, 0), place[0])
            for place, minor in _earned(sales, month).items()
            if minor != done.get(place, 0)
        }
        if due:
            part = 1 + job.store.count_entries(source, f"recognition:{month:%Y-%m}")
            yield recognised(source, month, due, part, (job.rules.zone, job.rules.open_day(month)))
            done |= {place: done.get(place, 0) + amount.minor for place, amount in due.items()}


def _months(sales: list[Deferred], now: date) -> Iterator[date]:
    """The last day of each month that has ended, from the first sale on."""
    month = month_end(min((one.day for one in sales), default=now))
    while month < now:
        yield month
        month = month_end(month + _DAY)


def _earned(sales: list[Deferred], through: date) -> dict[tuple[str, str], int]:
    """(currency, time) -> what of the sales up to a day is earned by then, each sale by itself."""
    found: dict[tuple[str, str], int] = {}
    for (_, currency, time), total in _totals(sales, through).items():
        earned = Time.of(time).earned(Money(total, currency), through).minor
        found[currency, time] = found.get((currency, time), 0) + earned
    return found


def _totals(sales: list[Deferred], through: date) -> dict[tuple[str, str, str], int]:
    sums: dict[tuple[str, str, str], int] = {}
    for one in sales:
        if one.day <= through:
            place = one.subject, one.currency, one.time
            sums[place] = sums.get(place, 0) + one.minor
    return sums


def schedule(store: Store, source: str) -> Iterator[Planned]:
    """Every sale that is earned over time, month by month from its first to its last, as far as refunds are known today."""
    sales, _ = store.deferred(source)
    days: dict[tuple[str, str, str], date] = {}
    for one in sales:  # by day
        days.setdefault((one.subject, one.currency, one.time), one.day)
    for (subject, currency, time), minor in sorted(_totals(sales, date.max).items()):
        when, total = Time.of(time), Money(minor, currency)
        month, sofar = month_end(max(days[subject, currency, time], when.first)), Money(0, currency)
        while sofar != total or month < when.end:
            upto = when.earned(total, month)
            yield Planned(source, subject, when, month, upto - sofar, upto, total)
            month, sofar = month_end(month + _DAY), upto
