"""Closed periods of the books: what falls into one waits, or goes to the first day after it, as syncjob.yaml says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum

from syncjob.errors import Problem, RecordRefused
from syncjob.model import Delivery, DocumentKind
from syncjob.ports import Lock

_CLOSED = "lies in a period that the books have closed"
_UNAPPROVED = "and nobody has approved that it goes to the first open day"


class Late(StrEnum):
    """What becomes of a movement whose day lies in a closed period."""

    HOLD = "hold"  # it is posted, and its document waits until the period is open again
    NEXT_OPEN_DAY = "next_open_day"  # it is posted on the first open day, with its true date beside it
    APPROVAL = "approval"  # the same once a person has approved it; until then it is held with its price


def lock_of(locks: Iterable[Lock], kind: DocumentKind | None, day: date | None) -> Lock | None:
    """The lock that closes a day for documents of this kind (None: of any), the one that reaches furthest; None: it is open."""
    if day is None:
        return None
    closing = [one for one in locks if day <= one.through and (kind is None or not one.kinds or kind in one.kinds)]
    return max(closing, key=lambda one: one.through, default=None)


def is_closed(locks: Iterable[Lock], kind: DocumentKind, day: date | None) -> bool:
    """Whether a day lies in a closed period for documents of this kind."""
    return lock_of(locks, kind, day) is not None


def first_open(locks: Iterable[Lock], day: date) -> date:
    """The day itself, or the first one after every period that closes it."""
    lock = lock_of(locks, None, day)
    return lock.through + timedelta(days=1) if lock is not None else day


def unapproved(id: str, target: str, day: date, lock: Lock) -> RecordRefused:
    """The refusal of a movement that waits for a person, since its day is closed."""
    why = f"{day} {_CLOSED} ({target}, through {lock.through}), {_UNAPPROVED}"
    return RecordRefused(why, id, f"syncjob held approve {id} posts it on {lock.through + timedelta(days=1)}")


def waits_for_approval(problem: Problem) -> bool:
    """Whether something is held for nothing but a person's approval of its day."""
    return problem.why.endswith(_UNAPPROVED)


def held(delivery: Delivery, lock: Lock) -> Problem:
    """Why a document waits for its period, and what a person can do."""
    why = f"{delivery.date} {_CLOSED}, through {lock.through}"
    cure = "open the period there, and the next run sends it by itself"
    return Problem(f"{delivery.kind.value} {delivery.key}", delivery.target, why, cure)


def waits_for_period(delivery: Delivery) -> bool:
    """Whether a held document waits for nothing but an open period: it was never sent."""
    return delivery.call == "" and delivery.problem is not None and _CLOSED in delivery.problem.why
