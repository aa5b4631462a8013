"""How a delivery goes on: pure steps from what a target answered, or did not answer, to what happens next.

An outcome that is not known is never repeated blindly: what may be done about it depends on what the target promises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from syncjob.errors import Problem
from syncjob.model import UNDOING, Action, Delivery, Json, Remote, Status, digest, idempotency_key
from syncjob.moment import iso
from syncjob.ports import (
    Absent,
    Call,
    CannotTell,
    Delivered,
    Found,
    Outcome,
    Present,
    Promises,
    Put,
    Refused,
    TargetClass,
    Unknown,
    Unsent,
)

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)


class Step(StrEnum):
    """What to do about a Call whose outcome is not known."""

    REPLAY = "replay"  # the same bytes again: the target absorbs them
    FIND = "find"  # ask what it holds
    WAIT = "wait"  # its search is not complete yet
    HOLD = "hold"  # it offers neither: a person decides


def step(promises: Promises, committed_at: datetime, now: datetime) -> Step:
    """What may be done now about a Call that was committed at an instant and never answered."""
    if promises.grade is TargetClass.A:
        return Step.REPLAY
    if promises.grade is TargetClass.D:
        return Step.HOLD
    # Half the lifetime: the vendor's clock started somewhere between our commit and its own receipt. A clock that was set
    # back does not tell how old the key is.
    if promises.grade is TargetClass.B and timedelta(0) <= now - committed_at <= promises.key_lifetime / 2:
        return Step.REPLAY
    return Step.FIND if now >= searchable(promises, committed_at) else Step.WAIT


def searchable(promises: Promises, committed_at: datetime) -> datetime:
    """From when on a search tells whether a Call arrived: a lag after the last instant at which it may have been replayed."""
    replayed = promises.key_lifetime / 2 if promises.grade is TargetClass.B else timedelta(0)
    return committed_at + replayed + promises.lag


def wait(attempts: int) -> timedelta:
    """How long to leave a delivery alone after this many attempts: a minute, doubled each time, at most six hours."""
    doublings = min(max(attempts - 1, 0), 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def put(delivery: Delivery, linked: Mapping[str, Remote]) -> Put:
    """The action that brings a delivery to its target; `linked` is what that calls the documents it needs, by document key."""
    return Put(
        key=delivery.key,
        kind=delivery.kind,
        action=delivery.action,
        revision=delivery.revision,
        generation=delivery.generation,
        reference=reference(delivery.key, delivery.undone),
        body=delivery.body,
        links={role: linked[key] for role, key in delivery.needs.items() if key in linked},
        expected=delivery.remote,
        date=delivery.date,
    )


def reference(key: str, undone: int = 0) -> str:
    """The 26 characters that stand for a document key in a target's searchable field; others once it was undone."""
    return digest(key, str(undone)) if undone else digest(key)


def ready(delivery: Delivery, linked: Mapping[str, Remote]) -> bool:
    """Whether every document that a delivery needs has been delivered; what is undone needs none."""
    return delivery.action in UNDOING or not delivery.needs or all(key in linked for key in delivery.needs.values())


def checked(calls: Sequence[Call], puts: Sequence[Put]) -> None:
    """A connector's Calls hold each Put exactly once under the key of their members, or the program is wrong and stops."""
    members = [member for call in calls for member in call.members]
    if sorted((m.key, m.revision, m.generation) for m in members) != sorted((p.key, p.revision, p.generation) for p in puts):
        raise AssertionError("a connector's prepare lost, doubled or invented a document")
    for call in calls:
        if call.key != idempotency_key([(m.key, m.revision, m.generation) for m in call.members]):
            raise AssertionError(f"a connector's prepare made a Call key of its own: {call.key}")


def sending(delivery: Delivery, call: Call) -> Delivery:
    """The delivery as it is committed with its Call, before the first byte leaves."""
    return delivery._replace(status=Status.SENDING, call=call.key, attempts=delivery.attempts + 1, due=None)


def after(delivery: Delivery, outcome: Outcome, now: datetime) -> Delivery:
    """The delivery after one answer (or silence) of its target."""
    match outcome:
        case Delivered(remote=remote) if delivery.action in UNDOING:
            gone = delivery._replace(
                status=Status.DELIVERED,
                problem=None,
                remote=remote,
                delivered_revision=0,
                delivered_digest="",
                delivered_as_of=None,
                attempts=0,
                due=None,
                call="",
                undone=delivery.undone + 1,
            )
            return _noted(gone, now, "undone")
        case Delivered(remote=remote, echo=echo):
            wrong = confirm(delivery, echo) if echo is not None else None
            done = delivery._replace(
                status=Status.HELD if wrong else Status.DELIVERED,
                problem=wrong,
                remote=remote,
                delivered_revision=delivery.revision,
                delivered_digest=delivery.digest,
                delivered_as_of=delivery.as_of,
                attempts=0,
                due=None,
                call="",
            )
            return _noted(done, now, wrong.why) if wrong else done
        case Refused(problem=problem):
            held = delivery._replace(status=Status.HELD, problem=problem, call="", due=None)
            return _noted(held, now, f"refused: {problem.why}")
        case Unknown(reason=reason):
            later = now + wait(delivery.attempts)
            return _noted(delivery._replace(status=Status.UNKNOWN, due=later), now, f"outcome unknown: {reason}")
        case Unsent(reason=reason, not_before=not_before):
            return _unsent(delivery, reason, not_before, now)
    raise AssertionError(f"{outcome!r} is no outcome")


def _unsent(delivery: Delivery, reason: str, not_before: datetime | None, now: datetime) -> Delivery:
    # What certainly never arrived waits as long as its target is away: that is no fault of the document's, so nobody holds it.
    due = not_before or now + wait(delivery.attempts)
    return _noted(delivery._replace(status=Status.PLANNED, call="", due=due), now, f"not sent: {reason}")


def settle_found(delivery: Delivery, found: Found, committed_at: datetime, promises: Promises, now: datetime) -> Delivery:
    """The delivery after its target was asked what it holds under our reference."""
    match found:
        case Present(remotes=remotes) if len(remotes) > 1:
            ids = ", ".join(remote.id for remote in remotes)
            # A held create is sent anew, so none may be left; a held update needs the object that it updates.
            spare = f"all but {delivery.remote.id}" if delivery.remote else "every one of them"
            problem = Problem(
                delivery.key,
                delivery.target,
                f"the target holds {len(remotes)} objects with our reference ({ids})",
                f"void {spare} there, then run: syncjob held retry",
            )
            return _noted(delivery._replace(status=Status.HELD, problem=problem), now, problem.why)
        case Present(remotes=remotes) if delivery.action in UNDOING:
            return again(delivery._replace(remote=remotes[0]), now, "it still stands there")
        case Present(remotes=remotes, echo=echo):
            if delivery.action is Action.UPDATE and not _holds(delivery, echo):
                # Doing an update twice does no harm; taking the old text for the new one would lose it.
                return again(delivery._replace(remote=remotes[0]), now, "the update did not arrive, or cannot be seen")
            return after(delivery, Delivered(delivery.key, remotes[0], echo), now)
        case Absent(complete_as_of=complete) if complete >= searchable(promises, committed_at):
            if delivery.action in UNDOING:
                return after(delivery, Delivered(delivery.key, delivery.remote or Remote("")), now)
            return again(delivery, now, f"certainly absent as of {iso(complete)}")
        case Absent():
            due = searchable(promises, committed_at)
            return _noted(delivery._replace(status=Status.UNKNOWN, due=due), now, "not found yet")
        case CannotTell(reason=reason):
            return after(delivery, Unknown(delivery.key, f"the search could not tell: {reason}"), now)
    raise AssertionError(f"{found!r} is no answer of find")


def _holds(delivery: Delivery, echo: Mapping[str, Json] | None) -> bool:
    return echo is not None and all(name in echo and echo[name] == value for name, value in delivery.body.items())


def again(delivery: Delivery, now: datetime, why: str) -> Delivery:
    """Plan the same action anew under the next generation: only after a definite refusal, a certain absence or an undo.

    What did arrive, but not as it was sent, is corrected by an update: a second create would make a second object.
    """
    if delivery.remote is not None and delivery.delivered_revision == delivery.revision:
        delivery = delivery._replace(action=Action.UPDATE, revision=delivery.revision + 1, generation=delivery.generation - 1)
    fresh = delivery._replace(
        generation=delivery.generation + 1, status=Status.PLANNED, call="", due=None, problem=None, attempts=0
    )
    return _noted(fresh, now, f"sent anew as generation {fresh.generation}: {why}")


def shut_out(delivery: Delivery, problem: Problem, now: datetime) -> Delivery:
    """A delivery that waits for its period: nothing of it was sent, so it keeps its generation."""
    return _noted(delivery._replace(status=Status.HELD, problem=problem), now, problem.why)


def reopened(delivery: Delivery, now: datetime) -> Delivery:
    """The same once its period is open again."""
    return _noted(delivery._replace(status=Status.PLANNED, problem=None, due=None), now, "its period is open again")


def hold_unknown(delivery: Delivery, now: datetime) -> Delivery:
    """Give a doubtful delivery to a person: its target has neither an idempotency key nor a search.

    It keeps its Call's key, which marks the doubt: planning leaves it alone until the person has decided.
    """
    problem = Problem(
        delivery.key,
        delivery.target,
        "it may or may not have arrived, and this target cannot be asked",
        "look there; then run: syncjob held retry (send again) after making sure that it is absent",
    )
    return _noted(delivery._replace(status=Status.HELD, problem=problem), now, problem.why)


_COMPARED = ("amount", "currency", "fee", "net", "tax", "total", "date", "account", "customer", "postings")


def confirm(delivery: Delivery, echo: Mapping[str, Json]) -> Problem | None:
    """Whether what the target says it holds is what was sent, in amount, tax, currency, date, account and customer."""
    for name in _COMPARED:
        if name in echo and name in delivery.body and echo[name] != delivery.body[name]:
            return Problem(
                delivery.key,
                delivery.target,
                f"{name} was sent as {delivery.body[name]!r}, but the target holds {echo[name]!r}",
                "correct it there, or tell the target's vendor",
            )
    return None


def _noted(delivery: Delivery, now: datetime, what: str) -> Delivery:
    return delivery._replace(history=(*delivery.history, f"{iso(now)} {what}")[-20:])
