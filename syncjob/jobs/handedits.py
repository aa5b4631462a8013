"""What a person changed in the books: each document of ours as it stands there, beside what was written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from syncjob.jobs.job import Job, Sink
from syncjob.model import Delivery
from syncjob.money import Money
from syncjob.ports import Changes, Standing
from syncjob.reconcile import Edit, edited

_AT_ONCE = 500


def find(job: Job, sink: Sink) -> list[Edit]:
    """The documents whose amounts, accounts or day are no longer as they were written, or that are gone or there twice.

    Books that do not show their documents have none. A text that a person improved is nobody's difference. Of all documents
    only a token is held in memory; those whose token differs are read a second time.
    """
    books = sink.target
    if not isinstance(books, Changes):
        return []
    seen: dict[int, str] = {}
    suspects: set[str] = set()
    for key, version in books.versions():
        if hash(key) in seen:
            suspects.add(key)
        seen[hash(key)] = version
    for key, version in job.store.standing(sink.name):
        if seen.get(hash(key)) != version:
            suspects.add(key)
    if not suspects:
        return []
    now: dict[str, list[Standing]] = {key: [] for key in suspects}
    for one in books.standing(suspects):
        now[one.key].append(one)
    found: list[Edit] = []
    keys = sorted(suspects)
    for start in range(0, len(keys), _AT_ONCE):
        for key, delivery in sorted(job.store.lookup(sink.name, keys[start : start + _AT_ONCE]).items()):
            edit = _edit(delivery, now[key])
            found += [edit] if edit is not None else []
    return found


def _edit(delivery: Delivery, now: list[Standing]) -> Edit | None:
    day = delivery.body.get("date")
    if not isinstance(day, str):
        return None
    postings: Any = delivery.body.get("postings") or ()
    return edited(delivery.key, date.fromisoformat(day), [_posting(one) for one in postings], now)


def _posting(one: Mapping[str, str]) -> tuple[str, Money]:
    return one["account"], Money.of(one["amount"], one["currency"])
