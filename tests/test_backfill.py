"""A window of the past is read again: what was missed arrives, what was known changes nothing, the live cursors stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from house import START, DoomedStore, FakeGateway, FakeMap, House, Killed

from syncjob import jobs
from syncjob.errors import Misconfigured, Problem
from syncjob.jobs import Report
from syncjob.jobs.backfill import Pace, Span, intake, refuse_before_start, refuse_hole
from syncjob.jobs.opening import opening_of
from syncjob.model import Reading, Record, Refusal, Role, Stream
from syncjob.moment import Window
from syncjob.ports import Balance, Feed, Page


@dataclass
class Bounded(FakeGateway):
    """A gateway that hides some charges for a time, keeps to a window's end, and remembers what it was asked."""

    hidden: set[str] = field(default_factory=set)
    asked_for: list[tuple[Window, str | None]] = field(default_factory=list)

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        self.asked_for.append((window, resume))
        whole = self.charges
        until = window.until.timestamp() * 1_000_000 if window.until else float("inf")  # type: ignore[union-attr]
        shown = {id: row for id, row in whole.items() if row["created"] < until and id not in self.hidden}
        self.charges = shown
        try:
            yield from super().pages(feed, window, resume)
        finally:
            self.charges = whole


@pytest.fixture
def house(store_url: str, tmp_path: Path) -> House:
    house = House(store_url, tmp_path)
    house.gateway = Bounded(lambda: house.clock)
    return house


def shop(house: House) -> Bounded:
    assert isinstance(house.gateway, Bounded)
    return house.gateway


def trade(house: House) -> None:
    """A charge a day for nine days: two before the cut-over, seven after it."""
    house.clock = START - timedelta(days=2) + timedelta(hours=1)
    for day in range(9):
        shop(house).charge(f"ch_{day}", 1_00 * 2**day)
        house.clock += timedelta(days=1)


def backfill(house: House, first: date, last: date, *, before_start: bool = False, doomed: int = 0) -> Report:
    with house.job(lambda store: DoomedStore(store, doomed, committed=doomed % 2 == 0) if doomed else store) as job:
        span = Span.of(job, first, last)
        (refuse_hole if before_start else refuse_before_start)(job, "shop", span)
        return jobs.run(job, source="shop", intake=intake(span, before_start=before_start))


def cursors(house: House) -> object:
    with house.job() as job:
        return job.store.progress("shop", "movements")


def test_what_was_missed_arrives_what_is_known_changes_nothing_and_the_live_cursor_stays(house: House) -> None:
    trade(house)
    shop(house).hidden = {"ch_3"}
    house.run(nightly=True)
    shop(house).hidden = set()
    before, at = house.truth(), cursors(house)
    report = backfill(house, date(2026, 10, 6), date(2026, 10, 8))
    assert (report.kind, report.exit) == ("backfill", 0), report.problems
    assert (report.counts["new"], report.counts["records"]) == (1, 3)
    assert cursors(house) == at
    assert {key for key, _ in house.books.truth()} - {key for key, _ in before[0]} >= {"books:shop:ch_3:receipt"}
    [*_, (window, _)] = shop(house).asked_for
    assert (window.since, window.until) == (START, START + timedelta(days=3))  # both days included
    after = house.truth()
    again = backfill(house, date(2026, 10, 6), date(2026, 10, 8))
    assert again.counts.get("new", 0) == again.counts.get("changed", 0) == 0
    assert house.truth() == after


def test_a_backfill_that_is_killed_anywhere_goes_on_and_ends_the_same(house: House) -> None:
    trade(house)
    shop(house).hidden = {"ch_3", "ch_4", "ch_5", "ch_6"}
    house.run(nightly=True)
    shop(house).hidden = set()
    shop(house).asked_for.clear()
    kills = 0
    while True:
        kills += 1
        try:
            backfill(house, date(2026, 10, 6), date(2026, 10, 11), doomed=kills)
            break
        except Killed:
            pass
    assert kills > 6
    assert any(resume for _, resume in shop(house).asked_for)  # it went on where it was cut off
    assert sorted(key for key, _ in house.books.truth() if "receipt" in key) == [
        f"books:shop:ch_{day}:receipt" for day in range(2, 9)
    ]
    assert len(house.books.objects) == len({one["key"] for one in house.books.objects})


def test_before_the_start_it_is_refused_until_it_is_wished_for(house: House) -> None:
    trade(house)
    house.run(nightly=True)
    with pytest.raises(Misconfigured, match="add --before-start"):
        backfill(house, date(2026, 10, 4), date(2026, 10, 8))
    with pytest.raises(Misconfigured, match="let --to be 2026-10-06 or later"):
        backfill(house, date(2026, 10, 4), date(2026, 10, 4), before_start=True)
    with pytest.raises(Misconfigured, match="leave --before-start out"):
        backfill(house, date(2026, 10, 7), date(2026, 10, 8), before_start=True)
    with pytest.raises(Misconfigured, match="lies before"):
        backfill(house, date(2026, 10, 8), date(2026, 10, 7))


def test_a_list_that_goes_by_numbers_is_refused_before_anything_is_asked(house: House) -> None:
    trade(house)
    shop(house).feeds = (*shop(house).feeds, Feed("batches", axis="sequence"))
    for first, before_start in ((date(2026, 10, 4), True), (date(2026, 10, 7), False)):
        with pytest.raises(Misconfigured, match="batches goes by numbers"):
            backfill(house, first, date(2026, 10, 8), before_start=before_start)
    with house.job() as job:
        assert not job.store.runs(1)


def test_only_a_backfill_moves_the_start_once_the_books_are_open(house: House) -> None:
    trade(house)
    house.run(nightly=True)
    before = house.truth()
    for days in (-1, 1):
        with house.job() as job:
            rules = replace(job.rules, start=START + timedelta(days=days))
            with pytest.raises(Misconfigured, match="were opened at 2026-10-06T00:00:00Z; put that back"):
                jobs.run(replace(job, rules=rules), nightly=True)
    assert house.truth() == before
    backfill(house, date(2026, 10, 5), date(2026, 10, 6), before_start=True)
    assert house.run().exit == 0


def test_moving_the_start_back_posts_what_is_older_and_corrects_the_opening(house: House) -> None:
    trade(house)
    house.run(nightly=True)
    with house.job() as job:
        assert {key: str(money) for key, money in opening_of(job.store, "shop").items()} == {"payments:EUR": "3.00 EUR"}
    report = backfill(house, date(2026, 10, 5), date(2026, 10, 6), before_start=True)
    assert report.exit == 0, report.problems
    with house.job() as job:
        assert {key: str(money) for key, money in opening_of(job.store, "shop").items()} == {"payments:EUR": "1.00 EUR"}
        said = [line.what for line in job.store.audit_log()]
    assert said == ["the start of shop was moved back", "the opening balance of shop was corrected"]
    assert {"books:shop:ch_1:receipt"} <= {key for key, _ in house.books.truth()}
    assert "books:shop:ch_0:receipt" not in {key for key, _ in house.books.truth()}  # still older than the start
    night = house.run(nightly=True)
    assert night.exit == 0, night.problems
    assert all(leg.ties for leg in night.legs)
    shop(house).charge("ch_1", 2_00, name="a customer's name arrives late")
    assert house.run(nightly=True).exit == 0  # an old record that changes stays posted


def held_by_gateway(house: House, day: int) -> dict[str, int]:
    """What the sub-ledger says that the gateway held on a day of October, at noon."""
    with house.job() as job:
        sums = job.store.balances("shop", START.replace(day=day, hour=12))
    return {currency: minor for (role, _, currency), minor in sums.items() if role is Role.CLEARING}


def opening(house: House) -> dict[str, str]:
    with house.job() as job:
        return {key: str(money) for key, money in opening_of(job.store, "shop").items()}


class Holding(FakeMap):
    """Holds some charges, whose amount cannot be read."""

    held: frozenset[str] = frozenset()

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        good = super().read(stream, subject, [one for one in records if one.id not in self.held])
        bad = (Refusal("charge", one.id, Problem(one.id, "", "what is this")) for one in records if one.id in self.held)
        return replace(good, problems=tuple(bad))


def test_a_start_moved_back_over_a_held_record_takes_the_opening_with_it_once_that_is_resolved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(house)
    house.run(nightly=True)
    monkeypatch.setattr("house.FakeMap", Holding)
    monkeypatch.setattr(Holding, "held", frozenset({"ch_1"}))
    report = backfill(house, date(2026, 10, 5), date(2026, 10, 6), before_start=True)
    assert report.exit == 3
    assert [problem.what for problem in report.problems] == ["the opening balance"]
    assert opening(house) == {"payments:EUR": "3.00 EUR"}
    monkeypatch.setattr(Holding, "held", frozenset())
    with house.job() as job:
        job.store.mark_dirty(list(job.store.all_subjects("shop")))
    night = house.run(nightly=True)
    assert night.exit == 0, night.problems
    assert opening(house) == {"payments:EUR": "1.00 EUR"}
    assert [held_by_gateway(house, day) for day in (4, 5, 6)] == [{}, {"EUR": 3_00}, {"EUR": 7_00}]


def test_the_opening_of_a_currency_that_the_gateway_does_not_state_moves_with_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(house)
    shop(house).charge("ch_usd", 5_00, "USD")
    balances = shop(house).balances

    def stated(wish: object) -> list[Balance]:
        return [one for one in balances(None) if one.amount.currency == "EUR"]

    monkeypatch.setattr(shop(house), "balances", stated)
    house.run(nightly=True)
    backfill(house, date(2026, 10, 5), date(2026, 10, 6), before_start=True)
    assert opening(house) == {"payments:EUR": "1.00 EUR", "payments:USD": "-5.00 USD"}
    assert held_by_gateway(house, 5) == {"EUR": 3_00, "USD": -5_00}


def test_a_start_moved_back_and_killed_anywhere_is_whole_after_the_next_plain_run(store_url: str, tmp_path: Path) -> None:
    house = House(store_url, tmp_path)
    house.gateway = Bounded(lambda: house.clock)
    trade(house)
    house.run(nightly=True)
    for kills in range(1, 100):
        try:
            backfill(house, date(2026, 10, 5), date(2026, 10, 6), before_start=True, doomed=kills)
            raise AssertionError("it was not killed once the start was moved")
        except Killed:
            with house.job() as job:
                if job.store.get_fact("start:shop"):
                    break
        assert opening(house) == {"payments:EUR": "3.00 EUR"}
    house.run()
    assert opening(house) == {"payments:EUR": "1.00 EUR"}
    night = house.run(nightly=True)
    assert night.exit == 0, night.problems
    assert all(leg.ties for leg in night.legs)


def test_the_pace_tells_rate_and_remaining_time(house: House) -> None:
    with house.job() as job:
        house.clock = START + timedelta(days=10)
        span = Span.of(job, date(2026, 10, 6), date(2026, 10, 15))
        pace = Pace(job, span, feeds=1)
        for day in range(10):
            shop(house).charges[f"c{day}"] = {
                "id": f"c{day}", "amount": 1, "currency": "EUR", "name": "",
                "created": int((START + timedelta(days=day)).timestamp()) * 1_000_000,
            }  # fmt: skip
        shop(house).page = 5
        page = next(iter(shop(house).pages(shop(house).feeds[0], Window(span.since), None)))
        house.clock += timedelta(seconds=120)
        assert pace.page(shop(house).feeds[0], page) == "movements: 5 records, 0/s, about 3 min left"
