"""What only a night does: wait for what settles late, correct the opening, sweep deep, and close a feed's gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house import DoomedStore, FakeGateway, FakeMap, House, Killed

from syncjob import jobs
from syncjob.errors import RecordRefused
from syncjob.jobs import is_nightly
from syncjob.model import Kept, Raw
from syncjob.moment import Window, micros
from syncjob.ports import Feed, Page


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


# ---------------------------------------------------------------- the opening balance


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
    depths = []
    for _ in range(nights):
        with house.job() as job:
            cursor = job.store.progress("shop", "movements").cursor
        house.run(later=timedelta(days=1), nightly=True)
        since = asked.pop().since
        depths.append(cursor - since)  # type: ignore[operator]
    return depths


def test_each_night_reads_72_hours_back_and_once_a_week_35_days(house: House) -> None:
    house.gateway.charge("ch_1", 10_00)
    house.run(nightly=True)
    house.clock += timedelta(days=60)
    house.run()
    depths = [depth.days for depth in since_of(house, 15)]
    assert depths == [35, 3, 3, 3, 3, 3, 3, 35, 3, 3, 3, 3, 3, 3, 35]


# ---------------------------------------------------------------- nights that went wrong


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


# ---------------------------------------------------------------- gaps

KEPT_DAYS = 30
EVENTS = Feed("changes", retention=timedelta(days=KEPT_DAYS), settling=timedelta(0))
LIST = Feed("customers", fills="changes", type="customer", lookback=timedelta(days=3650), settling=timedelta(0))


@dataclass
class Forgetful(FakeGateway):
    """It tells changes of customers for 30 days, lists the customers there are, and shows one by its id."""

    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    feeds: tuple[Feed, ...] = (*FakeGateway.feeds, EVENTS, LIST)

    def change(self, id: str, name: str) -> None:
        row = {"id": id, "name": name, "created": self.customers.get(id, {}).get("created", micros(self.now()))}
        self.customers[id] = row
        self.changes.append({**row, "changed": micros(self.now())})

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        if feed.posts:
            yield from super().pages(feed, window, resume)
            return
        self.read.append(feed.name)
        now, since = self.now(), micros(window.since)  # type: ignore[arg-type]
        oldest = micros(now - timedelta(days=KEPT_DAYS))
        if feed is EVENTS:
            rows = [row for row in self.changes if row["changed"] >= max(since, oldest)]
        else:
            rows = [row for row in self.customers.values() if row["created"] >= since]
        yield Page(tuple(map(self.customer, rows)), None, now, now, now)

    def fetch(self, kind: str, id: str) -> Raw:
        self.read.append(f"{kind} {id}")
        if id == "cus_odd":
            raise RecordRefused("no such customer")
        return self.customer(self.customers.get(id) or {"id": id, "deleted": True, "created": 0})

    def customer(self, row: dict[str, Any]) -> Raw:
        body = {name: value for name, value in row.items() if name in ("id", "name", "deleted")}
        return Raw("customer", row["id"], self.now(), self.now(), f"customer:{row['id']}", body)


class CustomerMap(FakeMap):
    """Keeps customers, and says nothing about them."""

    keep: Mapping[str, Kept] = {**FakeMap.keep, "customer": Kept("customer", (("id",), ("name",), ("deleted",)))}

    def read(self, stream: Any, subject: str, records: Any) -> Any:
        return super().read(stream, subject, [one for one in records if one.type == "charge"])


@pytest.fixture
def forgetful(house: House, monkeypatch: pytest.MonkeyPatch) -> Forgetful:
    monkeypatch.setattr("house.FakeMap", CustomerMap)
    gateway = Forgetful(lambda: house.clock)
    house.gateway = gateway
    return gateway


def names_in(house: House) -> dict[str, object]:
    with house.job() as job:
        newest = {}
        for subject in job.store.all_subjects("shop"):
            for record in job.store.stories([subject])[0].records:
                if record.type == "customer":
                    newest[record.id] = "deleted" if record.body.get("deleted") else record.body.get("name")
    return newest


def test_an_account_that_was_silent_for_40_days_misses_nothing(house: House, forgetful: Forgetful) -> None:
    forgetful.change("cus_1", "Example One")
    forgetful.change("cus_2", "Example Two")
    forgetful.change("cus_3", "Example Three")
    assert house.run().exit == 0
    assert forgetful.read == ["changes"]  # no gap, no list
    house.clock += timedelta(days=2)
    forgetful.change("cus_1", "Example One, renamed")  # an old object, changed early in the silence
    forgetful.change("cus_4", "Example Four")
    del forgetful.customers["cus_2"]
    house.clock += timedelta(days=39)
    forgetful.change("cus_5", "Example Five")
    forgetful.read.clear()
    report = house.run()
    assert report.exit == 0, report.problems
    assert forgetful.read == ["customers", "customer cus_2", "changes"]
    assert names_in(house) == {
        "cus_1": "Example One, renamed",
        "cus_2": "deleted",
        "cus_3": "Example Three",
        "cus_4": "Example Four",
        "cus_5": "Example Five",
    }
    forgetful.read.clear()
    assert house.run().exit == 0
    assert forgetful.read == ["changes"]  # healed for good


def test_a_first_run_older_than_the_retention_reads_the_lists_then_the_events_since_they_began(
    house: House, forgetful: Forgetful
) -> None:
    forgetful.change("cus_1", "Example One")
    house.clock += timedelta(days=50)
    assert house.run().exit == 0
    assert forgetful.read == ["customers", "changes"]
    assert names_in(house) == {"cus_1": "Example One"}


def test_what_is_neither_listed_nor_shown_is_said(house: House, forgetful: Forgetful) -> None:
    forgetful.change("cus_odd", "Example")
    house.run()
    house.clock += timedelta(days=40)
    del forgetful.customers["cus_odd"]
    report = house.run()
    assert [problem.what for problem in report.problems] == ["customer cus_odd"]
    assert "no longer lists it" in report.problems[0].why


def test_a_run_killed_while_it_heals_goes_on_and_ends_the_same(house: House, forgetful: Forgetful) -> None:
    forgetful.change("cus_1", "Example One")
    forgetful.change("cus_2", "Example Two")
    house.run()
    house.clock += timedelta(days=40)
    del forgetful.customers["cus_2"]
    forgetful.change("cus_3", "Example Three")
    at = kills = 0
    while True:
        at += 1
        with house.job(lambda store, at=at: DoomedStore(store, at, committed=at % 2 == 0)) as job:  # type: ignore[misc]
            try:
                jobs.run(job, nightly=False)
                break
            except Killed:
                kills += 1
    assert kills > 3
    assert names_in(house) == {"cus_1": "Example One", "cus_2": "deleted", "cus_3": "Example Three"}
