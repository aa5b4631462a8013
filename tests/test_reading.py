"""A long window is read as several at once, within the allowed pace; nothing is lost, and a kill goes on with the rest."""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob.jobs.reading import Clock, read
from syncjob.model import Raw
from syncjob.moment import Window
from syncjob.ports import Feed, Page

START = datetime(2026, 10, 1, tzinfo=UTC)
NOW = START + timedelta(days=30)
FEED = Feed("movements", posts=True, type="movement", parallel=4, per_second=20, settling=timedelta(seconds=60))


@dataclass
class Vendor:
    """Rows by their second, newest first, in pages; each answer takes a time that only its clock feels."""

    seconds: list[int]
    page: int = 5
    latency: float = 0.2
    asked: list[float] = field(default_factory=list)
    at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    @property
    def clock(self) -> Clock:
        return Clock(self.monotonic, self.sleep)

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        assert isinstance(window.since, datetime)
        ceiling = min(window.until, NOW) if isinstance(window.until, datetime) else NOW
        rows = [
            (second, number)
            for number, second in enumerate(self.seconds)
            if window.since <= START + timedelta(seconds=second) and START + timedelta(seconds=second) < ceiling
        ]
        rows.sort(reverse=True)
        if resume is not None:
            second, number = json.loads(resume)
            rows = [row for row in rows if row < (second, number)]
        while True:
            with self.lock:
                self.asked.append(self.at)
                self.at += self.latency
            part, rows = rows[: self.page], rows[self.page :]
            raws = tuple(
                Raw("movement", f"m{number}", START + timedelta(seconds=second), NOW, f"payment:m{number}", {})
                for second, number in part
            )
            place = json.dumps(part[-1]) if rows else None
            yield Page(raws, place, None if rows else ceiling, ceiling, NOW)
            if not rows:
                return


def even(number: int) -> list[int]:
    return [at * (30 * 86_400 // number) for at in range(number)]


def ids(pages: list[Page]) -> list[str]:
    return sorted(raw.id for page in pages for raw in page.records)


def test_a_long_window_is_read_side_by_side_and_ends_with_one_cursor() -> None:
    vendor = Vendor(even(400))
    pages = list(read(vendor, FEED, Window(START), None, vendor.clock))  # type: ignore[arg-type]
    assert set(ids(pages)) == {f"m{at}" for at in range(400)}
    assert [page.cursor for page in pages[:-1]] == [None] * (len(pages) - 1)
    assert pages[-1].cursor == pages[0].ceiling == NOW
    assert json.loads(pages[1].resume or "")["parts"]  # it was split
    assert len(pages) <= 80 * 1.1  # the arithmetic minimum is 80


@pytest.mark.parametrize(
    ("number", "latency", "parallel"), [(400, 0.0, 4), (400, 0.2, 1), (60, 0.2, 4)], ids=["quick", "not allowed", "short"]
)
def test_a_window_is_read_whole_where_splitting_would_not_help(number: int, latency: float, parallel: int) -> None:
    feed = Feed("movements", type="movement", parallel=parallel, per_second=20)
    vendor = Vendor(even(number), latency=latency)
    pages = list(read(vendor, feed, Window(START), None, vendor.clock))  # type: ignore[arg-type]
    assert all("parts" not in (page.resume or "") for page in pages)
    assert len(pages) == number // 5
    assert ids(pages) == sorted(f"m{at}" for at in range(number))


def test_no_more_requests_begin_per_second_than_are_allowed() -> None:
    vendor = Vendor(even(400))
    list(read(vendor, FEED, Window(START), None, vendor.clock))  # type: ignore[arg-type]
    begun = sorted(vendor.asked)
    for at, first in enumerate(begun):
        assert sum(1 for one in begun[at:] if one < first + 1) <= FEED.per_second + 1


@given(st.lists(st.integers(0, 30 * 86_400 - 1), max_size=300), st.integers(1, 60), st.integers(2, 6))
def test_cut_off_anywhere_it_goes_on_with_the_rest(seconds: list[int], cut: int, page: int) -> None:
    vendor = Vendor(seconds, page=page)
    seen: list[Page] = []
    resume: str | None = None
    for _ in range(1000):
        taken: list[Page] = []
        for one in read(vendor, FEED, Window(START), resume, vendor.clock):  # type: ignore[arg-type]
            taken.append(one)
            if len(taken) == cut:
                break
        seen += taken
        if taken[-1].cursor is not None:
            break
        resume = taken[-1].resume
    assert seen[-1].cursor == NOW
    assert set(ids(seen)) == {f"m{at}" for at in range(len(seconds))}


def test_who_asks_for_the_end_while_a_page_is_on_its_way_gets_that_page_and_no_crash() -> None:
    vendor = Vendor(even(400))
    times = iter([0.0])

    def monotonic() -> float:
        return next(times, math.inf)  # the clock of a run that was asked to stop is at its end

    pages = read(vendor, FEED, Window(START), None, Clock(monotonic, vendor.sleep))  # type: ignore[arg-type]
    assert len([next(pages), next(pages)]) == 2


def test_an_uneven_window_loses_nothing() -> None:
    dice = random.Random(3)  # noqa: S311 - a story that can be told again
    burst = [86_400 * 3 + dice.randint(0, 5) for _ in range(200)]  # many in one second
    vendor = Vendor(sorted([*burst, *(dice.randint(0, 30 * 86_400 - 1) for _ in range(200))]))
    pages = list(read(vendor, FEED, Window(START), None, vendor.clock))  # type: ignore[arg-type]
    assert set(ids(pages)) == {f"m{at}" for at in range(400)}
