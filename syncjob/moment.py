"""The only module that reads and writes time: aware UTC inside, integer microseconds in the store, half-open windows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

from dateutil import parser, tz
from dateutil.relativedelta import relativedelta

from syncjob.errors import Misconfigured, RecordRefused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SECONDS_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime can hold


def from_seconds(value: object) -> datetime:
    """The instant of a Unix time in whole seconds; milliseconds, floats and text are refused, never guessed."""
    if type(value) is not int or not 0 <= value <= _SECONDS_MAX:
        raise RecordRefused(f"time is {value!r}, not Unix seconds as a whole number up to the year 9999")
    return datetime.fromtimestamp(value, UTC)


def seconds(instant: datetime) -> int:
    """Whole Unix seconds of an instant, rounded down."""
    return (instant - _EPOCH) // timedelta(seconds=1)


def micros(instant: datetime) -> int:
    """An instant as the store keeps it: integer microseconds since 1970, UTC."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no zone: only aware instants are stored")
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """The instant of the store's integer microseconds."""
    return _EPOCH + timedelta(microseconds=value)


def from_text(text: str) -> datetime:
    """An ISO 8601 instant with its offset, as aware UTC; without an offset it is refused."""
    try:
        instant = parser.isoparse(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)  # an offset may push the ends of the calendar over
    except (ValueError, OverflowError) as wrong:
        raise RecordRefused(f"time is {text!r}, which is not ISO 8601: {wrong}") from wrong
    raise RecordRefused(f"time is {text!r}, which has no offset; write it with Z or +00:00")


def from_local(text: str, where: tzinfo, *, later: bool = False) -> datetime:
    """The instant of a clock's time in a zone, such as 2026-10-25 02:30:00; one that no clock there ever showed is refused.

    In the night when clocks go back an hour comes twice: its first pass is meant, or with `later` its second.
    """
    if not _LOCAL.fullmatch(text):
        raise RecordRefused(f"time is {text!r}, which is not a local time such as 2026-10-25 02:30:00, without an offset")
    try:
        shown = datetime.fromisoformat(_padded(text)).replace(tzinfo=where, fold=int(later))
        instant = shown.astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise RecordRefused(f"time is {text!r}, which no calendar has: {wrong}") from None
    if not tz.datetime_exists(shown):
        raise RecordRefused(f"time is {text!r}, which was skipped when clocks there were put forward")
    return instant


def from_day(text: str, where: tzinfo) -> datetime:
    """The first instant (UTC) of a calendar day such as 2026-01-31 in a zone."""
    day = to_day(text)
    try:
        instant = start_of(day, where)
        if business_date(instant, where) == day:
            return instant
    except (ValueError, OverflowError):
        pass
    raise RecordRefused(f"day is {text!r}, which was skipped there")


def to_day(text: str) -> date:
    """A calendar day as ISO 8601 writes it, 2026-01-31."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RecordRefused(f"day is {text!r}, which is no calendar day such as 2026-01-31")


def _padded(text: str) -> str:
    """A fraction in three or six digits: what Python 3.11 reads, and earlier ones too."""
    whole, dot, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(6, '0')}" if dot else whole


def from_http(text: str) -> datetime | None:
    """The instant of an HTTP Date or Retry-After header, or None where it cannot be read."""
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def iso(instant: datetime) -> str:
    """An instant as people and JSON read it: 2026-11-03T06:00:00Z."""
    text = instant.astimezone(UTC).isoformat(timespec="microseconds" if instant.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def zone(name: str) -> tzinfo:
    """The zone of an IANA name such as Europe/Berlin; an unknown name is refused."""
    found = tz.gettz(name) if name and not name.startswith(("/", ":", ".")) else None
    if found is None or ("/" not in name and name not in ("UTC", "GMT")):
        raise Misconfigured(f"zone is {name!r}, which is no zone this machine knows; write one like Europe/Berlin or UTC")
    return found


def business_date(instant: datetime, where: tzinfo) -> date:
    """The calendar day of an instant in the company's zone."""
    return instant.astimezone(where).date()


def start_of(day: date, where: tzinfo) -> datetime:
    """The first instant (UTC) of a calendar day in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=where).astimezone(UTC)


def month_end(day: date) -> date:
    """The last day of the month a day lies in."""
    first_of_next = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return first_of_next - timedelta(days=1)


def months_after(day: date, number: int) -> date:
    """The same day so many months later, or the last one of that month where it has no such day."""
    return day + relativedelta(months=number)


@dataclass(frozen=True, slots=True)
class Window:
    """A bounded piece of a feed, `since` inclusive, `until` exclusive (None: up to the ceiling the first answer gives).

    Over time both are aware UTC; over a sequence (numbered reports) both are whole numbers.
    """

    since: datetime | int
    until: datetime | int | None = None
