"""When a run is due: an interval or a cron expression, and the nightly hour, right on the nights when the clock is moved.

A time of day that comes twice counts once, at its first coming; one that never comes counts once, when the clock has jumped
over it. A cron expression whose hours are all hours follows real time instead: every quarter of an hour stays that. Numbers
of weekdays are cron's own (0 and 7 are Sunday), and a day of the month and a weekday are "either", as in cron.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from syncjob.errors import Misconfigured

EVERY = timedelta(minutes=15)
GRACE = timedelta(minutes=10)
LONGEST = timedelta(days=7)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_MOVED_MOST = timedelta(hours=3)  # no clock is set back further
_DAYS_AHEAD = 9 * 366  # 29 February may be eight years away
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_PIECE = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]{1,2}))?", re.ASCII)
_MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_WEEKDAYS = {"sunmontuewedthufrisat"[3 * n : 3 * n + 3]: n for n in range(7)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)


# ---------------------------------------------------------------- a time of day on a day


def instants(wall: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """The instants (UTC) at which a zone's clocks show a time: one, two where they are set back, none where they skip it."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return ()
    return (first,) if first == second else (first, second)


def once(wall: datetime, zone: tzinfo) -> datetime | None:
    """The one instant (UTC) that stands for a time: its first coming, or the end of the jump; None on a day that never was."""
    found = instants(wall, zone)
    if found:
        return found[0]
    if not any(instants(datetime.combine(wall.date(), time(hour)), zone) for hour in range(24)):
        return None  # such as 30 December 2011 in Apia
    while not found:
        wall += _MINUTE
        found = instants(wall, zone)
    return found[0]


def night_of(day: date, at: time, zone: tzinfo) -> datetime | None:
    """The instant (UTC) of the nightly run of a day; None where a zone left that day out."""
    return once(datetime.combine(day, at), zone)


def next_night(at: time, zone: tzinfo, after: datetime) -> datetime:
    """The instant (UTC) of the first nightly run after an instant."""
    day = after.astimezone(zone).date() - _DAY
    while True:
        found = night_of(day, at, zone)
        if found is not None and found > after:
            return found
        day += _DAY


# ---------------------------------------------------------------- cron expressions


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression as sets of numbers; weekdays as cron counts them (Sunday is 0)."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # a day of the month and a weekday are both named: one of them is enough

    @property
    def apart(self) -> timedelta:
        """The least time between two times of day that this names."""
        times = [hour * 60 + minute for hour in self.hours for minute in self.minutes]
        return _MINUTE * min(later - sooner for sooner, later in zip(times, [*times[1:], times[0] + 24 * 60], strict=True))

    def after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """The first instant (UTC) after another at which this is due on a zone's clocks; None if that never comes."""
        local = instant.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
        best: tuple[datetime, datetime] | None = None
        for wall in self._walls(local - _MOVED_MOST):
            # Where clocks are set back, a later time on the wall may be an earlier instant: look a little further.
            if best is not None and wall > best[1] + _MOVED_MOST:
                break
            for found in self._due(wall, zone):
                if found > instant and (best is None or found < best[0]):
                    best = (found, wall)
        return best[0] if best else None

    def _due(self, wall: datetime, zone: tzinfo) -> tuple[datetime, ...]:
        if len(self.hours) == 24:
            return instants(wall, zone)
        found = once(wall, zone)
        return (found,) if found is not None else ()

    def _walls(self, since: datetime) -> Iterator[datetime]:
        day = since.date()
        for _ in range(_DAYS_AHEAD):
            if self._on(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        wall = datetime.combine(day, time(hour, minute))
                        if wall >= since:
                            yield wall
            day += _DAY

    def _on(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((in_month or in_week) if self.either else (in_month and in_week))


def cron(text: str) -> Cron:
    """Read a cron expression of five fields. Raises Misconfigured naming the field, what was seen and the cure."""
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        cure = 'write minute, hour, day, month and weekday, such as "*/15 6-22 * * 1-5"'
        raise Misconfigured(f"cron is {text!r}, which has not five fields; {cure}")
    minutes, hours, days, months, weekdays = (_numbers(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    either = not words[2].startswith("*") and not words[4].startswith("*")
    found = Cron(
        text, tuple(sorted(minutes)), tuple(sorted(hours)), days, months, frozenset(one % 7 for one in weekdays), either
    )
    if not either and not any(date_exists(day, month) for day in days for month in months):
        raise Misconfigured(f"cron is {text!r}, a day that never comes; choose a day that its month has")
    return found


def date_exists(day: int, month: int) -> bool:
    """Whether a month has a day, be it in leap years only."""
    return day <= (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31)


def _numbers(word: str, field: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for piece in word.split(","):
        match = _PIECE.fullmatch(piece)
        if match is None:
            raise _wrong(field, piece, least, most)
        begin, end, step = match.groups()
        if begin == "*" and end is None:
            low, high = least, 6 if field == "weekday" else most
        else:
            low = _number(begin, field, least, most, names)
            high = _number(end, field, least, most, names) if end else most if step else low
            high = 7 if field == "weekday" and end and high == 0 else high  # fri-sun
        if low > high or (step is not None and int(step) == 0):
            raise _wrong(field, piece, least, most)
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(word: str, field: str, least: int, most: int, names: dict[str, int]) -> int:
    number = names.get(word, int(word) if word.isdigit() and len(word) <= 2 else -1)
    if not least <= number <= most:
        raise _wrong(field, word, least, most)
    return number


def _wrong(field: str, seen: str, least: int, most: int) -> Misconfigured:
    cure = f"write *, a number from {least} to {most}, a range such as {least}-{most}, a step such as */2, or a list of these"
    return Misconfigured(f"the {field} of cron is {seen!r}; {cure}")


# ---------------------------------------------------------------- the whole timetable


@dataclass(frozen=True, slots=True)
class Timetable:
    """When runs are due: every so often from an anchor or by cron, and each night at its hour in the books' zone."""

    nightly_at: time
    books_zone: tzinfo
    every: timedelta = EVERY  # counts where there is no cron expression
    cron: Cron | None = None
    zone: tzinfo = UTC  # of the cron expression
    jitter: timedelta = timedelta(0)  # a run may begin up to so much later
    grace: timedelta = GRACE  # a run that could not begin within so long is left out

    def next_tick(self, anchor: datetime, after: datetime) -> datetime | None:
        """When the first run after an instant is due (UTC, without jitter); intervals are counted from the anchor."""
        if self.cron is not None:
            return self.cron.after(after, self.zone)
        return anchor + ((after - anchor) // self.every + 1) * self.every

    def next_night(self, after: datetime) -> datetime:
        """When the first nightly run after an instant is due (UTC)."""
        return next_night(self.nightly_at, self.books_zone, after)


def span(text: str) -> timedelta:
    """A length of time such as 30s, 15m, 2h or 1d. Raises Misconfigured with the cure."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Misconfigured(f"{text!r} is not a length of time; write a number and a unit, such as 30s, 15m, 2h or 1d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def interval(text: str) -> timedelta:
    """A length of time between one second and seven days."""
    return _between(span(text), timedelta(seconds=1), text)


def delay(text: str) -> timedelta:
    """A length of time between none and seven days."""
    return _between(span(text), timedelta(0), text)


def _between(found: timedelta, least: timedelta, text: str) -> timedelta:
    if not least <= found <= LONGEST:
        raise Misconfigured(f"{text} is out of bounds; write at least {least.seconds}s and at most {LONGEST.days}d")
    return found


def check_jitter(table: Timetable) -> None:
    """Refuse a jitter that could push one run past the next."""
    apart = table.every if table.cron is None else table.cron.apart
    if table.jitter >= apart:
        raise Misconfigured(
            f"jitter is {_seconds(table.jitter)}, and runs are {_seconds(apart)} apart; choose a jitter that is shorter"
        )


def _seconds(length: timedelta) -> str:
    return f"{length // timedelta(seconds=1)}s"
