"""By night each payout is compared with what the gateway says it pays out, until it ties; what does not tie is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from syncjob.errors import EXIT_HELD, Problem, RecordRefused, TryLater
from syncjob.jobs.job import Deadline, Job, Source, Tally
from syncjob.jobs.nightly import clock
from syncjob.model import Json
from syncjob.money import Money
from syncjob.ports import Compositions
from syncjob.reconcile import Item, Part, Payout, Reason, Tie, Ties, tied
from syncjob.store import Store

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_BACK = timedelta(days=90)  # how far back payouts are looked at
_RECENT = timedelta(days=3)
_OLDER_MAX = 20  # of these each night


def tie_payouts(job: Job, source: Source, deadline: Deadline, tally: Tally, *, every: bool = False) -> None:
    """Ask for what each payout pays out that does not tie yet; one that the gateway has not itemised yet waits.

    In the first night nothing is asked: it would read the history twice. Then the payouts of the last days come, and some
    older ones each night, the newest first. `every`: books are kept by payout, so all are asked for at once.
    """
    if not isinstance(source.gateway, Compositions):
        return
    if not every and not any(run.ended for run in job.store.runs(2, "nightly")):
        return
    start, now = job.rules.since(source.name), clock(job)
    held = {one.id: one.problem.why for _, one in job.store.refusals(source.name)}
    open_ones = [
        payout
        for payout in job.store.payouts(source.name, start if every else max(start, now - _BACK))
        if _may_tie_now(job.store, payout, tie_of(job.store, payout))
    ]
    recent = [payout for payout in open_ones if payout.effective >= now - _RECENT]
    older = [payout for payout in reversed(open_ones) if payout not in recent]
    older = older if every else older[:_OLDER_MAX]
    for payout in (*recent, *older):
        try:
            composed = source.gateway.composition(payout.id)
        except TryLater:
            continue
        except RecordRefused as refused:
            tally.problems.append(Problem(f"payout {payout.id}", source.name, str(refused), refused.cure))
            tally.codes.add(EXIT_HELD)
            continue
        ids = [one.id for one in composed or ()]
        ours = job.store.posted_of(source.name, ids, payout.amount.currency)
        tie = tied(payout, composed, ours, start, held)
        job.store.note_paid_out(source.name, payout.id, ids)
        job.store.set_fact(_name(payout.source, payout.id, payout.amount.currency), _told(tie))
        tally.add(f"payouts: {tie.state.value}")
        deadline.check()
    if any(tie is not None and tie.state is Ties.DIFFERS for _, tie in ties(job.store, source.name, start)):
        tally.codes.add(EXIT_HELD)


def _may_tie_now(store: Store, payout: Payout, known: Tie | None) -> bool:
    """Whether it is worth asking: nobody has, or something that was missing has been posted, or the gateway's word was odd."""
    if known is None or known.state is not Ties.DIFFERS:
        return known is None
    lacking = [item.name for item in known.items if item.reason in (Reason.HELD, Reason.MISSING)]
    posted = store.posted_of(payout.source, lacking, payout.amount.currency)
    return bool(posted) or len(lacking) < len(known.items)


def ties(store: Store, source: str, since: datetime) -> Iterator[tuple[Payout, Tie | None]]:
    """Every payout from an instant on with what it came to; None: it was not looked at, or is not itemised yet."""
    for payout in store.payouts(source, since):
        yield payout, tie_of(store, payout)


def tie_of(store: Store, payout: Payout) -> Tie | None:
    """What a payout came to when it was last looked at."""
    told = _known(store, payout.source, payout.id, payout.amount.currency)
    if told is None:
        return None
    currency = payout.amount.currency
    parts = tuple(Part(kind, count, Money(minor, currency)) for kind, count, minor in told["parts"])
    items = [Item(it["name"], Money(it["minor"], currency), it["why"], it["reason"], it["cure"]) for it in told["items"]]
    return Tie(payout, Ties(told["state"]), parts, tuple(items))


def state_of(store: Store, source: str, id: str, currency: str) -> Ties | None:
    """How a payout stood when it was last looked at; None: it never was."""
    told = _known(store, source, id, currency)
    return Ties(told["state"]) if told is not None else None


def _known(store: Store, source: str, id: str, currency: str) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any] | None", store.get_fact(_name(source, id, currency)))


def _name(source: str, id: str, currency: str) -> str:
    return f"payout:{source}:{id}:{currency}"


def _told(tie: Tie) -> Json:
    parts: list[Json] = [[part.kind, part.count, part.amount.minor] for part in tie.parts]
    items: list[Json] = [
        {"name": one.name, "minor": one.amount.minor, "why": one.why, "reason": str(one.reason), "cure": one.cure}
        for one in tie.items
    ]
    return {"state": tie.state.value, "parts": parts, "items": items}
