"""What a person says a payment is for: which wait for that, the decision, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice
from typing import Any, cast

from syncjob.errors import Misconfigured
from syncjob.mapping import GatewayMap
from syncjob.matching import PLAIN, Books, Decision, Ladder, Rejection, normal
from syncjob.model import Application, Invoice, Json, Role, Transaction, movement_key
from syncjob.moment import from_text, iso
from syncjob.money import Money
from syncjob.posting import claim
from syncjob.store import Store, Subject

_FACT, _REJECTED = "matches decided", "matches rejected"
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A payment of which something is for no invoice: how much, why, and the invoices that it could be for."""

    key: str
    subject: Subject
    payment: Transaction
    day: date
    left: Money
    why: str
    candidates: tuple[Invoice, ...]


def with_people(ladder: Ladder, store: Store) -> Ladder:
    """The ladder with what people decided and rejected, by movement key."""
    rejected = cast("Mapping[str, Any] | None", store.get_fact(_REJECTED)) or {}
    told = {key: Rejection(tuple(one["numbers"]), one["by"], from_text(one["at"])) for key, one in rejected.items()}
    return replace(ladder, decisions=decisions(store), rejections=told)


def decisions(store: Store) -> dict[str, Decision]:
    """What people decided, by movement key."""
    told = cast("Mapping[str, Any] | None", store.get_fact(_FACT)) or {}
    return {
        key: Decision(tuple((number, minor) for number, minor in one["parts"]), one["by"], from_text(one["at"]))
        for key, one in told.items()
    }


def unmatched(store: Store, maps: Mapping[str, GatewayMap], invoices: Sequence[Invoice]) -> Iterator[Unmatched]:
    """Every payment with money that is for no invoice and was not given back, oldest first in its account."""
    open_ones = [one for one in invoices if one.open.minor > 0]
    subjects = store.all_subjects()
    while batch := list(islice(subjects, _AT_ONCE)):
        for story in store.stories(batch):
            if story.stream is None or story.subject.scope not in maps or not story.applications:
                continue
            readable = [record for record in story.records if record.problem is None]
            reading = maps[story.subject.scope].read(story.stream, story.subject.name, readable)
            latest = {one.movement: one for one in story.applications}
            sold = {e.key.partition(":application:")[0] for e in story.entries if any(x.role is Role.REVENUE for x in e.lines)}
            days = {entry.key: entry.date for entry in story.entries}
            back = sum(_credit(one) for one in latest.values() if _credit(one) < 0)
            for payment in reading.transactions:
                key = movement_key(payment.stream, payment.id)
                application = latest.get(key)
                left = _credit(application) + back if application is not None and key in days else 0
                if application is None or left <= 0 or key in sold:
                    continue
                amount = Money(left, claim(payment).currency)
                fitting = tuple(one for one in open_ones if one.open == amount)
                why = application.evidence or application.rule
                yield Unmatched(key, story.subject, payment, days[key], amount, why, fitting)


def _credit(application: Application) -> int:
    return sum(part.amount.minor for part in application.parts if not part.invoice)


def payment_of(store: Store, maps: Mapping[str, GatewayMap], id: str) -> tuple[Subject, Transaction]:
    """The one payment that an id names, by any of its ids; raises Misconfigured where it names none, or several."""
    found: list[tuple[Subject, Transaction]] = []
    for story in store.stories(store.search(id)):
        if story.stream is None or story.subject.scope not in maps:
            continue
        readable = [record for record in story.records if record.problem is None]
        reading = maps[story.subject.scope].read(story.stream, story.subject.name, readable)
        posted = {one.movement for one in story.applications}
        payments = [one for one in reading.transactions if one.kind.value == "payment"]
        named = [one for one in payments if id in (one.id, one.origin, movement_key(one.stream, one.id))]
        found += [(story.subject, one) for one in named or payments if movement_key(one.stream, one.id) in posted]
    if len(found) != 1:
        several = f"several payments: {', '.join(one.id for _, one in found)}; name one"
        raise Misconfigured(f"{id!r} names {several if found else 'no payment that was posted'}")
    return found[0]


def accept(
    store: Store, subject: Subject, payment: Transaction, wish: Sequence[tuple[str, Money | None]], by: str, now: datetime
) -> tuple[tuple[str, Money], ...]:
    """Say which invoices a payment is for; gives the shares. Without an amount an invoice gets what it still asks for.

    The next run carries it out. Raises Misconfigured for an invoice that the books do not list, that is in another currency,
    or that asks for less; then nothing is written.
    """
    key, amount = movement_key(payment.stream, payment.id), claim(payment)
    numbers = [number for number, _ in wish]
    books = Books(store.invoices([normal(one) for one in numbers]), store.applied([normal(one) for one in numbers]))
    shares: list[tuple[str, Money]] = []
    left = amount
    for number, share in wish:
        invoice = _invoice(books, number, amount)
        still = books.open(invoice, key)
        taken = share or min(left, still, key=lambda one: one.minor)
        if taken.minor <= 0 or taken.minor > still.minor or taken.minor > left.minor:
            raise Misconfigured(f"{invoice.number} asks for {still}, and {left} of the payment is left: {taken} does not fit")
        if any(other == invoice.number for other, _ in shares):
            raise Misconfigured(f"{invoice.number} stands twice; name it once with its whole amount")
        shares.append((invoice.number, taken))
        left = left - taken
    parts: list[Json] = [[number, share.minor] for number, share in shares]
    _note(store, subject, key, {"parts": parts, "by": by, "at": iso(now)}, by, now)
    return tuple(shares)


def unmatch(store: Store, subject: Subject, payment: Transaction, by: str, now: datetime) -> None:
    """Say that a payment is for no invoice: it becomes the customer's credit, whatever it names."""
    key = movement_key(payment.stream, payment.id)
    _note(store, subject, key, {"parts": [], "by": by, "at": iso(now)}, by, now)


def reject(
    store: Store, subject: Subject, payment: Transaction, numbers: Sequence[str], by: str, now: datetime
) -> tuple[str, ...]:
    """Say that a payment is not for these invoices; the rules decide among the others. Gives all that are rejected by now.

    Raises Misconfigured for an invoice that the books do not list, and where somebody has accepted it for this payment.
    """
    key = movement_key(payment.stream, payment.id)
    books = Books(store.invoices([normal(one) for one in numbers]), {})
    decided = decisions(store).get(key)
    accepted = {normal(number) for number, _ in decided.parts} if decided is not None else set()
    before = with_people(PLAIN, store).rejections.get(key)
    found = dict.fromkeys(before.numbers if before is not None else ())
    for number in numbers:
        if not books.named(number):
            raise Misconfigured(f"{number!r} names no invoice that the books list; it may not have been read yet")
        if normal(number) in accepted:
            cure = f"take that back first: syncjob matches forget {payment.id}"
            raise Misconfigured(f"{number} was accepted for {payment.id}; {cure}")
        found |= dict.fromkeys(invoice.number for invoice in books.named(number))
    rejected: list[Json] = list(found)
    with store.together():
        _keep(store, _REJECTED, key, {"numbers": rejected, "by": by, "at": iso(now)})
        store.mark_dirty([subject])
        store.audit(now, by, "matches reject", {"payment": key, "numbers": rejected})
    return tuple(found)


def forget(store: Store, subject: Subject, payment: Transaction, by: str, now: datetime) -> bool:
    """Take back what was decided and rejected, so that the rules decide again; False where there was nothing."""
    key = movement_key(payment.stream, payment.id)
    said = with_people(PLAIN, store)
    if key not in said.decisions and key not in said.rejections:
        return False
    with store.together():
        _keep(store, _REJECTED, key, None)
        _note(store, subject, key, None, by, now)
    return True


def _keep(store: Store, fact: str, key: str, said: Mapping[str, Json] | None) -> None:
    known = dict(cast("Mapping[str, Json] | None", store.get_fact(fact)) or {})
    known.pop(key, None)
    store.set_fact(fact, known if said is None else {**known, key: said})


def _note(store: Store, subject: Subject, key: str, decision: Mapping[str, Json] | None, by: str, now: datetime) -> None:
    with store.together():
        _keep(store, _FACT, key, decision)
        store.mark_dirty([subject])
        what = "matches accept" if decision and decision["parts"] else "matches unmatch" if decision else "matches forget"
        store.audit(now, by, what, {"payment": key, "parts": decision["parts"] if decision else None})


def _invoice(books: Books, number: str, amount: Money) -> Invoice:
    found = books.named(number)
    if len(found) != 1:
        why = "the books list several" if found else "the books do not list it; it may not have been read yet"
        raise Misconfigured(f"{number!r} names no single invoice: {why}")
    if found[0].total.currency != amount.currency:
        raise Misconfigured(f"{found[0].number} is in {found[0].total.currency}, and the payment in {amount.currency}")
    return found[0]
