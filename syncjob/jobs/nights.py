"""The proof of each night, kept for good: what was compared and what it came to, so that a month can show its nights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast

from syncjob.model import Json
from syncjob.moment import from_text, iso, to_day
from syncjob.money import Money
from syncjob.reconcile import Item, Leg
from syncjob.store import Store
from syncjob.summary.closing import Night
from syncjob.summary.wire import item_json, money

_KINDS = ("nightly", "partial nightly")
_RUNS_MAX = 1_000_000


def note(store: Store, number: int, day: date, legs: Sequence[Leg]) -> None:
    """Keep what a nightly run compared, under the number of the run."""
    value: dict[str, Json] = {"day": day.isoformat(), "legs": [_told(leg) for leg in legs]}
    store.set_fact(_name(number), value)


def nights(store: Store) -> Iterator[Night]:
    """Every night that was kept, oldest first; a run that did not come to its end is none."""
    runs = [run for kind in _KINDS for run in store.runs(_RUNS_MAX, kind)]
    for run in sorted(runs, key=lambda run: run.id):
        kept = cast("Mapping[str, Any] | None", store.get_fact(_name(run.id)))
        if kept is not None and run.exit is not None:
            legs = tuple(_read(one) for one in kept["legs"])
            yield Night(run.id, run.kind, run.started, run.exit, to_day(kept["day"]), legs)


def _name(number: int) -> str:
    return f"night:{number}"


def _told(leg: Leg) -> Json:
    at = leg.as_of
    return {
        "leg": leg.name,
        "source": leg.source,
        "target": leg.target,
        "place": leg.place,
        "currency": leg.currency,
        "as_of": iso(at) if isinstance(at, datetime) else None,
        "through": at.isoformat() if at is not None and not isinstance(at, datetime) else None,
        "theirs": money(leg.theirs) if leg.theirs is not None else None,
        "ours": money(leg.ours),
        "items": [item_json(item) for item in leg.items],
    }


def _read(one: Mapping[str, Any]) -> Leg:
    at: datetime | date | None = to_day(one["through"]) if one["through"] is not None else None
    if one["as_of"] is not None:
        at = from_text(one["as_of"])
    items = tuple(
        Item(item["name"], _money(item["amount"]), item["why"], *(item.get(word, "") for word in ("reason", "cure", "decided")))
        for item in one["items"]
    )
    theirs = _money(one["theirs"]) if one["theirs"] is not None else None
    return Leg(one["leg"], one["source"], one["place"], one["currency"], at, theirs, _money(one["ours"]), items, one["target"])


def _money(value: Mapping[str, str]) -> Money:
    return Money.of(value["amount"], value["currency"])
