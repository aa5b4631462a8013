"""Delivering: what is due, the Calls that carry it, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, func, literal_column, null, select, text, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from syncjob.errors import Problem
from syncjob.model import UNDOING, UNDONE, Delivery, Remote, Status
from syncjob.moment import from_micros, micros
from syncjob.ports import Call, Member
from syncjob.store import rows
from syncjob.store.database import Database, Values, among, one_of
from syncjob.store.tables import CALL, DELIVERY, DUE, HELD, MEMBER, OPEN, SUBJECT
from syncjob.store.values import OpenCall

_D, _C, _M, _S = DELIVERY.c, CALL.c, MEMBER.c, SUBJECT.c
_UNDOING = tuple(action.value for action in UNDOING)
_AT_REST = (Status.DELIVERED.value, Status.PLANNED.value, Status.HELD.value)
_ON_THE_WAY = (Status.SENDING.value, Status.UNKNOWN.value)


def _said(word: str) -> ColumnElement[str]:
    """A word of ours as a part of the statement: what is no parameter need not be bound for each row."""
    return literal_column(f"'{word}'")


_DELIVERIES = select(_S.name, *rows.DELIVERY_COLUMNS).select_from(DELIVERY.join(SUBJECT, _S.id == _D.subject))
_DUE = (
    _DELIVERIES.where(
        _D.target == bindparam("target"),
        text(DUE),
        (_D.due.is_(None)) | (_D.due <= bindparam("now")),
        tuple_(_D.rank, _D.key) > tuple_(bindparam("after_rank"), bindparam("after_key")),
    )
    .order_by(_D.rank, _D.key)
    .limit(bindparam("at_most"))
)
_BY_KEY = _DELIVERIES.where(among(_D.key, "keys"), _D.target == bindparam("target"))
_REMOTES = select(_D.key, _D.remote, _D.remote_version).where(
    among(_D.key, "keys"),
    *(_D.target == bindparam("target"), _D.remote.is_not(None), ~one_of(_D.action, _UNDOING)),
)
_STANDING = (
    select(_D.key, _D.remote_version)
    .where(_D.target == bindparam("target"), _D.delivered_revision > 0, _D.remote.is_not(None), _D.date.is_not(None))
    .where(one_of(_D.status, _AT_REST), _D.key > bindparam("after"))
    .order_by(_D.key)
    .limit(bindparam("at_most"))
)
_HELD = _DELIVERIES.where(text(HELD)).order_by(_D.target, _D.key)
_HELD_OF = _DELIVERIES.where(text(HELD), _D.target == bindparam("target")).order_by(_D.target, _D.key)
_CARRIED = (
    select(_M.call, _S.name, *rows.DELIVERY_COLUMNS)
    .select_from(MEMBER.join(DELIVERY, _D.key == _M.key).join(SUBJECT, _S.id == _D.subject).join(CALL, _C.id == _M.call))
    .where(_M.call == bindparam("number"), _D.target == _C.target, _D.call == _C.key, one_of(_D.status, _ON_THE_WAY))
    .order_by(_M.ordinal)
)
IS_UNDONE = and_(one_of(_D.action, _UNDOING), _D.status == Status.DELIVERED.value)
_WORD = case((IS_UNDONE, _said(UNDONE)), else_=_D.status).label("word")
_COUNTS = select(_D.target, _D.kind, _WORD, func.count()).group_by(_D.target, _D.kind, text("word"))

_WAITING = select(_D.status, func.count()).where(text(DUE)).group_by(_D.status)
_HELD_COUNT = select(func.count()).where(text(HELD), _D.status == Status.HELD.value)
_SENDING_COUNT = (
    select(func.count())
    .select_from(CALL.join(MEMBER, _M.call == _C.id).join(DELIVERY, and_(_D.key == _M.key, _D.target == _C.target)))
    .where(text(OPEN), _D.call == _C.key, _D.status == Status.SENDING.value)
)

_CHANGING = (*rows.STATE_NAMES, "undone")
_STATE = (
    update(DELIVERY)
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
    .where(
        _D.key == bindparam("key_"),
        _D.target == bindparam("target_"),
        _D.digest == bindparam("digest_"),
        _D.facts == bindparam("facts_"),
    )
)
_STATE_NAMES = (*(f"new_{name}" for name in _CHANGING), "key_", "target_", "digest_", "facts_")


# The two steps that nearly every delivery takes, by the few columns that they change; the guard says the rest is as stored.
_AS_STORED = (
    _D.key == bindparam("key_"),
    _D.target == bindparam("target_"),
    _D.digest == bindparam("digest_"),
    _D.facts == bindparam("facts_"),
    _D.action == bindparam("action_"),
    _D.revision == bindparam("revision_"),
    _D.generation == bindparam("generation_"),
    _D.as_of == bindparam("as_of_"),
)
_GUARD_NAMES = ("key_", "target_", "digest_", "facts_", "action_", "revision_", "generation_", "as_of_")
_SENT = (
    update(DELIVERY)
    .values(status=_said(Status.SENDING.value), due=null(), attempts=bindparam("new_attempts"), call=bindparam("new_call"))
    .where(*_AS_STORED, text("history = '' AND problem IS NULL AND delivered_revision = 0 AND remote IS NULL"))
)
_SENT_NAMES = ("new_attempts", "new_call", *_GUARD_NAMES)
_ARRIVED = (
    update(DELIVERY)
    .values(
        status=_said(Status.DELIVERED.value),
        due=null(),
        attempts=bindparam("new_attempts"),
        call=literal_column("''"),
        remote=bindparam("new_remote"),
        remote_version=bindparam("new_version"),
        delivered_revision=_D.revision,
        delivered_digest=_D.digest,
        delivered_as_of=_D.as_of,
    )
    .where(*_AS_STORED, text("history = '' AND problem IS NULL"))
)
_ARRIVED_NAMES = ("new_attempts", "new_remote", "new_version", *_GUARD_NAMES)

_OPEN = select(_C.id, _C.key, _C.committed, _C.request).where(_C.target == bindparam("target"), text(OPEN)).order_by(_C.id)
_OPEN_BY_KEY = select(_C.id, _C.key, _C.request).where(among(_C.key, "keys"), _C.target == bindparam("target"), text(OPEN))
_MEMBERS = (
    select(_M.call, _M.ordinal, _M.key, _M.revision, _M.generation).where(among(_M.call, "ids")).order_by(_M.call, _M.ordinal)
)
_CALLS_BEFORE = select(_D.call).where(among(_D.key, "keys"), _D.target == bindparam("target"), _D.call != "").distinct()
_STILL = (
    select(_C.id)
    .where(among(_C.id, "ids"))
    .where(
        select(_M.call)
        .select_from(MEMBER.join(DELIVERY, _D.key == _M.key))
        .where(_M.call == _C.id, _D.target == _C.target, _D.call == _C.key, one_of(_D.status, _ON_THE_WAY))
        .exists()
    )
)
_OUTCOME_ALL = update(MEMBER).values(outcome=bindparam("word")).where(_M.call == bindparam("number"))
_OUTCOME = (
    update(MEMBER).values(outcome=bindparam("word")).where(_M.call == bindparam("number"), _M.ordinal == bindparam("place"))
)
_SETTLE = update(CALL).values(settled=bindparam("at"), request=None).where(among(_C.id, "ids"))
_CALLS_OF = (
    select(_C.committed, _C.settled, _C.key, _M.outcome)
    .select_from(MEMBER.join(CALL, _C.id == _M.call))
    .where(_M.key == bindparam("key_"), _C.target == bindparam("target"))
    .order_by(_C.id)
)

# ---------------------------------------------------------------- reading


def _read(found: Iterable[Any]) -> list[Delivery]:
    return [rows.delivery_of(subject, row) for subject, *row in found]


def due(
    database: Database, target: str, now: datetime, limit: int, after: tuple[int, str] | None
) -> tuple[list[Delivery], tuple[int, str] | None]:
    """A page of what is due, and the place after which the next page begins."""
    rank, key = after or (-1, "")
    page = _read(database.rows(_DUE, target=target, now=micros(now), at_most=limit, after_rank=rank, after_key=key))
    return page, ((rows.rank(page[-1]), page[-1].key) if page else after)


def lookup(database: Database, target: str, keys: Sequence[str]) -> dict[str, Delivery]:
    """Deliveries by document key."""
    found = _read(database.rows(_BY_KEY, target=target, keys=list(keys))) if keys else []
    return {one.key: one for one in found}


def remotes(database: Database, target: str, keys: Sequence[str]) -> dict[str, Remote]:
    """What the target calls the documents of these keys that it holds."""
    found = database.rows(_REMOTES, target=target, keys=list(keys)) if keys else []
    return {key: Remote(id, version) for key, id, version in found}


def standing(database: Database, target: str, limit: int = 5_000) -> Iterator[tuple[str, str]]:
    """(key, version) of each dated document that stands in a target as it was last written; what is on its way is left out."""
    after = ""
    while page := database.rows(_STANDING, target=target, after=after, at_most=limit):
        yield from page
        after = page[-1][0]


def held(database: Database, target: str | None) -> list[Delivery]:
    """Deliveries that are held or unknown."""
    return _read(database.rows(_HELD) if target is None else database.rows(_HELD_OF, target=target))


def problems_of(database: Database, target: str) -> list[Problem]:
    """Why a target's held deliveries are held."""
    return [one.problem for one in held(database, target) if one.status is Status.HELD and one.problem is not None]


def counts(database: Database) -> dict[tuple[str, str, str], int]:
    """How many deliveries stand where."""
    return {(target, kind, status): int(number) for target, kind, status, number in database.rows(_COUNTS)}


def unfinished(database: Database) -> dict[str, int]:
    """How many deliveries are not delivered, by status; what is delivered is not looked at, so it costs what is left."""
    found = {status: int(number) for status, number in database.rows(_WAITING)}
    found[Status.HELD.value] = int(database.rows(_HELD_COUNT)[0][0])
    found[Status.SENDING.value] = int(database.rows(_SENDING_COUNT)[0][0])
    return {status: number for status, number in found.items() if number}


def open_calls(database: Database, target: str) -> list[OpenCall]:
    """Calls that were committed and not settled. A call carries those of its members that are still on their way in it."""
    with database.reading():
        found = database.rows(_OPEN, target=target)
        members = _members(database, [row[0] for row in found])
        opened = []
        for id, key, committed, request in found:
            carried = [rows.delivery_of(subject, row) for _, subject, *row in database.rows(_CARRIED, number=id)]
            if carried:
                call = Call(key, tuple(member for _, member in members[id]), bytes(request))
                opened.append(OpenCall(target, call, tuple(carried), from_micros(committed)))
        return opened


def _members(database: Database, ids: list[int]) -> dict[int, list[tuple[int, Member]]]:
    found: dict[int, list[tuple[int, Member]]] = {id: [] for id in ids}
    for id, ordinal, key, revision, generation in database.rows(_MEMBERS, ids=ids) if ids else ():
        found[id].append((ordinal, Member(key, revision, generation)))
    return found


def calls_of(database: Database, target: str, key: str) -> list[tuple[datetime, datetime | None, str, str]]:
    """The Calls that carried a document, oldest first; the outcome is the state in which it left its document."""
    return [
        (from_micros(committed), rows.instant_of(settled), call, outcome or Status.SENDING.value)
        for committed, settled, call, outcome in database.rows(_CALLS_OF, target=target, key_=key)
    ]


# ---------------------------------------------------------------- writing


def commit_calls(
    database: Database, target: str, calls: Sequence[Call], deliveries: Sequence[Delivery], now: datetime, run: int
) -> None:
    """Store Calls of a run with their bytes and members, and their deliveries as they are while under way."""
    with database.writing():
        standing = {key: bytes(request) for _, key, request in _open(database, target, [call.key for call in calls])}
        number = database.next_id(CALL)
        new: list[Values] = []
        members: list[Values] = []
        for call in calls:
            if call.key in standing:
                if standing[call.key] != call.request:
                    raise AssertionError(f"call {call.key} was committed with other bytes before and is not settled")
                continue
            standing[call.key] = call.request
            new.append((number, target, call.key, micros(now), None, call.request, run))
            members += [(number, place, m.key, m.revision, m.generation, None) for place, m in enumerate(call.members)]
            number += 1
        database.insert(CALL, new)
        database.insert(MEMBER, members)
        store(database, target, deliveries)


def settle(database: Database, target: str, call_keys: Sequence[str], deliveries: Sequence[Delivery], now: datetime) -> None:
    """Store how deliveries stand, and close each Call that none of its members is under way in any more."""
    with database.writing():
        keys = [one.key for one in deliveries]
        earlier = [row[0] for row in database.rows(_CALLS_BEFORE, target=target, keys=keys)] if keys else []
        store(database, target, deliveries)
        touched = [row[0] for row in _open(database, target, list(dict.fromkeys([*call_keys, *earlier])))]
        if touched:
            _note_outcomes(database, touched, {one.key: one.word for one in deliveries})
            still = {row[0] for row in database.rows(_STILL, ids=touched)}
            if closed := [id for id in touched if id not in still]:
                database.run(_SETTLE, ids=closed, at=micros(now))


def _open(database: Database, target: str, keys: list[str]) -> list[Any]:
    return database.rows(_OPEN_BY_KEY, target=target, keys=keys) if keys else []


def _note_outcomes(database: Database, ids: list[int], outcomes: dict[str, str]) -> None:
    single: list[Values] = []
    for id, members in _members(database, ids).items():
        words = {outcomes.get(member.key) for _, member in members}
        if len(words) == 1 and None not in words:
            database.run(_OUTCOME_ALL, word=words.pop(), number=id)
        else:
            single += [(outcomes[member.key], id, place) for place, member in members if member.key in outcomes]
    database.many(_OUTCOME, ("word", "number", "place"), single)


def store(database: Database, target: str, deliveries: Sequence[Delivery]) -> None:
    """Update deliveries that are there. Their bodies are written again only if one of them is another than before."""
    if any(one.target != target for one in deliveries):
        raise AssertionError(f"a delivery of another target was handed in with those of {target}")
    sent: list[Values] = []
    arrived: list[Values] = []
    other: list[Delivery] = []
    for one in deliveries:
        if _is_sent(one):
            sent.append((one.attempts, one.call, *_guard(one)))
        elif _has_arrived(one) and one.remote is not None:
            arrived.append((one.attempts, one.remote.id, one.remote.version, *_guard(one)))
        else:
            other.append(one)
    changed = database.many(_SENT, _SENT_NAMES, sent) + database.many(_ARRIVED, _ARRIVED_NAMES, arrived)
    if changed + database.many(_STATE, _STATE_NAMES, _states(other)) == len(deliveries):
        return
    standing = {one.key: one for one in lookup(database, target, [one.key for one in deliveries]).values()}
    for one in deliveries:
        if one.key not in standing:
            raise AssertionError(f"delivery {one.key} to {target} was never planned")
    database.many(_BODY, _BODY_NAMES, [_body(one) for one in deliveries])
    database.many(_STATE, _STATE_NAMES, _states(deliveries))


def _is_sent(one: Delivery) -> bool:
    """Whether it is as it was planned, only under way now."""
    plain = one.remote is None and not one.history and one.problem is None
    return one.status is Status.SENDING and one.due is None and plain and not one.delivered_revision


def _has_arrived(one: Delivery) -> bool:
    """Whether its target holds it as it was planned, and there is nothing more to tell."""
    if one.status is not Status.DELIVERED or one.history or one.problem is not None or one.call or one.due is not None:
        return False
    held = (one.delivered_revision, one.delivered_digest, one.delivered_as_of)
    return held == (one.revision, one.digest, one.as_of)


def _guard(one: Delivery) -> Values:
    return (
        one.key,
        one.target,
        one.digest,
        one.facts,
        one.action.value,
        one.revision,
        one.generation,
        micros(one.as_of),
    )


def _states(deliveries: Sequence[Delivery]) -> list[Values]:
    return [(*rows.state_values(one), one.undone, one.key, one.target, one.digest, one.facts) for one in deliveries]


_BODY = (
    update(DELIVERY)
    .values(digest=bindparam("digest_"), facts=bindparam("facts_"), needs=bindparam("needs_"), body=bindparam("body_"))
    .where(_D.key == bindparam("key_"), _D.target == bindparam("target_"))
)
_BODY_NAMES = ("digest_", "facts_", "needs_", "body_", "key_", "target_")


def _body(one: Delivery) -> Values:
    return one.digest, one.facts, rows.object_text(one.needs), rows.object_text(one.body), one.key, one.target
