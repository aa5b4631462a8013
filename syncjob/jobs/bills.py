"""The monthly bill of a gateway whose fees come to the books once a month: what was prepaid goes to its accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from syncjob.jobs.job import Job, Source
from syncjob.jobs.nightly import today
from syncjob.jobs.planning import save_entries
from syncjob.model import Entry
from syncjob.moment import month_end
from syncjob.money import Money
from syncjob.posting import bill
from syncjob.posting.rules import Fees


def post_bills(job: Job, source: Source) -> None:
    """Post the fees of every month that has ended: as a part of its own whatever came to light after the month's bill."""
    if job.rules.how(source.name).fees is Fees.MONTHLY_BILL:
        save_entries(job, source.name, list(_bills(job, source.name)))


def _bills(job: Job, source: str) -> Iterator[Entry]:
    for last, sums in sorted(_by_month(job.store.prepaid(source, today(job))).items()):
        open_ones = {place: Money(minor, place[0]) for place, minor in sums.items() if minor}
        if last < today(job) and open_ones:
            part = 1 + job.store.count_entries(source, f"fees:{last:%Y-%m}")
            how = job.rules.how(source)
            yield bill(source, last, open_ones, part, job.rules.zone, how)


def _by_month(prepaid: Mapping[tuple[date, str, str], int]) -> dict[date, dict[tuple[str, str], int]]:
    """Last day of a month -> (currency, role) -> what of the month's fees no bill has taken to its account."""
    months: dict[date, dict[tuple[str, str], int]] = {}
    for (day, currency, role), minor in sorted(prepaid.items()):
        sums = months.setdefault(month_end(day), {})
        sums[currency, role] = sums.get((currency, role), 0) + minor
    return months
