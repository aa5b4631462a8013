"""A gateway that shows something else than it holds, for stories about what is then found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from simulated import House

from syncjob import config
from syncjob.model import Raw
from syncjob.ports import Page
from syncjob.store import Store

LEDGER = "balance_transaction"
OPENED = datetime(2026, 10, 20, 6, tzinfo=UTC)
END = datetime(2026, 11, 20, 6, tzinfo=UTC)

Doctored = Callable[[Sequence[Raw]], Sequence[Raw]]


class Lies:
    """A gateway whose ledger shows something else than it holds, and whose balance follows its ledger."""

    def __init__(self, gateway: Any, doctor: Doctored, adds: dict[str, int]) -> None:
        self._gateway, self._doctor, self._adds = gateway, doctor, adds
        self.name, self.feeds = gateway.name, gateway.feeds
        self.check, self.identity, self.fetch = gateway.check, gateway.identity, gateway.fetch

    def pages(self, feed: Any, window: Any, resume: Any) -> Iterator[Page]:
        for page in self._gateway.pages(feed, window, resume):
            yield replace(page, records=tuple(self._doctor(page.records)))

    def balances(self, wish: Any) -> list[Any]:
        """What the ledger sums to as it is shown."""
        return [
            replace(one, amount=replace(one.amount, minor=one.amount.minor + self._adds.get(one.amount.currency, 0)))
            if one.place == "payments"
            else one
            for one in self._gateway.balances(wish)
        ]


def landed(house: House, type: str) -> list[dict[str, Any]]:
    """What a true night landed of the gateway's objects of a type, oldest first."""
    with closing(Store.open(config.read(house.folder).state)) as store:
        found = [
            dict(record.body, id=record.id)
            for subject in store.all_subjects("shop")
            for record, _ in store.versions(subject)
            if record.type == type
        ]
    return sorted(found, key=lambda one: (one["created"], one["id"]))


def without(id: str) -> Doctored:
    return lambda records: [raw for raw in records if raw.id != id]


def changed(id: str, change: Callable[[Raw], Raw]) -> Doctored:
    return lambda records: [change(raw) if raw.id == id else raw for raw in records]


def body(raw: Raw, **fields: Any) -> Raw:
    return replace(raw, body={**raw.body, **fields})


class SmallPages(Lies):
    """A gateway that shows the truth a few records at a time, newest first."""

    def __init__(self, gateway: Any) -> None:
        super().__init__(gateway, lambda records: records, {})
        self.shown = 0

    def pages(self, feed: Any, window: Any, resume: Any) -> Iterator[Page]:
        records = [raw for page in super().pages(feed, window, resume) for raw in page.records]
        records.sort(key=lambda raw: raw.occurred, reverse=True)
        for start in range(0, len(records), 5):
            part, last = tuple(records[start : start + 5]), start + 5 >= len(records)
            self.shown += len(part)
            yield Page(part, None if last else "more", END if last else None, END, END)
