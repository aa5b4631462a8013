"""Approvals: what falls into a closed period goes to the first open day once a person has said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from syncjob.model import Json, Refusal
from syncjob.moment import iso
from syncjob.plan.locking import waits_for_approval
from syncjob.store import Store, Subject

_FACT = "late approved"


def approved(store: Store) -> frozenset[str]:
    """The keys of the movements that may go to the first open day."""
    return frozenset(cast("Mapping[str, Json] | None", store.get_fact(_FACT)) or {})


def waiting(store: Store) -> list[tuple[Subject, Refusal]]:
    """The movements that wait for nothing but an approval, those approved already left out."""
    known = approved(store)
    return [
        (subject, one)
        for subject, one in store.refusals()
        if waits_for_approval(one.problem) and f"{subject.scope}:{one.id}" not in known
    ]


def approve(store: Store, chosen: Sequence[tuple[Subject, Refusal]], by: str, now: datetime) -> None:
    """Let these go to the first open day with the next run; an audit line each."""
    with store.together():
        known = dict(cast("Mapping[str, Json] | None", store.get_fact(_FACT)) or {})
        for subject, one in chosen:
            known[f"{subject.scope}:{one.id}"] = {"by": by, "at": iso(now)}
            store.audit(now, by, "held approve", {"id": one.id, "place": subject.scope, "why": one.problem.why})
        store.set_fact(_FACT, known)
        store.mark_dirty([subject for subject, _ in chosen])
