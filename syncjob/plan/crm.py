"""Documents for CRMs: who paid, what became of the payment, what somebody must do about it, and the deal behind an invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from syncjob.crosswalk import Linked
from syncjob.model import (
    Application,
    Document,
    DocumentKind,
    Fact,
    FactKind,
    Invoice,
    Kind,
    Person,
    Reading,
    Transaction,
    digest,
    document_key,
    movement_key,
)
from syncjob.moment import business_date
from syncjob.money import Money
from syncjob.plan import told
from syncjob.plan.linking import NOBODY, contact_key, tellers_first
from syncjob.ports import FieldMap
from syncjob.posting import claim, posted_on


@dataclass(frozen=True, slots=True)
class Tale:
    """What one subject has to tell a CRM."""

    source: str
    subject: str
    transactions: Sequence[Transaction]
    reading: Reading
    applications: Mapping[str, Application]  # by movement key
    as_of: datetime
    zone: tzinfo = UTC  # the company's: in which a document has its day
    customers: Mapping[str, Linked] = field(default_factory=dict)  # by the gateway's id, those whom other systems know as well
    known_as: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what they call them, as maps read it


def documents(target: str, field_map: FieldMap, tale: Tale) -> list[Document]:
    """Contacts, companies, the payment, tasks and events of one subject; parents before those that need them."""
    made: list[Document] = []
    contacts: dict[str, str] = {}
    spoken: set[str] = set()
    for person in tellers_first(tale.source, tale.reading.people, tale.customers):
        contacts[person.id] = contact_key(target, tale.source, person.id, tale.customers)
        if contacts[person.id] not in spoken:
            spoken.add(contacts[person.id])
            made += _person(target, field_map, tale, person)
    facts = tale.reading.facts
    paid = [one for one in tale.transactions if one.kind is Kind.PAYMENT]
    failed = [fact for fact in facts if fact.kind is FactKind.PAYMENT_FAILED]
    if paid or failed:
        made.append(_payment(target, field_map, tale, paid, failed, contacts))
    for fact in facts:
        if fact.kind in _TASKS:
            made.append(_task(target, field_map, tale, fact, contacts, settled=bool(paid)))
        elif fact.kind in _EVENTS:
            made.append(_event(target, field_map, tale, fact, contacts))
    return made


def person_keys(target: str, source: str, person: Person, customers: Mapping[str, Linked] = NOBODY) -> list[str]:
    """The keys of a person's company (where they have one) and contact; whoever is linked shares one contact."""
    keys = []
    if person.company:
        keys.append(document_key(target, f"{source}:company-{digest(person.company.casefold())}", DocumentKind.COMPANY))
    keys.append(contact_key(target, source, person.id, customers))
    return keys


def _person(target: str, field_map: FieldMap, tale: Tale, person: Person) -> list[Document]:
    keys = person_keys(target, tale.source, person, tale.customers)
    # A payment's billing details were true when it was made, not when we happened to read it.
    occurred = [one.occurred for one in tale.transactions] + [fact.occurred for fact in tale.reading.facts]
    as_of = person.as_of if tale.subject.startswith("customer:") else max(occurred, default=person.as_of)
    happening: dict[str, object] = {
        "source": tale.source,
        "subject": tale.subject,
        "date": business_date(as_of, tale.zone),
        "live": person.stream.mode == "live",
        "customer_id": person.id,
        **told.of_person(person),
        **tale.known_as.get(person.id, {}),
    }
    made = []
    needs = {}
    if person.company:
        body = field_map.body(DocumentKind.COMPANY, happening)
        made.append(Document(key=keys[0], kind=DocumentKind.COMPANY, subject=tale.subject, as_of=as_of, body=body))
        needs = {"company": keys[0]}
    body = field_map.body(DocumentKind.CONTACT, happening)
    made.append(Document(key=keys[-1], kind=DocumentKind.CONTACT, subject=tale.subject, as_of=as_of, body=body, needs=needs))
    return made


def _payment(
    target: str,
    field_map: FieldMap,
    tale: Tale,
    paid: Sequence[Transaction],
    failed: Sequence[Fact],
    contacts: Mapping[str, str],
) -> Document:
    first = min(paid, key=lambda one: (one.effective, one.id)) if paid else None
    customer = first.customer if first else failed[-1].customer
    contact = contacts.get(customer) or next(iter(contacts.values()), None)
    happening: dict[str, object] = {"source": tale.source, "subject": tale.subject, "customer_id": customer or None}
    happening |= tale.known_as.get(customer, {})
    person = next((one for one in tale.reading.people if one.id == customer), None)
    if person is not None:
        happening |= told.of_person(person)
    if first is not None:
        happening |= _paid(tale, first)
    else:
        last = max(failed, key=lambda fact: (fact.occurred, fact.id))
        happening |= {
            "origin": last.id,
            "kind": "payment",
            "type": "failed",
            "status": "failed",
            "date": business_date(last.occurred, tale.zone),
            "occurred": last.occurred,
            "live": last.stream.mode == "live",
            "gross": last.amount,
            "presented": last.amount,
            "presented_currency": last.amount.currency if last.amount is not None else None,
            "reason": last.reason or None,
        }
    return Document(
        key=document_key(target, f"{tale.source}:{tale.subject.partition(':')[2]}", DocumentKind.PAYMENT),
        kind=DocumentKind.PAYMENT,
        subject=tale.subject,
        as_of=tale.as_of,
        body=field_map.body(DocumentKind.PAYMENT, happening),
        needs={"contact": contact} if contact else {},
    )


def _paid(tale: Tale, first: Transaction) -> dict[str, object]:
    amount = claim(first)
    zero = Money(0, amount.currency)
    given_back = zero
    for one in tale.transactions:
        if one.kind in (Kind.REFUND, Kind.REFUND_FAILURE):
            given_back = given_back - claim(one)
    states = {fact.kind for fact in tale.reading.facts}
    if FactKind.DISPUTE_LOST in states:
        status = "dispute lost"
    elif FactKind.DISPUTE_OPEN in states:
        status = "disputed"
    elif any(one.kind is Kind.PAYMENT_FAILURE for one in tale.transactions):
        status = "failed"
    elif given_back.minor >= amount.minor > 0:
        status = "refunded"
    else:
        status = "part refunded" if given_back.minor > 0 else "paid"
    application = tale.applications.get(movement_key(first.stream, first.id))
    invoices = list(dict.fromkeys(part.invoice for part in application.parts if part.invoice)) if application else []
    return told.of_movement(first, amount) | {
        "kind": "payment",
        "status": status,
        "date": posted_on(first, tale.zone),
        "refunded": given_back,
        "disputed": _disputed(tale, amount.currency),
        "invoice": invoices[0] if len(invoices) == 1 else None,
        "invoices": ", ".join(invoices) or None,
        "rule": application.rule if application else None,
    }


def _disputed(tale: Tale, currency: str) -> Money | None:
    """What the customer's bank has taken back and not returned; None where it did so in another currency."""
    taken = [claim(one) for one in tale.transactions if one.kind in (Kind.DISPUTE, Kind.DISPUTE_REVERSAL)]
    if any(amount.currency != currency for amount in taken):
        return None
    return Money(-sum(amount.minor for amount in taken), currency)


_TASKS = {
    FactKind.DISPUTE_OPEN: ("Answer the dispute", "open"),
    FactKind.DISPUTE_WON: ("Answer the dispute", "won"),
    FactKind.DISPUTE_LOST: ("Answer the dispute", "lost"),
    FactKind.PAYMENT_FAILED: ("Payment failed: ask for another means of payment", "open"),
}
_EVENTS = {
    FactKind.SUBSCRIPTION_STARTED: "Subscription started",
    FactKind.SUBSCRIPTION_CHANGED: "Subscription changed",
    FactKind.SUBSCRIPTION_CANCELLED: "Subscription cancelled",
    FactKind.INVOICE_OVERDUE: "Invoice overdue",
}


def _task(target: str, field_map: FieldMap, tale: Tale, fact: Fact, contacts: Mapping[str, str], *, settled: bool) -> Document:
    title, status = _TASKS[fact.kind]
    if fact.kind is FactKind.PAYMENT_FAILED and settled:
        status = "done"
    # The task of a dispute is one task through all its states: its key names the object, not the state.
    return _about(target, field_map, tale, fact, contacts, DocumentKind.TASK, {"title": title, "status": status})


def _event(target: str, field_map: FieldMap, tale: Tale, fact: Fact, contacts: Mapping[str, str]) -> Document:
    happening: dict[str, object] = {"title": _EVENTS[fact.kind]}
    return _about(target, field_map, tale, fact, contacts, DocumentKind.EVENT, happening, part=fact.kind.value)


def _about(
    target: str,
    field_map: FieldMap,
    tale: Tale,
    fact: Fact,
    contacts: Mapping[str, str],
    kind: DocumentKind,
    happening: dict[str, object],
    part: str = "",
) -> Document:
    contact = contacts.get(fact.customer) or next(iter(contacts.values()), None)
    happening |= {
        "source": tale.source,
        "subject": tale.subject,
        "origin": fact.id,
        "kind": fact.kind.value,
        "type": fact.kind.value,
        "date": business_date(fact.occurred, tale.zone),
        "occurred": fact.occurred,
        "due": fact.due,
        "live": fact.stream.mode == "live",
        "gross": fact.amount,
        "presented": fact.amount,
        "presented_currency": fact.amount.currency if fact.amount is not None else None,
        "reason": fact.reason or None,
        "text": fact.reason or None,
        "customer_id": fact.customer or None,
        **tale.known_as.get(fact.customer, {}),
    }
    return Document(
        key=document_key(target, f"{tale.source}:{fact.id}", kind, part),
        kind=kind,
        subject=tale.subject,
        as_of=tale.as_of,
        body=field_map.body(kind, happening),
        needs={"contact": contact} if contact else {},
    )


def deal(target: str, field_map: FieldMap, scope: str, invoice: Invoice, paid: Money) -> Document:
    """The deal behind one invoice of the books: open, part paid or paid."""
    happening: dict[str, object] = {
        "source": scope,
        "subject": f"invoice:{invoice.number}",
        "invoice": invoice.number,
        "title": f"{invoice.number} {invoice.customer}".strip(),
        "customer_name": invoice.customer or None,
        "customer_email": invoice.email or None,
        "date": invoice.issued,
        "presented_currency": invoice.total.currency,
        "total": invoice.total,
        "open": invoice.open - paid,
        "paid": paid,
        "state": state(invoice, paid),
    }
    return Document(
        key=document_key(target, f"{scope}:{invoice.number}", DocumentKind.DEAL),
        kind=DocumentKind.DEAL,
        subject=f"invoice:{invoice.number}",
        as_of=invoice.as_of,
        body=field_map.body(DocumentKind.DEAL, happening),
    )


def state(invoice: Invoice, paid: Money) -> str:
    """The word for an invoice: open, part paid, paid."""
    if paid.minor >= invoice.open.minor:
        return "paid"
    return "part paid" if paid.minor > 0 or invoice.open.minor < invoice.total.minor else "open"
