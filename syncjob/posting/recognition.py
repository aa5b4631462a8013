"""Revenue that is earned over time: what a sale defers, and what of it has been earned by the end of a month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from syncjob.model import Entry, Line, Role, Service
from syncjob.moment import business_date, month_end, months_after, start_of
from syncjob.money import Money, share
from syncjob.posting.rules import Revenue

KIND = "recognition"
_DAY = timedelta(days=1)


class Share(NamedTuple):
    """A part of a sale before tax: which role it goes to, for which time ("" where it is earned at once), its weight."""

    role: Role
    time: str
    weight: int


ALL_AT_ONCE = (Share(Role.REVENUE, "", 1),)


class Time(NamedTuple):
    """A service's days in the books' zone, from the first up to but without the last, and how they earn."""

    how: Revenue
    first: date
    end: date

    def __str__(self) -> str:
        """As it stands in the reference of a line: by_day 2026-10-06/2027-10-06."""
        return f"{self.how.value} {self.first}/{self.end}"

    @classmethod
    def of(cls, reference: str) -> Time:
        """The time that a reference names."""
        how, _, days = reference.partition(" ")
        first, _, end = days.partition("/")
        return cls(Revenue(how), date.fromisoformat(first), date.fromisoformat(end))

    def earned(self, total: Money, through: date) -> Money:
        """What of an amount is earned by the end of a day, exact: nothing before the first, all with the last.

        By day in equal days; per period in equal months counted from the first day, each earned when it begins.
        """
        if self.how is Revenue.BY_DAY:
            days = (self.end - self.first).days
            return share(total, min(max((through + _DAY - self.first).days, 0), days), days)
        begins = [self.first]
        while (following := months_after(self.first, len(begins))) < self.end:
            begins.append(following)
        return share(total, sum(1 for one in begins if one <= through), len(begins))


def shares(services: Sequence[Service], day: date, zone: tzinfo, how: Revenue) -> tuple[Share, ...]:
    """How a sale of a day is split by the times that it is for: what is over by the end of its month is earned at once."""
    if how is Revenue.ON_PAYMENT or sum(one.weight for one in services) <= 0:
        return ALL_AT_ONCE
    found: dict[str, int] = {}
    for one in services:
        time = Time(how, business_date(one.start, zone), business_date(one.end, zone))
        later = time.end > time.first and time.end - _DAY > month_end(day)
        found[str(time) if later else ""] = found.get(str(time) if later else "", 0) + one.weight
    return tuple(
        Share(Role.DEFERRED_REVENUE if time else Role.REVENUE, time, weight) for time, weight in found.items() if weight
    )


def given_back(paid: Entry) -> tuple[Share, ...]:
    """How a refund of a sale is split: as the sale was, and what was deferred is deferred no more."""
    found: dict[tuple[Role, str], int] = {}
    for line in paid.lines:
        if line.role in (Role.REVENUE, Role.DEFERRED_REVENUE):
            role = Role.RETURNS if line.role is Role.REVENUE else line.role
            found[role, line.reference] = found.get((role, line.reference), 0) - line.amount.minor
    return tuple(Share(role, time, weight) for (role, time), weight in found.items() if weight)


def split(amount: Money, parts: Sequence[Share]) -> list[Line]:
    """An amount as lines of these shares, which sum to it to the last minor unit."""
    whole = sum(one.weight for one in parts)
    lines: list[Line] = []
    gone = weight = 0
    for one in parts:
        weight += one.weight
        upto = share(amount, weight, whole).minor
        lines.append(Line(one.role, Money(upto - gone, amount.currency), reference=one.time))
        gone = upto
    return lines


def recognised(
    source: str, last: date, earned: Mapping[tuple[str, str], Money], part: int, on: tuple[tzinfo, date]
) -> Entry:
    """The entry of what a month has earned, by (currency, time): from deferred to revenue; `on` is the zone and its day."""
    zone, day = on
    lines: list[Line] = []
    sums: dict[str, int] = {}
    for (currency, time), amount in sorted(earned.items()):
        lines.append(Line(Role.DEFERRED_REVENUE, amount, reference=time))
        sums[currency] = sums.get(currency, 0) + amount.minor
    lines += [Line(Role.REVENUE, Money(-minor, currency)) for currency, minor in sums.items() if minor]
    subject = f"{KIND}:{last:%Y-%m}"
    effective: datetime = start_of(last, zone)
    return Entry(
        key=f"{source}:{subject}:{part}",
        source=source,
        subject=subject,
        origin=subject,
        kind=KIND,
        effective=effective,
        date=day,
        lines=tuple(lines),
    )
