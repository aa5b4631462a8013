"""What undoing documents takes: void them, or take them back by another document, what stands on them first; or why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from syncjob.chart import Chart
from syncjob.errors import RecordRefused
from syncjob.model import UNDOING, Action, Delivery, DocumentKind, Json, Spelled, Status, canonical, digest
from syncjob.moment import iso
from syncjob.money import Money, plain
from syncjob.plan import told
from syncjob.plan.locking import first_open, lock_of
from syncjob.plan.proceed import under_way
from syncjob.ports import FieldMap, Lock

_PEOPLE = (DocumentKind.CONTACT, DocumentKind.COMPANY, DocumentKind.CUSTOMER)


class Way(StrEnum):
    """How one document is undone, in the words of a plan."""

    VOID = "void"
    REVERSE = "reverse"  # by a document of the first open day
    REFUSED = "refused"
    LEFT = "left as it is"
    DONE = "undone already"


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one document; `day` is that of the document that takes it back."""

    delivery: Delivery
    way: Way
    why: str = ""
    cure: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What a target says that decides it: closed days, what it may not lose, and whether it takes journal entries."""

    target: str
    locks: tuple[Lock, ...] = ()
    final: Mapping[str, str] = field(default_factory=dict)  # by document key, why the books let nobody touch it
    journals: bool = False
    corrects: bool = True  # False: nothing that is booked may be changed, so all is taken back by other documents
    reversals: Mapping[str, Delivery] = field(default_factory=dict)  # by document key, what takes it back


def steps(
    documents: Sequence[Delivery], needing: Mapping[str, tuple[str, ...]], left: Mapping[str, str], ground: Ground
) -> list[Step]:
    """What becomes of each of these documents, what stands on another before the other.

    `needing` says what each document stands on; `documents` hold all that stand on one of them. `left` are those that are none
    of this undo, with the reason.
    """
    found: dict[str, Step] = {}
    blocked: dict[str, str] = {}
    for one in _dependants_first(documents, needing):
        step = Step(one, Way.LEFT, left[one.key]) if one.key in left else _step(one, ground)
        if one.key in blocked and step.way in (Way.VOID, Way.REVERSE):
            step = Step(one, Way.REFUSED, f"{blocked[one.key]} stands on it and stays", "undo that first")
        if step.way in (Way.REFUSED, Way.LEFT):
            blocked |= dict.fromkeys(needing.get(one.key, ()), one.key)
        found[one.key] = step
    return list(found.values())


def _dependants_first(documents: Sequence[Delivery], needing: Mapping[str, tuple[str, ...]]) -> Iterable[Delivery]:
    by_key = {one.key: one for one in documents}
    on: dict[str, list[str]] = {}
    for key in sorted(by_key):
        for needed in needing.get(key, ()):
            on.setdefault(needed, []).append(key)
    done: dict[str, Delivery] = {}

    def visit(key: str) -> None:
        for dependant in on.get(key, ()):
            if dependant not in done:
                visit(dependant)
        done.setdefault(key, by_key[key])

    for key in sorted(by_key, key=lambda key: (by_key[key].date or date.min, key)):
        visit(key)
    return done.values()


def _step(one: Delivery, ground: Ground) -> Step:
    if one.kind in _PEOPLE:
        return Step(one, Way.LEFT, "people stay: other payments point to them")
    if one.is_undone:
        return Step(one, Way.DONE, cure=f"syncjob redo --document {one.key}")
    back = ground.reversals.get(one.key)
    if back is not None:
        arrived = back.delivered_revision > 0
        return Step(one, Way.DONE if arrived else Way.REVERSE, f"{back.key} takes it back", day=back.date)
    if one.action not in UNDOING and under_way(one):
        return Step(one, Way.REFUSED, "what became of its last request is not known yet", "syncjob run, then undo it")
    if one.action not in UNDOING and not one.delivered_revision:
        return Step(one, Way.LEFT, f"it has not reached {ground.target} yet")
    if one.key in ground.final:
        why = f"{ground.target} says that it is {ground.final[one.key]}"
        return Step(one, Way.REFUSED, why, "book against it there by hand")
    lock = lock_of(ground.locks, one.kind, one.date)
    if one.action in UNDOING or (lock is None and ground.corrects):
        return Step(one, Way.VOID)
    return _taken_back(one, ground, lock)


def _taken_back(one: Delivery, ground: Ground, lock: Lock | None) -> Step:
    why = f"{one.date} lies in a period closed through {lock.through}" if lock else f"{ground.target} changes nothing booked"
    if one.reverses:
        return Step(one, Way.REFUSED, f"{why}, and it takes back another itself", "open the period, then undo it")
    if not ground.journals or not one.body.get("postings") or one.date is None:
        why += f", and {ground.target} takes no journal entry for it"
        return Step(one, Way.REFUSED, why, "open the period, then undo it")
    if one.digest != one.delivered_digest:
        return Step(one, Way.REFUSED, f"{why}, and a change of it is on its way", "syncjob run, then undo it")
    return Step(one, Way.REVERSE, why, day=first_open(ground.locks, one.date))


# ---------------------------------------------------------------- the deliveries of it


def voided(one: Delivery, now: datetime) -> Delivery:
    """A document on its way out of its target; where that was refused before, with a new request, and in doubt with none."""
    if one.action in UNDOING and (one.status is Status.PLANNED or under_way(one)):
        return one
    used = one.action in UNDOING or one.revision > one.delivered_revision
    return _noted(
        one._replace(
            action=Action.VOID,
            revision=one.revision + (not used),
            generation=one.generation + used,
            status=Status.PLANNED,
            due=None,
            attempts=0,
            call="",
            problem=None,
        ),
        now,
        "to be undone",
    )


@dataclass(frozen=True, slots=True)
class Maker:
    """What a journal entry that takes something back is made with."""

    map: FieldMap
    chart: Chart
    source: str


def reversal(step: Step, maker: Maker, before: Delivery | None, now: datetime) -> Delivery:
    """The journal entry that takes a document back on the first open day; `before` is one that was itself undone.

    Raises RecordRefused where the target's map cannot tell it.
    """
    one, day = step.delivery, step.day
    if day is None:
        raise AssertionError(f"{one.key} is taken back on no day")
    postings: Any = one.body["postings"]
    amounts = [(row["account"], -Money.of(row["amount"], row["currency"])) for row in postings]
    debit = next((amount for _, amount in amounts if amount.minor > 0), None)
    if debit is None:
        raise RecordRefused("it moves nothing", cure="leave it")
    body = maker.map.body(DocumentKind.JOURNAL, _happening(one, maker, debit, now) | {"date": day, "true_date": one.date})
    told_postings: list[Json] = [
        {"account": account, "amount": plain(amount.minor, amount.currency), "currency": amount.currency}
        for account, amount in amounts
    ]
    whole = Spelled({**body, "date": day.isoformat(), "postings": told_postings})
    if before is not None:
        return resent(before, now)._replace(body=whole, digest=digest(whole.text, canonical({})), date=day)
    return Delivery(
        target=one.target,
        key=f"{one.key}:reversal",
        kind=DocumentKind.JOURNAL,
        subject=one.subject,
        action=Action.CREATE,
        revision=1,
        generation=1,
        status=Status.PLANNED,
        as_of=now,
        body=whole,
        digest=digest(whole.text, canonical({})),
        facts=one.digest,
        date=day,
        map=one.map,
        reverses=one.key,
    )


def given_up(one: Delivery, now: datetime) -> Delivery:
    """A document that never reached its target and never shall: as if it had been undone."""
    none = one._replace(action=Action.VOID, status=Status.DELIVERED, due=None, attempts=0, call="", problem=None)
    none = none._replace(undone=one.undone + 1)
    return _noted(none, now, "given up before it was sent")


def _happening(one: Delivery, maker: Maker, debit: Money, now: datetime) -> dict[str, object]:
    return {
        "source": maker.source,
        "subject": one.subject,
        "ledger_id": one.key,
        "origin": one.subject.partition(":")[2] or one.subject,
        "kind": "reversal",
        "type": "reversal",
        "description": f"takes back {one.key} of {one.date}",
        "occurred": now,
        "effective": now,
        **dict.fromkeys(("gross", "net", "presented", "settled"), debit),
        **dict.fromkeys(("presented_currency", "settled_currency"), debit.currency),
        "accounts": told.Accounts(maker.chart, maker.source, debit.currency),
    }


def resent(one: Delivery, now: datetime) -> Delivery:
    """An undone document on its way again, as a new object; one whose undo was never carried out stays as it stands."""
    if not one.is_undone:
        same = one.digest == one.delivered_digest
        kept = one._replace(
            action=Action.UPDATE,
            status=Status.DELIVERED if same else Status.PLANNED,
            delivered_revision=one.revision if same else one.delivered_revision,
            generation=one.generation + (not same),
        )
    else:
        kept = one._replace(
            action=Action.CREATE,
            status=Status.PLANNED,
            revision=one.revision + 1,
            generation=one.generation + 1,
            remote=None,
        )
    return _noted(kept._replace(due=None, attempts=0, call="", problem=None), now, "to stand there again")


def _noted(one: Delivery, now: datetime, what: str) -> Delivery:
    return one._replace(history=(*one.history, f"{iso(now)} {what}")[-20:])
