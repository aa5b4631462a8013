"""What only a night does: wait for what settles late, correct the opening, and sweep deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house import FakeGateway, House

from syncjob import jobs
from syncjob.errors import ConnectorDown
from syncjob.jobs import is_nightly
from syncjob.moment import Window, micros
from syncjob.ports import Balance, Feed, Page


@pytest.fixture
def house(store_url: str, tmp_path: Path) -> House:
    return House(store_url, tmp_path)


def opening_of(house: House) -> int:
    return sum(int(body_amount(one)) for one in house.books.objects if ":opening:" in one["key"])


def body_amount(one: dict[str, Any]) -> int:
    clearing = [posting for posting in one["body"]["postings"] if posting["account"] == "Assets:clearing"]
    return sum(round(float(posting["amount"]) * 100) for posting in clearing)


# ---------------------------------------------------------------- what settles late


@dataclass
class LateGateway(FakeGateway):
    """Its balance knows a movement at once; its list shows some only after a while."""

    late: dict[str, timedelta] = field(default_factory=dict)
    feeds: tuple[Feed, ...] = (Feed("movements", posts=True, overlap=timedelta(days=9), settling=timedelta(seconds=60)),)

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        hidden = {
            id: row
            for id, row in self.charges.items()
            if micros(self.now()) < row["created"] + self.late.get(id, timedelta(0)) // timedelta(microseconds=1)
        }
        self.charges = {id: row for id, row in self.charges.items() if id not in hidden}
        try:
            yield from super().pages(feed, window, resume)
        finally:
            self.charges |= hidden


def night(house: House, *, waits: bool = True) -> jobs.Report:
    """A nightly run whose sleep moves the clock, as sleep does."""

    def sleep(seconds: float) -> None:
        assert waits, "there was nothing to wait for"
        house.clock += timedelta(seconds=seconds)

    with house.job() as job:
        return jobs.run(replace(job, sleep=sleep), nightly=True)


def test_a_movement_that_the_list_shows_late_is_waited_for_and_the_night_agrees(house: House) -> None:
    house.gateway = gateway = LateGateway(lambda: house.clock)
    gateway.charge("ch_1", 10_00)
    house.clock += timedelta(minutes=1)
    assert night(house, waits=False).exit == 0
    house.clock += timedelta(days=1)
    gateway.late["ch_late"] = timedelta(seconds=40)
    gateway.charge("ch_late", 7_00)
    house.clock += timedelta(seconds=5)
    began = house.clock
    report = night(house)
    assert report.exit == 0, report.problems
    assert all(leg.ties for leg in report.legs if leg.name == "gateway")
    assert house.clock - began == timedelta(seconds=60)  # the settling lag, once


def test_a_night_that_agrees_waits_for_nothing(house: House) -> None:
    house.gateway = LateGateway(lambda: house.clock)
    house.gateway.charge("ch_1", 10_00)
    assert night(house, waits=False).exit == 0
    house.clock += timedelta(days=1)
    house.gateway.charge("ch_2", 10_00)
    assert night(house, waits=False).exit == 0


@dataclass
class Stumbling(FakeGateway):
    """It answers so many pages of a walk, and then no more."""

    answers: int = 1000

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        for number, page in enumerate(super().pages(feed, window, resume)):
            if number == self.answers:
                raise ConnectorDown("nobody answers")
            yield page


def test_a_gateway_that_fell_silent_is_not_waited_for_and_that_is_said_once(house: House) -> None:
    house.gateway = gateway = Stumbling(lambda: house.clock)
    gateway.charge("ch_1", 10_00)
    house.run(nightly=True)
    house.clock += timedelta(days=1)
    gateway.charge("ch_2", 10_00)
    gateway.answers = 0
    report = night(house, waits=False)
    assert report.exit == 5
    assert [problem.why for problem in report.problems if problem.what == "shop"] == ["nobody answers"]


# ---------------------------------------------------------------- what a gateway states


def test_a_currency_that_is_no_longer_stated_disturbs_no_other(house: House) -> None:
    gateway = house.gateway
    gateway.charge("ch_1", 10_00, "CHF")
    gateway.charge("ch_2", 10_00, "EUR")
    house.run(nightly=True)
    house.clock += timedelta(days=1)
    gateway.charge("ch_3", -10_00, "CHF")  # nothing is left, and nothing is said of it any more
    gateway.charge("ch_4", 5_00, "EUR")
    balances = gateway.balances

    def stated(wish: Any) -> list[Balance]:
        return [one for one in balances(wish) if one.amount.minor]

    gateway.balances = stated  # type: ignore[method-assign]
    report = house.run(nightly=True)
    assert report.exit == 0, report.problems
    assert [(leg.currency, str(leg.ours)) for leg in report.legs if leg.name == "gateway"] == [("EUR", "15.00 EUR")]


# ---------------------------------------------------------------- the opening balance


def test_a_first_reading_that_was_cut_off_opens_no_books_with_half_of_it(house: House) -> None:
    house.gateway = gateway = Stumbling(lambda: house.clock, answers=1)
    for number in range(8):
        gateway.charge(f"ch_{number}", 10_00)
        house.clock += timedelta(minutes=1)
    assert house.run().exit == 5
    assert not [one["key"] for one in house.books.objects if ":opening:" in one["key"]]
    gateway.answers = 1000
    assert house.run(nightly=True).exit == 0
    assert opening_of(house) == 0


def test_a_movement_older_than_the_opening_statement_corrects_the_opening(house: House) -> None:
    house.gateway = gateway = LateGateway(lambda: house.clock)
    house.clock -= timedelta(days=3)
    gateway.charge("old_1", 70_00)
    house.clock += timedelta(days=3)
    gateway.late["ch_late"] = timedelta(hours=2)
    gateway.charge("ch_late", 7_00)
    house.clock += timedelta(minutes=1)
    night(house, waits=False)
    assert opening_of(house) == 77_00  # nobody could know better
    house.clock += timedelta(days=1)
    report = night(house)
    assert report.exit == 0, report.problems
    assert opening_of(house) == 70_00
    assert all(leg.ties for leg in report.legs)
    with house.job() as job:
        said = [line for line in job.store.audit_log() if "opening" in line.what]
    assert [line.detail["payments:EUR"] for line in said] == ["77.00 EUR -> 70.00 EUR"]
    house.clock += timedelta(days=1)
    assert night(house, waits=False).exit == 0
    assert opening_of(house) == 70_00  # once


@dataclass
class Busy(FakeGateway):
    """Somebody pays in the second in which its balance was asked for, just after."""

    during: list[str] = field(default_factory=list)

    def balances(self, wish: Any) -> list[Balance]:
        stated = super().balances(wish)
        while self.during:
            self.charge(self.during.pop(), 7_00)
        return stated


def test_a_payment_in_the_very_second_of_the_first_statement_is_not_taken_for_older_debt(house: House) -> None:
    house.gateway = gateway = Busy(lambda: house.clock)
    gateway.charge("ch_1", 10_00)
    gateway.during.append("ch_2")
    house.run(nightly=True)
    house.run()
    assert opening_of(house) == 0
    report = house.run(nightly=True)
    assert report.exit == 0, report.problems


@dataclass
class BusyAndLate(LateGateway):
    """The same, and its list shows that payment only after a while; `known`: the balance had it already."""

    known: bool = False

    def balances(self, wish: Any) -> list[Balance]:
        if "ch_2" in self.charges:
            return super().balances(wish)
        stated = super().balances(wish)
        self.late["ch_2"] = timedelta(seconds=50)
        self.charge("ch_2", 7_00)
        return super().balances(wish) if self.known else stated


@pytest.mark.parametrize("known", [False, True])
def test_a_payment_of_that_second_that_the_list_shows_later_corrects_the_opening_only_if_the_statement_had_it(
    house: House, known: bool
) -> None:
    house.gateway = gateway = BusyAndLate(lambda: house.clock, known=known)
    gateway.charge("ch_1", 10_00)
    house.clock += timedelta(minutes=1)
    house.run(nightly=True)
    assert opening_of(house) == (7_00 if known else 0)  # nobody could know better
    house.clock += timedelta(days=1)
    for _ in range(2):
        report = house.run(nightly=True)
        assert report.exit == 0, report.problems
        assert opening_of(house) == 0
        assert all(leg.ties for leg in report.legs)


# ---------------------------------------------------------------- depth


def since_of(house: House, nights: int) -> list[timedelta]:
    """How far before its cursor each of some nights read."""
    asked: list[Window] = []
    real = FakeGateway.pages

    class Watching(FakeGateway):
        def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
            asked.append(window)
            return real(self, feed, window, resume)

    watching = Watching(lambda: house.clock)
    watching.charges = house.gateway.charges
    house.gateway = watching
    depths: list[timedelta] = []
    for _ in range(nights):
        with house.job() as job:
            cursor = job.store.progress("shop", "movements").cursor
        house.run(later=timedelta(days=1), nightly=True)
        since = asked.pop().since
        depths.append(cursor - since)  # type: ignore[operator, arg-type]
    return depths


def test_each_night_reads_72_hours_back_and_once_a_week_35_days(house: House) -> None:
    house.gateway.charge("ch_1", 10_00)
    house.run(nightly=True)
    house.clock += timedelta(days=60)
    house.run()
    depths = [depth.days for depth in since_of(house, 15)]
    assert depths == [35, 3, 3, 3, 3, 3, 3, 35, 3, 3, 3, 3, 3, 3, 35]


def test_a_night_that_begins_a_second_earlier_than_last_weeks_is_still_a_week_later(house: House) -> None:
    house.gateway.charge("ch_1", 10_00)
    house.clock += timedelta(days=60)
    house.run(nightly=True)
    depths = []
    for day in range(14):
        depths += since_of(house, 1)
        house.clock -= timedelta(seconds=day % 2)  # cron is not exact
    assert [depth.days for depth in depths] == [3, 3, 3, 3, 3, 3, 35] * 2


# ---------------------------------------------------------------- nights that went wrong


def test_a_run_of_one_source_does_not_stand_for_the_night_of_all(house: House) -> None:
    house.others = [FakeGateway(lambda: house.clock, name="till", account="acct_till")]
    house.clock = house.clock.replace(hour=3)
    assert house.run(nightly=None, source="shop").kind == "tick"
    assert house.run(nightly=True, source="shop").kind == "partial nightly"
    assert house.run(nightly=None).kind == "nightly"
    assert house.run(nightly=None).kind == "tick"


def test_a_night_whose_gateway_was_away_is_made_up_for_and_no_more_than_hourly(house: House) -> None:
    house.clock = house.clock.replace(hour=3)

    def nightly_now() -> bool:
        with house.job() as job:
            return is_nightly(job)

    def ended(code: int) -> None:
        with house.job() as job:
            job.store.end_run(job.store.start_run("nightly", job.now()), job.now(), code, {})

    for _ in range(3):
        assert nightly_now()
        ended(6)
        house.clock += timedelta(minutes=5)
    assert not nightly_now()  # a wrong key for days: not every tick is a night
    house.clock += timedelta(hours=1)
    assert nightly_now()
    ended(3)
    house.clock += timedelta(hours=2)
    assert not nightly_now()  # held things wait for a person, but the night was had
    house.clock += timedelta(days=1)
    assert nightly_now()
