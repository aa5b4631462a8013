"""What a person says a payment is for: which wait for that, the decision, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, cast

from syncjob.errors import Misconfigured
from syncjob.mapping import GatewayMap
from syncjob.matching import Books, Decision, normal
from syncjob.model import Application, Invoice, Json, Role, Transaction, movement_key
from syncjob.moment import from_text, iso
from syncjob.money import Money
from syncjob.posting import claim
from syncjob.store import Store, Subject

_FACT = "matches decided"
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


def forget(store: Store, subject: Subject, payment: Transaction, by: str, now: datetime) -> bool:
    """Take a decision back, so that the rules decide again; False where there was none."""
    key = movement_key(payment.stream, payment.id)
    if key not in decisions(store):
        return False
    _note(store, subject, key, None, by, now)
    return True


def _note(store: Store, subject: Subject, key: str, decision: Mapping[str, Json] | None, by: str, now: datetime) -> None:
    with store.together():
        known = dict(cast("Mapping[str, Json] | None", store.get_fact(_FACT)) or {})
        known.pop(key, None)
        store.set_fact(_FACT, known if decision is None else {**known, key: decision})
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
