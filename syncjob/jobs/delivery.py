"""Delivering: waves of ready documents, each Call committed with its bytes before the first byte leaves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import cast

from syncjob.deliver import (
    Step,
    after,
    again,
    checked,
    hold_unknown,
    put,
    ready,
    reopened,
    sending,
    settle_found,
    shut_out,
    step,
)
from syncjob.errors import EXIT_TRANSIENT, ConnectorDown, NotSent, OutcomeUnknown, TryLater
from syncjob.jobs.job import Deadline, Job, Sink, Tally
from syncjob.model import UNDOING, Delivery, DocumentKind, Json, Remote, Status
from syncjob.moment import to_day
from syncjob.plan.locking import held, lock_of, waits_for_period
from syncjob.ports import AccountingTarget, Call, Delivered, Lock, Outcome, Refused, TargetClass, Unknown, Unsent
from syncjob.store import OpenCall

_KEYS_AT_ONCE = 800


def recover(job: Job, sink: Sink, tally: Tally) -> None:
    """Settle Calls that an earlier run committed and never saw answered, by what the target promises."""
    promises = sink.target.promises
    for open_call in job.store.open_calls(sink.name):
        now = job.now()
        match step(promises, open_call.committed_at, now):
            case Step.REPLAY:
                outcomes = _send(sink, open_call.call)
                _settle(job, sink, [(open_call.call, outcomes)], {d.key: d for d in open_call.deliveries}, tally)
            case Step.FIND:
                _find(job, sink, open_call, tally)
            case Step.WAIT:
                tally.add(f"{sink.name}: waiting")
            case Step.HOLD:
                held = [hold_unknown(delivery, now) for delivery in open_call.deliveries]
                job.store.settle(sink.name, [open_call.call.key], held, now)


def _find(job: Job, sink: Sink, open_call: OpenCall, tally: Tally) -> None:
    linked = _linked(job, sink, open_call.deliveries)
    puts = [put(delivery, linked) for delivery in open_call.deliveries]
    found = {one.key: one for one in sink.target.find(puts)}
    now = job.now()
    settled = [
        settle_found(delivery, found[delivery.key], open_call.committed_at, sink.target.promises, now)
        for delivery in open_call.deliveries
    ]
    still = [delivery for delivery in settled if delivery.status is Status.UNKNOWN]
    job.store.settle(sink.name, [] if still else [open_call.call.key], settled, now)
    tally.add(f"{sink.name}: found", len(settled) - len(still))


def deliver(
    job: Job, sink: Sink, deadline: Deadline, tally: Tally, only: Collection[str] | None = None
) -> None:
    """Send everything that is due, or `only` these documents, parents first; what is undone goes after all that stands on it.

    A connector that is down ends its part of the run, never the others'.

    Books are asked for their closed periods before each batch: nothing is sent into one, also where it was closed meanwhile.
    """
    if sink.ledger.books:
        _release(job, sink)
    moved = True
    while moved:
        moved = False
        place: tuple[int, str] | None = None
        skipped = False
        while True:
            batch, place = job.store.due(sink.name, job.now(), sink.target.promises.batch, place)
            if not batch:
                break
            linked = _linked(job, sink, batch)
            going = [one for one in batch if one.status is Status.PLANNED and ready(one, linked)]
            going = _unneeded(job, sink, [one for one in going if only is None or one.key in only])
            skipped = skipped or len(going) < len(batch)
            going = _outside_locks(job, sink, going, tally)
            if going:
                moved = _wave(job, sink, going, linked, tally) > 0 or moved
            deadline.check()
        if not skipped:
            return


def _unneeded(job: Job, sink: Sink, going: Sequence[Delivery]) -> list[Delivery]:
    """Without those to be undone on which another document still stands."""
    if not any(one.action in UNDOING for one in going):
        return list(going)
    needed = {key for keys in job.store.undoing.needing(sink.name).values() for key in keys}
    return [one for one in going if one.action not in UNDOING or one.key not in needed]


def _release(job: Job, sink: Sink) -> None:
    """What waited for nothing but its period goes on its way once that is open again."""
    locks = locks_of(job, sink)
    now = job.now()
    waiting = [one for one in job.store.held(sink.name) if waits_for_period(one)]
    free = [one for one in waiting if lock_of(locks, one.kind, one.date) is None]
    if free:
        job.store.settle(sink.name, [], [reopened(one, now) for one in free], now)


def _outside_locks(job: Job, sink: Sink, going: Sequence[Delivery], tally: Tally) -> list[Delivery]:
    """Those of a batch whose day is open; the others are held with the reason, and nothing of them was sent."""
    if not sink.ledger.books or not going:
        return list(going)
    locks = locks_of(job, sink)
    shut = {one.key: lock for one in going if (lock := lock_of(locks, one.kind, one.date)) is not None}
    if shut:
        now = job.now()
        waiting = [shut_out(one, held(one, shut[one.key]), now) for one in going if one.key in shut]
        job.store.settle(sink.name, [], waiting, now)
        tally.add(f"{sink.name}: in a closed period", len(waiting))
    return [one for one in going if one.key not in shut]


def locks_of(job: Job, sink: Sink) -> tuple[Lock, ...]:
    """The closed periods of a target's books as they are now; they are remembered for a run that cannot ask."""
    locks = tuple(cast(AccountingTarget, sink.target).locks())
    told: list[Json] = [[one.through.isoformat(), one.hard, [kind.value for kind in one.kinds]] for one in locks]
    if job.store.get_fact(f"locks:{sink.name}") != told:
        job.store.set_fact(f"locks:{sink.name}", told)
    return locks


def remembered_locks(job: Job, sink: Sink) -> tuple[Lock, ...]:
    """The closed periods of a target's books as they were last seen."""
    told = cast("Sequence[tuple[str, bool, Sequence[str]]]", job.store.get_fact(f"locks:{sink.name}") or [])
    return tuple(Lock(to_day(day), hard, tuple(DocumentKind(kind) for kind in kinds)) for day, hard, kinds in told)


def _linked(job: Job, sink: Sink, batch: Sequence[Delivery]) -> dict[str, Remote]:
    keys = list(dict.fromkeys(key for one in batch for key in one.needs.values()))
    linked: dict[str, Remote] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        linked |= job.store.remotes(sink.name, keys[start : start + _KEYS_AT_ONCE])
    return linked


def _wave(job: Job, sink: Sink, going: Sequence[Delivery], linked: dict[str, Remote], tally: Tally) -> int:
    puts = [put(one, linked) for one in going]
    calls = list(sink.target.prepare(puts))
    checked(calls, puts)
    by_key = {one.key: one for one in going}
    on_the_way: dict[str, Delivery] = {}
    for call in calls:
        for member in call.members:
            on_the_way[member.key] = sending(by_key[member.key], call)
    # Only what is harmless to send again may wait long between its commit and its first byte: the search of the other
    # classes counts its lag from the commit.
    replayable = sink.target.promises.grade is TargetClass.A
    at_once = len(calls) if replayable else max(sink.target.promises.parallel, 1)
    delivered = 0
    for start in range(0, len(calls), at_once):
        part = calls[start : start + at_once]
        going_now = {member.key: on_the_way[member.key] for call in part for member in call.members}
        job.store.commit_calls(sink.name, part, list(going_now.values()), job.now())
        delivered += _settle(job, sink, _answers(sink, part), going_now, tally)
    return delivered


def _answers(sink: Sink, calls: Sequence[Call]) -> list[tuple[Call, list[Outcome]]]:
    if sink.target.promises.parallel > 1 and len(calls) > 1:
        with ThreadPoolExecutor(sink.target.promises.parallel, thread_name_prefix=f"send-{sink.name}") as pool:
            return list(zip(calls, pool.map(lambda call: _send(sink, call), calls), strict=True))
    return [(call, _send(sink, call)) for call in calls]


def _send(sink: Sink, call: Call) -> list[Outcome]:
    """One outcome per member, whatever happens: silence about one of them is an unknown outcome, never success."""
    try:
        outcomes = {one.key: one for one in sink.target.send(call)}
    except NotSent as error:
        return [Unsent(member.key, str(error)) for member in call.members]
    except TryLater as error:
        return [Unsent(member.key, str(error), error.not_before) for member in call.members]
    except ConnectorDown as error:
        return [Unsent(member.key, str(error)) for member in call.members]
    except OutcomeUnknown as error:
        return [Unknown(member.key, str(error)) for member in call.members]
    return [outcomes.get(member.key) or Unknown(member.key, "the answer does not mention it") for member in call.members]


def _settle(
    job: Job,
    sink: Sink,
    answered: Sequence[tuple[Call, Sequence[Outcome]]],
    on_the_way: dict[str, Delivery],
    tally: Tally,
) -> int:
    now = job.now()
    settled: list[Delivery] = []
    closed: list[str] = []
    delivered = 0
    for call, outcomes in answered:
        # After half an answer only the members still on their way are settled by the replay.
        settled += [after(on_the_way[outcome.key], outcome, now) for outcome in outcomes if outcome.key in on_the_way]
        if not any(isinstance(outcome, Unknown) for outcome in outcomes):
            closed.append(call.key)
        delivered += sum(isinstance(outcome, Delivered) for outcome in outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Unsent):
                tally.codes.add(EXIT_TRANSIENT)
                tally.add(f"{sink.name}: not sent")
        tally.add(f"{sink.name}: refused", sum(isinstance(outcome, Refused) for outcome in outcomes))
    job.store.settle(sink.name, closed, settled, now)
    tally.add(f"{sink.name}: delivered", delivered)
    job.say(f"{sink.name}: {tally.counts.get(f'{sink.name}: delivered', 0)} delivered")
    return delivered


def retry(delivery: Delivery, now: datetime) -> Delivery:
    """A held delivery as a person sends it on its way again: the next generation, so that it is a new request."""
    return again(delivery, now, "retried by a person")
