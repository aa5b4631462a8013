"""A house whose maps and account codes a person edits between its runs, with the preview of what that alters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from house import FakeFields, FakeMap, House
from sqlalchemy import select

from syncjob.chart import Chart
from syncjob.errors import Problem
from syncjob.jobs import Job
from syncjob.jobs.preview import (
    Difference,
    Seen,
    Totals,
    apply_correct,
    apply_from_now,
    derive,
    differences,
    latest_run,
    span,
)
from syncjob.model import DocumentKind, Json, Kind, Reading, Record, Refusal, Stream
from syncjob.plan.preview import Change, Held
from syncjob.ports import Lock
from syncjob.store import Store
from syncjob.store.tables import METADATA

OCTOBER = date(2026, 10, 6)


@dataclass(frozen=True)
class Reads(FakeMap):
    """A gateway's map that knows some products, and may take a payment for a refund."""

    digest: str = "reads"
    knows: tuple[str, ...] = ("bread",)
    refunds: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()
    doubles: tuple[str, ...] = ()

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """Holds what it does not know."""
        read = super().read(stream, subject, records)
        held = [one for one in read.transactions if one.description not in ("", *self.knows)]
        problems = tuple(
            Refusal(one.type, one.id, Problem(one.id, "shop", f"{one.description!r} is not listed", "add a line"))
            for one in held
        )
        good = (one for one in read.transactions if one not in held and one.id not in self.leaves_out)
        told = tuple(replace(one, kind=Kind.REFUND) if one.id in self.refunds else one for one in good)
        told = tuple(
            replace(one, gross=one.gross + one.gross, net=one.net + one.net) if one.id in self.doubles else one for one in told
        )
        return replace(read, transactions=told, problems=problems)


@dataclass(frozen=True)
class Tells(FakeFields):
    """A target's map with words before each name."""

    digest: str = "tells"
    words: str = ""

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The name behind the words."""
        body = super().body(kind, happening)
        return {**body, "name": f"{self.words}{body['name']}"}


@dataclass
class Edited:
    """What a person may edit in a home."""

    codes: dict[str, str] = field(default_factory=dict)  # "role", "role source" or "role source currency" -> code
    reads: Reads = field(default_factory=Reads)
    tells: Tells = field(default_factory=Tells)


class Shop(House):
    """A house whose maps and accounts.csv change between its runs."""

    def __init__(self, url: str, home: Path) -> None:
        super().__init__(url, home)
        self.edited = Edited()
        self.copies = 0

    @contextmanager
    def job(self, wrap: Callable[[Store], Any] = lambda store: store) -> Iterator[Job]:
        """A job with the maps and codes as they are now."""
        with super().job(wrap) as job:
            places = ((*name.split(" "), "", "")[:3] for name in self.edited.codes)
            rows = {**job.rules.chart.rows, **dict(zip(places, self.edited.codes.values(), strict=True))}
            ledgers = tuple(replace(one, map=self.edited.tells) for one in job.rules.ledgers)
            yield replace(
                job,
                sources=tuple(replace(one, map=self.edited.reads) for one in job.sources),
                sinks=tuple(replace(one, ledger=ledger) for one, ledger in zip(job.sinks, ledgers, strict=True)),
                rules=replace(job.rules, ledgers=ledgers, chart=Chart(rows)),
            )

    def close(self, through: date) -> None:
        """Close a period of the books."""
        self.books.locks = lambda: [Lock(through, hard=True)]  # type: ignore[method-assign]

    def sells(self, day: date, *charges: tuple[str, int], **more: str) -> None:
        """On a day these are paid (fees are negative), and a run brings them to books and CRM."""
        self.clock = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        for id, minor in charges:
            self.gateway.charge(id, minor, **more)
        assert self.run().exit in (0, 3)

    def preview(self, since: date = OCTOBER, through: date | None = None) -> tuple[list[Difference], Seen]:
        """Derive in a copy of the state, as the command does."""
        wish, totals = span(since, through), Totals()
        self.copies += 1
        with self.job() as job:
            paths = [str(self.home / f"copy-{self.copies}-{name}") for name in ("plan", "before")]
            for path in paths:
                job.store.copy_to(Path(path))
            plan, before = (Store.open(path) for path in paths)
            try:
                copy = replace(job, store=plan)
                totals.later = derive(copy, wish)
                found = list(differences(before, copy, wish, totals))
                freed = {(one.source, one.subject) for one in found if isinstance(one, Held) and one.freed}
                subjects = tuple(one for one, _ in before.refusals() if (one.scope, one.name) in freed)
                return found, Seen(latest_run(before), wish, totals, subjects)
            finally:
                plan.close()
                before.close()

    def apply(self, way: str, seen: Seen) -> int:
        """Do what was seen."""
        with self.job() as job:
            return (apply_correct if way == "correct" else apply_from_now)(job, seen, "controller")

    def bodies(self) -> dict[str, dict[str, Any]]:
        """What the books hold, by document key."""
        return {one["key"]: one["body"] for one in self.books.objects}

    def rows(self) -> dict[str, list[object]]:
        """Every row of the state."""
        store = Store.open(self.url)
        try:
            return {table.name: store._database.rows(select(table)) for table in METADATA.sorted_tables}
        finally:
            store.close()

    def ties(self) -> None:
        """A night: both legs tie to the cent, and every account of the books holds what was delivered to it."""
        report = self.run(nightly=True, later=timedelta(hours=1))
        assert report.exit == 0, report.problems
        assert {leg.name for leg in report.legs} == {"gateway", "books"}
        assert [leg for leg in report.legs if not leg.ties] == []


def autumn_of(shop: Shop) -> Shop:
    """Three months of sales and fees; the first of them is closed."""
    shop.sells(date(2026, 10, 7), ("ch_a", 100_00))
    shop.sells(date(2026, 10, 20), ("fee_a", -2_50))
    shop.sells(date(2026, 11, 3), ("ch_b", 40_00), ("fee_b", -1_25))
    shop.sells(date(2026, 12, 1), ("ch_c", 60_00), ("fee_c", -1_75))
    shop.ties()
    shop.close(date(2026, 10, 31))
    return shop


EVERY = ("ch_a:receipt", "fee_a:expense", "ch_b:receipt", "fee_b:expense", "ch_c:receipt", "fee_c:expense")


def changes(found: Sequence[Difference]) -> dict[str, Change]:
    return {one.key: one for one in found if isinstance(one, Change)}


def accounts(seen: Seen) -> list[tuple[str, str, bool, int, int]]:
    totals = seen.totals
    return [
        (account, month, closed, totals.now.get(key, 0), totals.then.get(key, 0))
        for key in totals.moved()
        for _, account, _, month, closed in [key]
    ]
