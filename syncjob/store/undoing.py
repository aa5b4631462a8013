"""What a run brought, what stands on it, and what was undone: taken out of its target, or taken back by another document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, select, text

from syncjob.model import UNDONE, Delivery, Role, Status
from syncjob.moment import from_micros
from syncjob.store import delivering, rows
from syncjob.store.database import Database, among, one_of
from syncjob.store.ledger import Sums
from syncjob.store.tables import CALL, DELIVERY, DUE, ENTRY, EVER_UNDONE, LINE, MEMBER, POSTED, REVERSES, RUN, SUBJECT

_D, _C, _M, _E, _L, _P, _S = DELIVERY.c, CALL.c, MEMBER.c, ENTRY.c, LINE.c, POSTED.c, SUBJECT.c
_R = DELIVERY.alias("reversing")
_AT_ONCE = 500
_ARRIVED = (Status.DELIVERED.value, UNDONE)

_CARRIED = select(_C.target, _M.key).select_from(CALL.join(MEMBER, _M.call == _C.id)).where(_C.run == bindparam("run"))
_BROUGHT = (
    select(_C.run, RUN.c.kind, RUN.c.started, _C.target, func.count(_M.key.distinct()))
    .select_from(CALL.join(MEMBER, _M.call == _C.id).join(RUN, RUN.c.id == _C.run))
    .where(one_of(_M.outcome, _ARRIVED))
    .group_by(_C.run, RUN.c.kind, RUN.c.started, _C.target)
    .order_by(_C.run.desc(), _C.target)
)
_HISTORY = (
    select(_M.key, _C.run, _M.outcome)
    .select_from(CALL.join(MEMBER, _M.call == _C.id))
    .where(among(_M.key, "keys"), _C.target == bindparam("target"), one_of(_M.outcome, _ARRIVED))
    .order_by(_C.id)
)
_NEEDING = select(_D.key, _D.needs).where(
    *(_D.target == bindparam("target"), _D.needs != "", ~delivering.IS_UNDONE),
    (_D.delivered_revision > 0) | one_of(_D.status, (Status.SENDING.value, Status.UNKNOWN.value)),
)
_WAITING = select(_D.target, _D.needs).where(text(DUE), _D.status == Status.PLANNED.value, _D.needs != "")
_REVERSED = select(_D.key, _D.reverses).where(
    text(REVERSES), _D.target == bindparam("target"), ~delivering.IS_UNDONE
)
_SCOPES = select(_D.key, _S.scope, _D.subject).select_from(DELIVERY.join(SUBJECT, _S.id == _D.subject))
_SCOPES = _SCOPES.where(among(_D.key, "keys"), _D.target == bindparam("target"))
_AMOUNT = (_L.role, _E.source, _L.currency)
_VOID = (
    select(_D.key, _D.key, _E.date, *_AMOUNT, func.sum(_L.minor))
    .select_from(
        DELIVERY.join(POSTED, and_(_P.document == _D.key, _P.target == _D.target))
        .join(ENTRY, _E.id == _P.entry)
        .join(LINE, _L.entry == _E.id)
    )
    .where(_D.target == bindparam("target"), text(EVER_UNDONE), delivering.IS_UNDONE)
    .group_by(_D.key, _E.date, *_AMOUNT)
)
_TAKEN_BACK = (
    select(_R.c.reverses, _R.c.key, _R.c.date, *_AMOUNT, func.sum(_L.minor))
    .select_from(
        _R.join(POSTED, and_(_P.document == _R.c.reverses, _P.target == _R.c.target))
        .join(ENTRY, _E.id == _P.entry)
        .join(LINE, _L.entry == _E.id)
    )
    .where(_R.c.target == bindparam("target"), text(f"reversing.{REVERSES}"), _R.c.delivered_revision > 0)
    .group_by(_R.c.reverses, _R.c.key, _R.c.date, *_AMOUNT)
)
_ANY = select(_D.key).where(text(EVER_UNDONE), delivering.IS_UNDONE).limit(1)
_ANY_BACK = select(_D.key).where(text(REVERSES)).limit(1)


class Undone(NamedTuple):
    """What the books lack of one role, since a document was undone on purpose; from `day` on, where another takes it back."""

    document: str
    by: str  # the document that takes it back; the document itself where it is void
    day: date
    role: Role
    source: str
    currency: str
    minor: int


class Brought(NamedTuple):
    """How many documents a run was about in one target."""

    run: int
    kind: str
    started: datetime
    target: str
    number: int


class Undoing:
    """The questions and the one step of an undo; each is one transaction."""

    def __init__(self, database: Database, sums: Sums) -> None:
        self._database = database
        self._sums = sums

    def carried(self, run: int) -> dict[str, list[str]]:
        """By target, the keys of the documents that a run's requests were about."""
        found: dict[str, dict[str, None]] = {}
        for target, key in self._database.rows(_CARRIED, run=run):
            found.setdefault(target, {})[key] = None
        return {target: list(keys) for target, keys in sorted(found.items())}

    def runs(self) -> list[Brought]:
        """The runs that brought documents to a target, changed some there or undid some, newest first."""
        return [
            Brought(run, kind, from_micros(started), target, int(number))
            for run, kind, started, target, number in self._database.rows(_BROUGHT)
        ]

    def brought_by(self, target: str, keys: Sequence[str]) -> dict[str, list[int]]:
        """By document key, the runs that it reached its target by, oldest first, since it was last undone.

        The first of them made it, the others changed it. What is undone now has none.
        """
        found: dict[str, list[int]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            batch = list(keys[start : start + _AT_ONCE])
            for key, run, outcome in self._database.rows(_HISTORY, target=target, keys=batch):
                before = found.setdefault(key, [])
                if outcome == UNDONE:
                    before.clear()
                else:
                    before.append(run)
        return found

    def needing(self, target: str) -> dict[str, tuple[str, ...]]:
        """By document key, those that it stands on, of all that stand in a target or are on their way there."""
        found = self._database.rows(_NEEDING, target=target)
        return {key: tuple(rows.json_of(needs).values()) for key, needs in found}

    def reversals(self, target: str) -> dict[str, str]:
        """By document key, the document that takes it back; one that was undone itself takes nothing back."""
        return {reversed_: key for key, reversed_ in self._database.rows(_REVERSED, target=target)}

    def scopes(self, target: str, keys: Sequence[str]) -> dict[str, str]:
        """By document key, whose it is: the name of the gateway account."""
        return {key: scope for key, (scope, _) in self._scopes(target, keys).items()}

    def keep(self, target: str, void: Sequence[Delivery], reversals: Sequence[Delivery]) -> None:
        """Let these documents be undone, and add those that take others back, each with the subject of the other."""
        self._sums.forget()
        with self._database.writing():
            delivering.store(self._database, target, void)
            about = self._scopes(target, [one.reverses for one in reversals])
            self._database.upsert(DELIVERY, [rows.delivery_row(about[one.reverses][1], one) for one in reversals])

    @property
    def is_waited_for(self) -> bool:
        """Whether a document waits for another that was undone, so that it does not go on by itself."""
        if not self._database.rows(_ANY):
            return False
        needed: dict[str, dict[str, None]] = {}
        for target, needs in self._database.rows(_WAITING):
            needed.setdefault(target, {}).update(dict.fromkeys(rows.json_of(needs).values()))
        found = (delivering.lookup(self._database, target, list(keys)) for target, keys in needed.items())
        return any(one.is_undone for by_key in found for one in by_key.values())

    def lacking(self, target: str) -> list[Undone]:
        """What was undone and not sent again, by document, role and currency."""
        found: Iterable[Any] = ()
        if self._database.rows(_ANY):
            found = self._database.rows(_VOID, target=target)
        if self._database.rows(_ANY_BACK):
            found = [*found, *self._database.rows(_TAKEN_BACK, target=target)]
        return sorted(
            Undone(document, by, date.fromisoformat(day), Role(role), source, currency, int(minor))
            for document, by, day, role, source, currency, minor in found
        )

    def _scopes(self, target: str, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            batch = list(keys[start : start + _AT_ONCE])
            found |= {key: (scope, id) for key, scope, id in self._database.rows(_SCOPES, target=target, keys=batch)}
        return found
