"""Books in shadow: everything is derived and nothing sent; what people booked meanwhile is held against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, cast

from syncjob.errors import Misconfigured
from syncjob.jobs.job import Job, Sink
from syncjob.jobs.nightly import clock
from syncjob.jobs.shadowed import known, name_of
from syncjob.model import Delivery, Json
from syncjob.moment import business_date, iso
from syncjob.money import Money
from syncjob.plan.undoing import given_up
from syncjob.ports import Foreign
from syncjob.reconcile.shadow import Beside, Derived, beside
from syncjob.store import Store

_FAR = timedelta(days=365_000)
_AT_ONCE = 500


def compare(job: Job, sink: Sink) -> list[Beside]:
    """What was derived for books beside what people booked, up to the last day that has been read whole.

    Raises ConnectorDown where the books cannot be read.
    """
    books = cast(Foreign, sink.target)  # others are refused when the job is put together
    through = business_date(clock(job), job.rules.zone) - timedelta(days=1)
    first = _first(job)
    ours = [one for one in map(_derived, waiting(job, sink.name)) if one is not None and first <= one.day <= through]
    accounts = {account for one in ours for account, _ in one.postings}
    theirs = [one for one in books.foreign(accounts) if first <= one.day] if accounts else []
    return beside(ours, theirs, through)


def note(job: Job, sink: Sink) -> None:
    """Keep for the nightly page how many documents stand how."""
    found: dict[str, Json] = dict(Counter(one.kind.value for one in compare(job, sink)))
    job.store.set_fact(name_of(sink.name), {**known(job.store, sink.name), "counts": found})


def counts(store: Store, target: str) -> dict[str, int]:
    """The same, as the last night found it."""
    return cast("dict[str, int]", known(store, target).get("counts") or {})


def begin(job: Job, sink: Sink) -> None:
    """Remember that books are in shadow, so that what waits there is not sent one day by surprise."""
    noted = known(job.store, sink.name)
    if not noted.get("open"):
        job.store.set_fact(name_of(sink.name), {**noted, "open": True, "since": iso(job.now())})


def refuse_unended(job: Job) -> None:
    """Nobody may send by accident what people have booked meanwhile. Raises Misconfigured before any request."""
    for sink in job.sinks:
        noted = known(job.store, sink.name)
        if noted.get("open") and not sink.ledger.booking.shadow:
            number = sum(1 for _ in waiting(job, sink.name))
            raise Misconfigured(
                f"{sink.name} was in shadow since {noted['since']}, and {number} documents were derived, not sent; say which "
                f"of them people have booked: syncjob shadow end --target {sink.name} --before DAY"
            )


def end(job: Job, sink: Sink, before: date, who: str) -> tuple[int, int]:
    """Give up what is dated before a day, since people have booked it, and let the rest be sent; gives how many of each."""
    now: datetime = job.now()
    noted = known(job.store, sink.name)
    if not noted.get("open"):
        raise Misconfigured(f"{sink.name} is not in shadow")
    with job.store.together():
        every = list(waiting(job, sink.name))
        gone = [given_up(one, now) for one in every if one.date is not None and one.date < before]
        job.store.undoing.keep(sink.name, gone, ())
        job.store.set_fact(name_of(sink.name), {"open": False, "since": noted["since"], "before": before.isoformat()})
        detail: dict[str, Json] = {"target": sink.name, "before": before.isoformat(), "given up": len(gone)}
        job.store.audit(now, who, "shadow end", detail)
    return len(gone), len(every) - len(gone)


def waiting(job: Job, target: str) -> Iterator[Delivery]:
    """Every document of a target that has never been sent."""
    place: tuple[int, str] | None = None
    seen: set[str] = set()
    while True:
        batch, place = job.store.due(target, job.now() + _FAR, _AT_ONCE, place)
        if not batch:
            break
        for one in batch:
            seen.add(one.key)
            if not one.delivered_revision:
                yield one
    yield from (one for one in job.store.held(target) if one.key not in seen and not one.delivered_revision)


def _first(job: Job) -> date:
    return business_date(min((job.rules.since(one.name) for one in job.sources), default=job.rules.start), job.rules.zone)


def _derived(one: Delivery) -> Derived | None:
    postings: Any = one.body.get("postings") or ()
    told = tuple((row["account"], Money.of(row["amount"], row["currency"])) for row in postings)
    return Derived(one.key, one.date, told) if told and one.date is not None else None
