"""However a world is read, it comes to the same: page size, order of pages, frequency of runs and split of windows do not show.

Each seed makes another world in the simulator; books, CRM and reconciliation of every way are compared with those of one
undisturbed run at the end.
"""

from __future__ import annotations

import csv
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from test_demo import ask, served

from syncjob import config, jobs
from syncjob.cli.setup import write_home
from syncjob.gateways.stripe import feeds as stripe_feeds
from syncjob.jobs import Job, Report
from syncjob.jobs.assembly import assemble
from syncjob.jobs.backfill import Span, intake
from syncjob.moment import Window, business_date
from syncjob.ports import Feed, Page
from syncjob.store import Store

SEEDS = range(1, 21)
START = datetime(2026, 10, 6, tzinfo=UTC)


@dataclass
class Shuffled:
    """A gateway whose pages come in another order; all else is the real one's."""

    real: Any
    dice: random.Random

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        pages = list(self.real.pages(feed, window, resume))
        last = pages[-1]
        self.dice.shuffle(pages)
        for page in pages[:-1]:
            yield replace(page, resume=last.resume or "again", cursor=None)
        yield replace(pages[-1], resume=None, cursor=last.cursor)


class House:
    """One home that reads one simulated world."""

    def __init__(self, folder: Path, url: str, invoices: list[dict[str, Any]], *, whole: bool) -> None:
        self.folder, self.whole = folder, whole
        write_home(
            folder, zone="Europe/Berlin", currency="EUR", start=START.isoformat(), gateway="shop", key="env:KEY",
            more={"base_url": url},
        )  # fmt: skip
        with (folder / "books" / "invoices.csv").open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for one in invoices:
                rows.writerow([one[name] for name in ("number", "customer", "email", "currency", "total", "issued", "due")])

    def run(
        self, *, shuffled: random.Random | None = None, days: tuple[datetime, datetime] | None = None, **how: Any
    ) -> Report:
        """One run, in this process; `days` makes it a backfill of them."""
        settings = config.read(self.folder)
        store = Store.open(settings.state, create=True)
        try:
            job: Job = assemble(settings, store, {**os.environ, "KEY": "sk_test_sandbox"})
            if shuffled is not None:
                sources = (replace(one, gateway=Shuffled(one.gateway, shuffled)) for one in job.sources)
                job = replace(job, sources=tuple(sources))
            job = replace(job, sleep=lambda _: None)
            if days is not None:
                first, last = (business_date(day, job.rules.zone) for day in days)
                how["intake"] = intake(Span.of(job, first, last), before_start=False)
            return jobs.run(job, **how)
        finally:
            store.close()

    def books(self) -> dict[str, str]:
        """Every file of the books."""
        return {path.name: path.read_text() for path in sorted((self.folder / "books").iterdir())}

    def crm(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, without how often it was rewritten on the way.

        In the scenario `whole` who looks often also sees states between (a subscription that was changed and then cancelled),
        which `events` tells; there, what stands in the end is compared.
        """
        found = {}
        with closing(sqlite3.connect(self.folder / "crm.sqlite")) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            for table in tables:
                if table == "events" and self.whole:
                    continue
                rows = db.execute(f"SELECT * FROM {table}")  # noqa: S608 - the schema's own names
                kept = [at for at, column in enumerate(rows.description) if column[0] != "revision"]
                found[table] = sorted((tuple(row[at] for at in kept) for row in rows), key=repr)
        return found

    def held(self) -> list[str]:
        """What waits for a person."""
        with closing(Store.open(config.read(self.folder).state)) as store:
            return sorted(f"{refusal.type} {refusal.id} {refusal.problem.why}" for _, refusal in store.refusals())


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


@pytest.mark.parametrize("seed", SEEDS)
def test_however_a_world_is_read_it_comes_to_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story that can be told again
    scenario = ("tidy", "busy", "whole")[seed % 3]
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", START.isoformat()) as url:
        end = datetime(2026, 11, 3, 6, tzinfo=UTC)
        moments = sorted(dice.uniform(0, (end - START).total_seconds()) for _ in range(3))
        often, clock, later = tmp_path / "often", START, []
        often_home: House | None = None
        for moment in (*moments, (end - START).total_seconds()):
            ask(url, "advance", {"seconds": int(moment - (clock - START).total_seconds())})
            clock = START + timedelta(seconds=int(moment))
            later.append(clock)
            if often_home is None:
                with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed) as whole:
                    invoices = ask(whole, "invoices")
                often_home = House(often, url, invoices, whole=scenario == "whole")
            last = often_home.run(nightly=len(later) > len(moments))
        once = House(tmp_path / "once", url, invoices, whole=scenario == "whole")
        reference = settled(once, once.run(nightly=True))
        assert_same(settled(often_home, last), reference)
        monkeypatch.setattr(stripe_feeds, "PAGE", dice.randint(3, 40))
        small = House(tmp_path / "small", url, invoices, whole=scenario == "whole")
        assert_same(settled(small, small.run(nightly=True)), reference)
        mixed = House(tmp_path / "mixed", url, invoices, whole=scenario == "whole")
        assert_same(settled(mixed, mixed.run(nightly=True, shuffled=dice)), reference)
        split = House(tmp_path / "split", url, invoices, whole=scenario == "whole")
        cuts = sorted({START, *(START + timedelta(days=dice.randint(1, 26)) for _ in range(3)), end})
        for piece in pairwise(cuts):  # in order: what was matched by then stays matched
            split.run(days=piece)
        assert_same(settled(split, split.run(nightly=True)), reference)
