"""What a person decides about something that stands in the books otherwise than we left it: adopt, restore, ignore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from syncjob.deliver import again, put
from syncjob.errors import Misconfigured
from syncjob.jobs.job import Job, Sink
from syncjob.model import UNDOING, Action, Delivery, Json, Remote, Status
from syncjob.moment import iso
from syncjob.ports import Absent, Present
from syncjob.reconcile import Edit
from syncjob.store import Store

ADOPT, RESTORE, IGNORE = "adopt", "restore", "ignore"
_ADOPTED = "adopted by"
_UNDER_WAY = (Status.SENDING, Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said about one object of the books, by whom and when; it counts while `stands` is what stands there."""

    verdict: str
    stands: str
    who: str
    at: str

    @property
    def words(self) -> str:
        """For the report: who takes it as it is."""
        return f"{_ADOPTED if self.verdict == ADOPT else 'known to'} {self.who}"


def is_listed(edit: Edit) -> bool:
    """Whether a person wants to go on seeing it; what was adopted is an item of the proof and nothing else."""
    return edit.decided != "" and not edit.decided.startswith(_ADOPTED)


def decisions(store: Store, target: str) -> dict[str, Decision]:
    """What was decided about objects of one target, by document key."""
    fact = store.get_fact(_name(target))
    rows = cast("Mapping[str, Mapping[str, str]]", fact) if isinstance(fact, Mapping) else {}
    return {key: Decision(**row) for key, row in rows.items()}


def decide(job: Job, sink: Sink, edit: Edit, verdict: str, who: str, now: datetime) -> str:
    """Do what a person decided about an object, with an audit line, and say it in a sentence.

    adopt: the books are right; their difference stays a named item of the proof, and what waited to be written over it counts
    as delivered. restore: the next run writes ours again. ignore: it goes on being listed, as known. Raises Misconfigured where
    that cannot be done.
    """
    if verdict == RESTORE and edit.stranger:
        raise Misconfigured(f"{edit.key} is none of our documents ({edit.stranger}): take it out of {sink.name} there")
    stands = _as_it_stands(job, sink, edit) if verdict == RESTORE else None
    detail: dict[str, Json] = {"target": sink.name, "document": edit.key, "reason": edit.reason.value, "why": edit.why}
    with job.store.together():
        delivery = job.store.lookup(sink.name, [edit.key]).get(edit.key)
        if delivery is not None and delivery.status in _UNDER_WAY:
            raise Misconfigured(f"{edit.key} is under way to {sink.name}; run syncjob run, then decide")
        known = decisions(job.store, sink.name)
        known.pop(edit.key, None)
        if verdict != RESTORE:
            known[edit.key] = Decision(verdict, edit.version, who, iso(now))
        changed = _changed(delivery, verdict, stands, who, now) if delivery is not None else None
        if changed is not None:
            job.store.settle(sink.name, [], [changed], now)
        job.store.set_fact(_name(sink.name), {key: _row(one) for key, one in known.items()} or None)
        job.store.audit(now, who, f"reconcile {verdict}", detail)
    return {
        ADOPT: f"{edit.key} counts as it stands in {sink.name}; its difference stays a named item of the proof.",
        RESTORE: f"{edit.key} will be written to {sink.name} again by the next run.",
        IGNORE: f"{edit.key} goes on being listed, as known to {who}.",
    }[verdict]


def _name(target: str) -> str:
    return f"decided:{target}"


def _row(one: Decision) -> Mapping[str, Json]:
    return {"verdict": one.verdict, "stands": one.stands, "who": one.who, "at": one.at}


def _changed(
    delivery: Delivery, verdict: str, stands: tuple[Remote, Action] | None, who: str, now: datetime
) -> Delivery | None:
    if stands is not None:
        waits = delivery.status is Status.PLANNED
        fresh = delivery if waits else again(delivery, now, f"{who} lets it be written over what stands there")
        undoes = delivery.action in UNDOING  # what waits to be undone is not written again
        return fresh._replace(remote=stands[0], action=delivery.action if undoes else stands[1], due=None)
    if verdict == ADOPT and delivery.status is Status.HELD and delivery.delivered_revision:
        # The version that we know stays the one that we wrote: a later change of this document is held again.
        told = f"{iso(now)} {who} takes what stands there for it"
        return delivery._replace(
            action=Action.UPDATE if delivery.action in UNDOING else delivery.action,  # an undo is given up with it
            status=Status.DELIVERED,
            problem=None,
            delivered_revision=delivery.revision,
            delivered_digest=delivery.digest,
            delivered_as_of=delivery.as_of,
            attempts=0,
            history=(*delivery.history, told),
        )
    return None


def _as_it_stands(job: Job, sink: Sink, edit: Edit) -> tuple[Remote, Action]:
    """What the target holds of the document now, and how ours is written there.

    An edit after this moment is not overwritten either.
    """
    delivery = job.store.lookup(sink.name, [edit.key])[edit.key]
    if delivery.remote is None:
        raise Misconfigured(f"{edit.key} was never delivered to {sink.name}")
    (found,) = sink.target.find([put(delivery, {})])
    match found:
        case Present(remotes=remotes) if len({remote.id for remote in remotes}) == 1:
            return remotes[0], Action.UPDATE
        case Present(remotes=remotes):
            raise Misconfigured(f"{edit.key} stands in {len(remotes)} places of {sink.name}: remove all but one there")
        case Absent():
            return Remote(delivery.remote.id), Action.CREATE
    raise Misconfigured(f"{sink.name} cannot tell how {edit.key} stands: {found.reason}")
