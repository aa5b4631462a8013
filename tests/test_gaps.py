"""A feed's gap: what it no longer keeps is read from the lists of its objects; a kill or a long silence loses nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house import DoomedStore, FakeGateway, FakeMap, House, Killed

from syncjob import jobs
from syncjob.errors import NotOffered, RecordRefused
from syncjob.model import Kept, Raw
from syncjob.moment import Window, micros
from syncjob.ports import Feed, Page

KEPT_DAYS = 30
EVENTS = Feed("changes", retention=timedelta(days=KEPT_DAYS), settling=timedelta(0))
LIST = Feed("customers", fills="changes", type="customer", lookback=timedelta(days=3650), settling=timedelta(0))


@pytest.fixture
def house(store_url: str, tmp_path: Path) -> House:
    return House(store_url, tmp_path)


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
        newest: dict[str, object] = {}
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


def killed_in_the_gap(house: House, when: str) -> None:
    """Runs that are killed, each a write later, until the gap's lists are done, or until a window is half read."""
    at = 0
    while True:
        at += 1
        with house.job(lambda store, at=at: DoomedStore(store, at, committed=True)) as job:  # type: ignore[misc]
            with pytest.raises(Killed):
                jobs.run(job, nightly=False)
            gap: Any = job.store.get_fact("gap:shop:changes")
            if when == "listed" and gap and gap["done"]:
                return
            if when == "half read" and job.store.progress("shop", "changes").resume:
                return


def test_a_gap_left_half_healed_for_as_long_again_is_read_anew(house: House, forgetful: Forgetful) -> None:
    forgetful.change("cus_1", "Example One")
    house.run()
    house.clock += timedelta(days=40)
    killed_in_the_gap(house, "listed")
    forgetful.change("cus_1", "Example One, renamed")  # after its list was read
    house.clock += timedelta(days=45)
    assert house.run().exit == 0
    assert names_in(house) == {"cus_1": "Example One, renamed"}


@dataclass
class OneByOne(Forgetful):
    """A change or a customer a page, newest first."""

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        if feed.posts:
            yield from super().pages(feed, window, resume)
            return
        [whole] = super().pages(feed, window, None)
        rows = whole.records[::-1]
        rows = rows[int(resume) :] if resume else rows
        for at, raw in enumerate(rows[:-1], start=int(resume or 0) + 1):
            yield replace(whole, records=(raw,), resume=str(at), cursor=None)
        yield replace(whole, records=rows[-1:])


@pytest.fixture
def one_by_one(house: House, forgetful: Forgetful) -> OneByOne:
    house.gateway = gateway = OneByOne(forgetful.now)
    return gateway


def test_a_window_that_was_cut_off_before_a_long_silence_is_part_of_the_gap(house: House, one_by_one: OneByOne) -> None:
    one_by_one.feeds = (*FakeGateway.feeds, EVENTS, replace(LIST, lookback=timedelta(days=10)))
    one_by_one.change("cus_1", "Example One")
    house.run()
    house.clock += timedelta(days=11)
    one_by_one.change("cus_1", "Example One, renamed")
    house.clock += timedelta(days=5)
    one_by_one.change("cus_2", "Example Two")
    killed_in_the_gap(house, "half read")  # the newest was read, the older not
    house.clock += timedelta(days=45)
    assert house.run().exit == 0
    assert names_in(house) == {"cus_1": "Example One, renamed", "cus_2": "Example Two"}


def test_a_window_that_was_cut_off_and_is_no_longer_offered_stops_nothing_else(
    house: House, one_by_one: OneByOne, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one.change("cus_1", "Example One")
    one_by_one.change("cus_2", "Example Two")
    killed_in_the_gap(house, "half read")

    def pages(self: OneByOne, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        if feed is EVENTS:
            raise NotOffered("changes", "changes are not offered")
        return FakeGateway.pages(self, feed, window, resume)

    monkeypatch.setattr(OneByOne, "pages", pages)
    one_by_one.charge("ch_1", 10_00)
    report = house.run(nightly=True)
    assert report.exit == 3
    assert [problem.why for problem in report.problems] == ["changes are not offered"]
    assert all(leg.ties for leg in report.legs)


@pytest.mark.parametrize("first", [True, False])
def test_a_list_longer_than_one_runs_time_comes_to_its_end(house: House, one_by_one: OneByOne, *, first: bool) -> None:
    if not first:
        one_by_one.change("cus_gone", "Example")
        house.run()
        del one_by_one.customers["cus_gone"]
    for number in range(6):
        one_by_one.change(f"cus_{number}", "Example")
    house.clock += timedelta(days=40)
    for _ in range(10):
        house.clock += timedelta(minutes=5)
        with house.job() as job:
            clock = iter(range(10_000))
            report = jobs.run(replace(job, monotonic=lambda clock=clock: next(clock)), nightly=False, seconds_max=10)  # type: ignore[misc]
        if "gaps healed" in report.counts:
            break
    assert report.counts.get("gaps healed") == 1
    assert names_in(house) == {f"cus_{n}": "Example" for n in range(6)} | ({} if first else {"cus_gone": "deleted"})
    assert not [what for what in one_by_one.read if what.startswith("customer cus_") and what != "customer cus_gone"]
