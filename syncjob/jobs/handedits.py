"""What stands in the books otherwise than we left it: each document of ours beside what was written, and entries of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from syncjob.jobs.deciding import Decision, decisions
from syncjob.jobs.job import Job, Sink
from syncjob.jobs.shadowed import ended
from syncjob.model import Delivery, digest
from syncjob.moment import business_date
from syncjob.money import Money
from syncjob.ports import Changes, Foreign, Standing
from syncjob.reconcile import Edit, edited, foreign

_AT_ONCE = 500


def find(job: Job, sink: Sink, accounts: Collection[str] = ()) -> list[Edit]:
    """The documents whose amounts, accounts, day or payee are no longer as they were written, or that are gone or there twice.

    With them the entries on `accounts` that no document of ours made; each with what a person decided about it. Books that do
    not show their documents have none. A text that a person improved is nobody's difference.
    """
    books = sink.target
    found = [*_ours(job, sink, books)] if isinstance(books, Changes) else []
    found += _of_others(job, sink.name, books, accounts) if isinstance(books, Foreign) and accounts else []
    known = decisions(job.store, sink.name)
    return [_decided(one, known.get(one.key)) for one in found]


def _decided(edit: Edit, decision: Decision | None) -> Edit:
    """What a person said counts for what stood there when it was said; another edit since then is news."""
    if decision is None or decision.stands != edit.version:
        return edit
    return replace(edit, decided=decision.words)


def _ours(job: Job, sink: Sink, books: Changes) -> Iterator[Edit]:
    """Of all documents only a token is held in memory; those whose token differs are read a second time."""
    seen: dict[int, str] = {}
    suspects: set[str] = set()
    for key, version in books.versions():
        if hash(key) in seen:
            suspects.add(key)
        seen[hash(key)] = version
    for key, version in job.store.standing(sink.name):
        if seen.pop(hash(key), None) != version:
            suspects.add(key)
    unknown = seen.keys()  # what is left stands there, and none of ours should
    if unknown:
        suspects |= {key for key, _ in books.versions() if hash(key) in unknown}
    if not suspects:
        return
    now: dict[str, list[Standing]] = {key: [] for key in suspects}
    for one in books.standing(suspects):
        now[one.key].append(one)
    keys = sorted(suspects)
    for start in range(0, len(keys), _AT_ONCE):
        batch = keys[start : start + _AT_ONCE]
        ours = job.store.lookup(sink.name, batch)
        for key in batch:
            if hash(key) in unknown:
                yield from _strangers(now[key], ours.get(key))
            elif key in ours and (edit := _edit(ours[key], now[key])) is not None:
                yield edit


def _edit(delivery: Delivery, now: list[Standing]) -> Edit | None:
    day = delivery.body.get("date")
    if not isinstance(day, str):
        return None
    postings: Any = delivery.body.get("postings") or ()
    payee = delivery.body.get("payee")
    told = payee if isinstance(payee, str) and payee else None
    return edited(delivery.key, date.fromisoformat(day), [_posting(one) for one in postings], now, told)


def _posting(one: Mapping[str, str]) -> tuple[str, Money]:
    return one["account"], Money.of(one["amount"], one["currency"])


def _strangers(now: list[Standing], delivery: Delivery | None) -> Iterator[Edit]:
    """What bears a key of ours and is not one of the documents that stand there; what is on its way is left alone."""
    if delivery is None:
        why = "bears a key that no document of ours has"
    elif delivery.is_undone:
        why = "was undone by us and stands there again"
    else:
        return
    yield from (foreign(one, f"{why}: {one.place}") for one in now)


def _of_others(job: Job, target: str, books: Foreign, accounts: Collection[str]) -> list[Edit]:
    """Entries of others since the cut-over one by one, those of before it as one: they are what the books began with."""
    start = min((job.rules.since(source.name) for source in job.sources), default=job.rules.start)
    first = business_date(start, job.rules.zone)
    first = max(first, ended(job.store, target) or first)  # until then people booked it all themselves
    found: list[Edit] = []
    before: list[Standing] = []
    for one in books.foreign(accounts):
        if one.day < first:
            before.append(one)
        else:
            found.append(foreign(one, f"is no document of ours: {_named(one)}, {one.place}"))
    return [*([_earlier(before, first)] if before else []), *found]


def _named(one: Standing) -> str:
    return " ".join(f'"{text}"' for text in (one.payee, one.narration) if text) or "an entry without words"


def _earlier(entries: Iterable[Standing], first: date) -> Edit:
    entries = list(entries)
    day = first - timedelta(days=1)
    postings = tuple(posting for one in entries for posting in one.postings)
    version = digest(*sorted(one.version for one in entries))
    whole = Standing(f"foreign:before:{first}", day, postings, version, entries[0].place)
    number = "one entry" if len(entries) == 1 else f"{len(entries)} entries"
    return foreign(whole, f"{number} of others from before the start {first}, the first in {entries[0].place}")
