"""Undoing what a run, or somebody's document, brought to a target: planned first, then carried out, then proven."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from syncjob.deliver import again
from syncjob.errors import (
    EXIT_CONFIGURATION,
    EXIT_HELD,
    EXIT_OK,
    EXIT_TRANSIENT,
    Misconfigured,
    Problem,
    RecordRefused,
    SyncjobError,
    exit_code,
)
from syncjob.jobs import reconciling
from syncjob.jobs.delivery import deliver, locks_of, recover
from syncjob.jobs.job import Deadline, Job, Sink, Tally, guarded
from syncjob.jobs.nightly import today
from syncjob.model import UNDOING, Delivery, DocumentKind, Json, Status
from syncjob.plan.proceed import under_way
from syncjob.plan.undoing import Ground, Maker, Step, Way, given_up, resent, reversal, steps, voided
from syncjob.ports import Finality
from syncjob.reconcile import Leg
from syncjob.store import Subject

_AT_ONCE = 500
_NAMED_MAX = 100  # keys in a line of the audit log


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be undone: all that a run brought, or documents by key."""

    run: int | None = None
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For the audit log and messages."""
        return f"run {self.run}" if self.run is not None else ", ".join(self.keys)


@dataclass(frozen=True, slots=True)
class Undo:
    """What becomes of each document, by target, what stands on another before the other."""

    steps: Mapping[str, tuple[Step, ...]]

    def of(self, *ways: Way) -> list[tuple[str, Step]]:
        """The steps of these ways, each with its target."""
        return [(target, one) for target, steps in self.steps.items() for one in steps if one.way in ways]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.of(Way.VOID, Way.REVERSE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an undo came to: what is done, what waits, and the legs of the reconciliation after it."""

    exit: int = EXIT_OK
    done: int = 0
    left: tuple[tuple[str, Delivery], ...] = ()  # still on its way, or held
    problems: tuple[Problem, ...] = ()
    legs: tuple[Leg, ...] = field(default=())


def planned(job: Job, sinks: Sequence[Sink], wish: Wish) -> Undo:
    """What undoing this takes; nothing is written. Raises Misconfigured where a run or a document is not known."""
    chosen = _chosen(job, wish)
    found: dict[str, tuple[Step, ...]] = {}
    for sink in sinks:
        keys = chosen.get(sink.name, [])
        if keys:
            found[sink.name] = tuple(_of_target(job, sink, wish, keys))
    return Undo(found)


def _chosen(job: Job, wish: Wish) -> dict[str, list[str]]:
    if wish.run is not None:
        known = {one.id for one in job.store.runs(1)}
        if not known or not 1 <= wish.run <= max(known):
            last = max(known, default=0)
            raise Misconfigured(f"there was no run {wish.run}; the last one is {last}: syncjob undo lists them")
        return job.store.undoing.carried(wish.run)
    found: dict[str, list[str]] = {}
    for key in wish.keys:
        of = [sink.name for sink in job.sinks if job.store.lookup(sink.name, [key])]
        if not of:
            raise Misconfigured(f"no document is called {key!r}; syncjob show ID names the documents of a payment")
        for name in of:
            found.setdefault(name, []).append(key)
    return found


def _of_target(job: Job, sink: Sink, wish: Wish, keys: Sequence[str]) -> list[Step]:
    needing = job.store.undoing.needing(sink.name)
    every = _looked_up(job, sink, _with_dependants(keys, needing))
    books = sink.ledger.books
    back = job.store.undoing.reversals(sink.name) if books else {}
    reversals = _looked_up(job, sink, list(back.values()))
    final = sink.target.final(list(every)) if isinstance(sink.target, Finality) else {}
    ground = Ground(
        sink.name,
        locks_of(job, sink) if books else (),
        final,
        journals=books and DocumentKind.JOURNAL in sink.ledger.kinds,
        corrects=sink.target.promises.corrects_by == "update",
        reversals={one.reverses: one for one in reversals.values()},
    )
    return steps(list(every.values()), needing, _left(job, sink, wish, keys), ground)


def _with_dependants(keys: Sequence[str], needing: Mapping[str, tuple[str, ...]]) -> list[str]:
    on: dict[str, list[str]] = {}
    for key, needed in needing.items():
        for one in needed:
            on.setdefault(one, []).append(key)
    found: dict[str, None] = {}
    left = list(keys)
    while left:
        key = left.pop()
        if key not in found:
            found[key] = None
            left += on.get(key, ())
    return list(found)


def _looked_up(job: Job, sink: Sink, keys: Sequence[str]) -> dict[str, Delivery]:
    found: dict[str, Delivery] = {}
    for start in range(0, len(keys), _AT_ONCE):
        found |= job.store.lookup(sink.name, keys[start : start + _AT_ONCE])
    return found


def _left(job: Job, sink: Sink, wish: Wish, keys: Sequence[str]) -> dict[str, str]:
    """What another run brought: undoing this one does not undo what it only changed, or what was sent again since."""
    if wish.run is None:
        return {}
    brought = job.store.undoing.brought_by(sink.name, keys)
    return {
        key: f"run {runs[0]} brought it{'; this run only changed it' if wish.run in runs else ' anew'}"
        for key, runs in brought.items()
        if runs and runs[0] != wish.run
    }


# ---------------------------------------------------------------- carried out


def undo(job: Job, sinks: Sequence[Sink], wish: Wish, seen: Undo, who: str) -> Outcome:
    """Carry out the plan that a person has seen, and prove the balances after it.

    It is kept whole before anything is sent, so that the next run goes on where this one was interrupted. Raises Misconfigured
    where things stand otherwise than in the plan, or a target is not the company that it was; Busy.
    """
    tally = Tally()
    deadline = Deadline(job.monotonic)
    with job.store.run_lock():
        number = job.store.start_run("undo", job.now())
        try:
            wanted = [sink for sink in sinks if sink.name in seen.steps]
            ready = [sink for sink in wanted if guarded(sink.name, tally, partial(_recover, job, sink, tally))]
            now = planned(job, ready, wish)
            _refuse_another(seen, now)
        except SyncjobError as error:
            job.store.end_run(number, job.now(), EXIT_CONFIGURATION if isinstance(error, Misconfigured) else EXIT_TRANSIENT, {})
            raise
        own: dict[str, set[str]] = {}
        with job.store.together():
            for sink in ready:
                own[sink.name] = _kept(job, sink, now.steps.get(sink.name, ()), tally)
            told: list[Json] = [one.delivery.key for _, one in now.of(Way.VOID, Way.REVERSE)]
            detail: dict[str, Json] = {"what": str(wish), "documents": told[:_NAMED_MAX], "number": len(told)}
            job.store.audit(job.now(), who, "undo", detail)
        for sink in ready:
            guarded(sink.name, tally, partial(deliver, job, sink, deadline, tally, own[sink.name]))
        look = reconciling.Look((), deadline, closing=True)
        legs = reconciling.prove(job, job.sources, [one for one in ready if one.ledger.books], today(job), tally, look)
        left = [(sink.name, one) for sink in ready for one in _looked_up(job, sink, sorted(own[sink.name])).values()]
        left = [(name, one) for name, one in left if one.status is not Status.DELIVERED]
        if left or now.of(Way.REFUSED):
            tally.codes.add(EXIT_HELD)
        code = exit_code(tally.codes)
        job.store.end_run(number, job.now(), code, dict(tally.counts))
    done = sum(len(keys) for keys in own.values()) - len(left)
    return Outcome(code, done, tuple(left), tuple(tally.problems), tuple(legs))


def _recover(job: Job, sink: Sink, tally: Tally) -> None:
    job.store.bind(sink.name, sink.target.identity(), "", job.now())
    recover(job, sink, tally)


def _refuse_another(seen: Undo, now: Undo) -> None:
    """What a person agreed to is what is done: where things have changed meanwhile they look again."""
    for target, steps_now in now.steps.items():
        agreed = {one.delivery.key: (one.way, one.day) for one in seen.steps.get(target, ())}
        for one in steps_now:
            if one.way in (Way.VOID, Way.REVERSE) and agreed.get(one.delivery.key) != (one.way, one.day):
                raise Misconfigured(f"{one.delivery.key} stands otherwise than when the plan was shown; look at it again")


def _kept(job: Job, sink: Sink, todo: Iterable[Step], tally: Tally) -> set[str]:
    """Plan what is to be sent; gives the keys of it."""
    now = job.now()
    void: list[Delivery] = []
    back: list[Delivery] = []
    todo = list(todo)
    reversed_ = [one.delivery for one in todo if one.way is Way.REVERSE]
    scopes = job.store.undoing.scopes(sink.name, [one.key for one in reversed_])
    before = _looked_up(job, sink, [f"{one.key}:reversal" for one in reversed_])
    for one in todo:
        if one.way is Way.VOID:
            void.append(voided(one.delivery, now))
        elif one.way is Way.REVERSE:
            earlier = before.get(f"{one.delivery.key}:reversal")
            maker = Maker(sink.ledger.map, job.rules.chart, scopes[one.delivery.key])
            try:
                back.append(_taken_back(one, maker, earlier, now))
            except RecordRefused as refused:
                tally.held()
                tally.problems.append(Problem(one.delivery.key, sink.name, str(refused), refused.cure))
    job.store.undoing.keep(sink.name, void, back)
    return {one.key for one in (*void, *back)}


def _taken_back(step: Step, maker: Maker, earlier: Delivery | None, now: datetime) -> Delivery:
    """The document that takes another back; one on its way or in doubt goes on as it is, one that was refused is sent anew."""
    if earlier is None or earlier.is_undone:
        return reversal(step, maker, earlier, now)
    refused = earlier.status is Status.HELD and not under_way(earlier)
    return again(earlier, now, "the undo goes on") if refused else earlier


# ---------------------------------------------------------------- and sent again


def redo(job: Job, sinks: Sequence[Sink], wish: Wish, who: str) -> list[tuple[str, Delivery]]:
    """Let the next run send again what was undone, with all that it stands on; gives what that is, by target.

    A document that another took back stands again once that one is void. An undo that was not carried out yet is given up.
    """
    chosen = _chosen(job, wish)
    found: list[tuple[str, Delivery]] = []
    with job.store.together():
        for sink in sinks:
            fresh = _again(job, sink, chosen.get(sink.name, []))
            job.store.undoing.keep(sink.name, fresh, ())
            found += [(sink.name, one) for one in fresh]
            scopes = job.store.undoing.scopes(sink.name, [one.key for one in fresh])
            job.store.mark_dirty([Subject(scopes[one.key], one.subject, 0) for one in fresh if not one.reverses])
        told: list[Json] = [one.key for _, one in found]
        job.store.audit(job.now(), who, "redo", {"what": str(wish), "documents": told[:_NAMED_MAX], "number": len(told)})
    return found


def _again(job: Job, sink: Sink, keys: Sequence[str]) -> list[Delivery]:
    now = job.now()
    known = _looked_up(job, sink, _with_needed(job, sink, keys))
    back = job.store.undoing.reversals(sink.name)
    taking = _looked_up(job, sink, [back[key] for key in known if key in back])
    fresh = [resent(one, now) for one in known.values() if one.action in UNDOING]
    fresh += [voided(one, now) if one.delivered_revision else given_up(one, now) for one in taking.values()]
    doubtful = next((one for one in (*known.values(), *taking.values()) if under_way(one)), None)
    if doubtful is not None:
        raise Misconfigured(f"what became of the last request of {doubtful.key} is not known yet; run syncjob run first")
    return fresh


def _with_needed(job: Job, sink: Sink, keys: Sequence[str]) -> list[str]:
    """These documents and all that they stand on."""
    found: dict[str, None] = dict.fromkeys(keys)
    left: Collection[str] = keys
    while left:
        needed = [key for one in _looked_up(job, sink, list(left)).values() for key in one.needs.values()]
        left = [key for key in dict.fromkeys(needed) if key not in found]
        found |= dict.fromkeys(left)
    return list(found)
