"""However a world is read, it comes to the same: page size, order of pages, frequency of runs and split of windows do not show.

Each seed makes another world in the simulator; books, CRM and reconciliation of every way are compared with those of one
undisturbed run at the end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from simulated import START, House
from test_demo import ask, served

from syncjob.gateways.stripe import feeds as stripe_feeds
from syncjob.jobs import Report
from syncjob.moment import Window
from syncjob.ports import Feed, Page

SEEDS = range(1, 21)


@dataclass
class Shuffled:
    """A gateway whose pages come in another order; all else is the real one's."""

    real: Any
    dice: random.Random

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Only a walk that goes newest first may be split; on a busy machine this one was, and lost what it had not seen."""
        return tuple(replace(feed, parallel=1) for feed in self.real.feeds)

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        pages = list(self.real.pages(feed, window, resume))
        last = pages[-1]
        self.dice.shuffle(pages)
        for page in pages[:-1]:
            yield replace(page, resume=last.resume or "again", cursor=None)
        yield replace(pages[-1], resume=None, cursor=last.cursor)


def legs_of(report: Report) -> list[tuple[str, ...]]:
    return sorted((one.name, one.place, str(one.theirs), str(one.ours), str(one.unexplained)) for one in report.legs)


def settled(house: House, report: Report) -> tuple[Any, ...]:
    return house.books(), house.crm(), legs_of(report), house.held()


def lines_of(text: str) -> list[str]:
    """The lines of a file, without how often an entry and a balance were rewritten."""
    return [line for line in text.splitlines() if not line.startswith(("; was ", "  syncjob-revision: "))]


def assert_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    for name in {*one[0], *other[0]}:
        mine, theirs = (lines_of(books.get(name, "")) for books in (one[0], other[0]))
        assert mine == theirs, name
    assert one[1] == other[1]
    assert one[2:] == other[2:]


@pytest.mark.parametrize("seed", range(1, 7))
def test_payments_without_a_number_are_for_the_same_invoices_whenever_they_are_looked_at(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story that can be told again
    scenario = ("tidy", "busy", "whole")[seed % 3]
    end = datetime(2026, 11, 3, 6, tzinfo=UTC)
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed) as whole:
        invoices = ask(whole, "invoices")
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", START.isoformat()) as url:
        often, clock = House(tmp_path / "often", url, invoices, whole=scenario == "whole"), START
        whole_month = (end - START).total_seconds()
        for moment in (*sorted(dice.uniform(0, whole_month) for _ in range(6)), whole_month):
            ask(url, "advance", {"seconds": int(moment - (clock - START).total_seconds())})
            clock = START + timedelta(seconds=int(moment))
            often.run(nightly=dice.random() < 0.5 or clock >= end)
        once = House(tmp_path / "once", url, invoices, whole=scenario == "whole")
        once.run(nightly=True)
    assert often.books()["invoice-states.csv"] == once.books()["invoice-states.csv"]
    assert any('matched-by: "customer and amount"' in text for text in once.books().values())
    assert often.held() == once.held()


@pytest.mark.parametrize("seed", SEEDS)
def test_however_a_world_is_read_it_comes_to_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story that can be told again
    scenario = ("tidy", "busy", "whole")[seed % 3]
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", START.isoformat()) as url:
        end = datetime(2026, 11, 3, 6, tzinfo=UTC)

        def plain(name: str) -> House:
            """What was matched without a number stays matched, so when it was looked at shows; here only numbers count."""
            house = House(tmp_path / name, url, invoices, whole=scenario == "whole")
            house.match("by_customer: no")
            return house

        moments = sorted(dice.uniform(0, (end - START).total_seconds()) for _ in range(3))
        clock, later = START, []
        often_home: House | None = None
        for moment in (*moments, (end - START).total_seconds()):
            ask(url, "advance", {"seconds": int(moment - (clock - START).total_seconds())})
            clock = START + timedelta(seconds=int(moment))
            later.append(clock)
            if often_home is None:
                with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed) as whole:
                    invoices = ask(whole, "invoices")
                often_home = plain("often")
            last = often_home.run(nightly=len(later) > len(moments))
        once = plain("once")
        reference = settled(once, once.run(nightly=True))
        assert_same(settled(often_home, last), reference)
        monkeypatch.setattr(stripe_feeds, "PAGE", dice.randint(3, 40))
        small = plain("small")
        assert_same(settled(small, small.run(nightly=True)), reference)
        mixed = plain("mixed")
        assert_same(settled(mixed, mixed.run(nightly=True, through=lambda gateway: Shuffled(gateway, dice))), reference)
        split = plain("split")
        cuts = sorted({START, *(START + timedelta(days=dice.randint(1, 26)) for _ in range(3)), end})
        for piece in pairwise(cuts):  # in order: what was matched by then stays matched
            split.run(days=piece)
        assert_same(settled(split, split.run(nightly=True)), reference)
