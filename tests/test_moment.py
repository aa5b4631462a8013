"""Times are aware and exact; the day of a payment is the company's day, also on the nights when clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob import moment
from syncjob.errors import Misconfigured, RecordRefused

INSTANTS = st.integers(0, 2**62 // 1000).map(moment.from_micros)
# Cairo, Beirut, Havana, Santiago and Asunción change their clocks at midnight; Lord Howe by half an hour.
ZONES = st.one_of(
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Pacific/Auckland"]),
    st.sampled_from(["Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Santiago", "America/Asuncion"]),
    st.sampled_from(["Australia/Lord_Howe", "America/Sao_Paulo"]),
)


@given(INSTANTS)
def test_an_instant_comes_back_from_the_store_as_it_was(instant: datetime) -> None:
    assert moment.from_micros(moment.micros(instant)) == instant
    assert moment.from_text(moment.iso(instant)) == instant
    assert moment.from_seconds(moment.seconds(instant)) == instant.replace(microsecond=0)


def test_an_instant_before_1970_is_kept_to_the_microsecond_too() -> None:
    before = datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC)
    assert moment.micros(before) == -999_999
    assert moment.from_micros(-999_999) == before
    assert moment.seconds(before) == -1


def test_a_time_without_a_zone_is_never_stored() -> None:
    with pytest.raises(ValueError, match="no zone"):
        moment.micros(datetime(2026, 10, 6, tzinfo=UTC).replace(tzinfo=None))


@pytest.mark.parametrize("value", [1_793_000_000_000, -1, 1.5, "1793000000", True, None, 253_402_300_800])
def test_what_is_not_unix_seconds_is_refused(value: object) -> None:
    with pytest.raises(RecordRefused, match="not Unix seconds"):
        moment.from_seconds(value)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-03T06:00:00Z", datetime(2026, 11, 3, 6, tzinfo=UTC)),
        ("2026-11-03T06:00:00.250+01:00", datetime(2026, 11, 3, 5, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-03T06:00:00-0330", datetime(2026, 11, 3, 9, 30, tzinfo=UTC)),
    ],
)
def test_iso_text_with_an_offset_is_read_as_utc(text: str, instant: datetime) -> None:
    read = moment.from_text(text)
    assert read == instant
    assert read.tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-11-03T06:00:00", "2026-11-03", "", "yesterday", "2026-02-30T00:00:00Z"])
def test_iso_text_without_an_offset_or_meaning_is_refused(text: str) -> None:
    with pytest.raises(RecordRefused, match=r"no offset|not ISO 8601"):
        moment.from_text(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_its_offset_pushes_out_of_the_calendar_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(RecordRefused, match="not ISO 8601"):
        moment.from_text(text)


def test_a_header_is_read_where_it_can_be_and_is_nothing_where_it_cannot() -> None:
    assert moment.from_http("Tue, 03 Nov 2026 06:00:00 GMT") == datetime(2026, 11, 3, 6, tzinfo=UTC)
    assert moment.from_http("Tue, 03 Nov 2026 06:00:00 +0200") == datetime(2026, 11, 3, 4, tzinfo=UTC)
    for nonsense in ("", "120", "soon", "Tue, 99 Nov 2026 06:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1400"):
        assert moment.from_http(nonsense) is None


def test_people_read_times_in_utc_without_needless_fractions() -> None:
    assert moment.iso(datetime(2026, 11, 3, 7, tzinfo=moment.zone("Europe/Berlin"))) == "2026-11-03T06:00:00Z"
    assert moment.iso(datetime(2026, 11, 3, 6, 0, 0, 5, tzinfo=UTC)) == "2026-11-03T06:00:00.000005Z"


@pytest.mark.parametrize("name", ["", "Berlin", "CET-1CEST", "EST5EDT", "Europe/Nowhere", "/etc/localtime", "../etc/localtime"])
def test_a_zone_that_this_machine_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="no zone"):
        moment.zone(name)


# ---------------------------------------------------------------- days


@pytest.mark.parametrize(
    ("instant", "where", "day"),
    [
        ("2026-01-31T23:30:00Z", "Pacific/Auckland", date(2026, 2, 1)),
        ("2026-01-31T23:30:00Z", "America/Los_Angeles", date(2026, 1, 31)),
        ("2026-01-31T23:30:00Z", "Europe/Berlin", date(2026, 2, 1)),
        ("2026-07-31T21:59:59Z", "Europe/Berlin", date(2026, 7, 31)),
        ("2026-07-31T22:00:00Z", "Europe/Berlin", date(2026, 8, 1)),
        # the night of 25 October 2026: Berlin goes back from +02:00 to +01:00 at 01:00Z
        ("2026-10-24T21:59:59Z", "Europe/Berlin", date(2026, 10, 24)),
        ("2026-10-24T22:00:00Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T22:59:59Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T23:00:00Z", "Europe/Berlin", date(2026, 10, 26)),
        # 29 March 2026: forward at 01:00Z
        ("2026-03-28T23:00:00Z", "Europe/Berlin", date(2026, 3, 29)),
        ("2026-03-29T21:59:59Z", "Europe/Berlin", date(2026, 3, 29)),
        ("2026-03-29T22:00:00Z", "Europe/Berlin", date(2026, 3, 30)),
    ],
)
def test_the_day_of_an_instant_is_the_day_on_the_companys_calendar(instant: str, where: str, day: date) -> None:
    assert moment.business_date(moment.from_text(instant), moment.zone(where)) == day


@given(INSTANTS, ZONES)
def test_the_day_is_what_the_standard_librarys_zones_say(instant: datetime, name: str) -> None:
    from zoneinfo import ZoneInfo

    if instant.year <= 2037:  # beyond, dateutil does not read the rules at the end of a zone file
        assert moment.business_date(instant, moment.zone(name)) == instant.astimezone(ZoneInfo(name)).date()


@given(st.dates(date(1975, 1, 1), date(2036, 12, 31)), ZONES)
def test_a_day_begins_at_its_first_instant_and_not_a_moment_before(day: date, name: str) -> None:
    where = moment.zone(name)
    begins = moment.start_of(day, where)
    assert moment.business_date(begins, where) == day
    assert moment.business_date(begins - timedelta(microseconds=1), where) == day - timedelta(days=1)


def test_a_day_that_begins_where_clocks_jump_begins_at_the_jump() -> None:
    cairo = moment.zone("Africa/Cairo")  # on 26 April 2024 the clocks went from 00:00 to 01:00
    assert moment.start_of(date(2024, 4, 26), cairo) == datetime(2024, 4, 25, 22, tzinfo=UTC)


@given(st.dates(date(1900, 1, 1), date(9998, 12, 31)))
def test_the_month_ends_on_the_day_before_the_next_one_begins(day: date) -> None:
    last = moment.month_end(day)
    assert (last.year, last.month) == (day.year, day.month)
    assert (last + timedelta(days=1)).day == 1


def test_months_end_in_leap_years_and_in_december() -> None:
    assert moment.month_end(date(2028, 2, 3)) == date(2028, 2, 29)
    assert moment.month_end(date(2026, 2, 3)) == date(2026, 2, 28)
    assert moment.month_end(date(2026, 12, 31)) == date(2026, 12, 31)
