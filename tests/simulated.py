"""A home in this process that reads a simulated world, with what its books, CRM and state hold in the end."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncjob import config, jobs
from syncjob.cli.setup import write_home
from syncjob.jobs import Job, Report
from syncjob.jobs.assembly import assemble
from syncjob.jobs.backfill import Span, intake
from syncjob.moment import business_date
from syncjob.store import Store

START = datetime(2026, 10, 6, tzinfo=UTC)


class House:
    """One home that reads one simulated world."""

    def __init__(
        self, folder: Path, url: str, invoices: list[dict[str, Any]], *, whole: bool, start: datetime = START
    ) -> None:
        self.folder, self.whole = folder, whole
        write_home(
            folder, zone="Europe/Berlin", currency="EUR", start=start.isoformat(), gateway="shop", key="env:KEY",
            more={"base_url": url},
        )  # fmt: skip
        if whole:  # there the books list invoices under the gateway's own numbers
            self.match("gateway_numbers: yes")
        with (folder / "books" / "invoices.csv").open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for one in invoices:
                rows.writerow([one[name] for name in ("number", "customer", "email", "currency", "total", "issued", "due")])

    @classmethod
    def copied(cls, original: Path, folder: Path) -> House:
        """A home that goes on from a copy of another one."""
        shutil.copytree(original, folder)
        house = object.__new__(cls)
        house.folder, house.whole = folder, False
        return house

    def set(self, old: str, new: str) -> None:
        """Write something else into syncjob.yaml."""
        path = self.folder / "syncjob.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def match(self, line: str) -> None:
        """Say something about matching in syncjob.yaml."""
        path = self.folder / "syncjob.yaml"
        if "\nmatching:\n" not in path.read_text(encoding="utf-8"):
            self.set("\ngateways:\n", "\nmatching:\ngateways:\n")
        self.set("\nmatching:\n", f"\nmatching:\n  {line}\n")

    @contextmanager
    def job(self) -> Iterator[Job]:
        """The job of this home, for what no verb does."""
        settings = config.read(self.folder)
        with closing(Store.open(settings.state, create=True)) as store:
            yield assemble(settings, store, {**os.environ, "KEY": "sk_test_sandbox"})

    def run(
        self,
        *,
        through: Callable[[Any], Any] = lambda gateway: gateway,
        days: tuple[datetime, datetime] | None = None,
        **how: Any,
    ) -> Report:
        """One run, in this process, `through` something that stands before the gateway; `days` makes it a backfill."""
        settings = config.read(self.folder)
        store = Store.open(settings.state, create=True)
        try:
            job: Job = assemble(settings, store, {**os.environ, "KEY": "sk_test_sandbox"})
            sources = tuple(replace(one, gateway=through(one.gateway)) for one in job.sources)
            job = replace(job, sources=sources, sleep=lambda _: None)
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
