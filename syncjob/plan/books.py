"""Documents for books: one for each fact; a receipt takes its application with it while neither has been delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

from syncjob.chart import Chart
from syncjob.model import (
    Application,
    Delivery,
    Document,
    DocumentKind,
    Entry,
    FactKind,
    Json,
    Kind,
    Line,
    Person,
    Transaction,
    document_key,
    movement_key,
)
from syncjob.moment import business_date
from syncjob.money import plain
from syncjob.plan import told
from syncjob.ports import FieldMap
from syncjob.posting import FEES, claim, posted_on

_KINDS = {
    Kind.PAYMENT: DocumentKind.RECEIPT,
    Kind.REFUND: DocumentKind.REFUND,
    Kind.FEE: DocumentKind.EXPENSE,
    Kind.PAYOUT: DocumentKind.TRANSFER,
    Kind.PAYOUT_FAILURE: DocumentKind.TRANSFER,
    Kind.TOPUP: DocumentKind.TRANSFER,
}
_MOVEMENTS = frozenset(kind.value for kind in Kind)
_NOTHING: Mapping[str, Sequence[Entry]] = {}
_NOWHERE: Mapping[str, str] = {}
_FACT_KINDS = {"payout_paid": DocumentKind.TRANSFER}
_HAPPENED = frozenset(kind.value for kind in FactKind)


@dataclass(frozen=True, slots=True)
class Tale:
    """What one subject has to tell the books."""

    source: str
    transactions: Sequence[Transaction]
    people: Sequence[Person]
    applications: Mapping[str, Application]  # by movement key
    as_of: datetime
    known_as: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by customer, what the targets call them
    zone: tzinfo = UTC  # of the company


def documents(
    target: str,
    field_map: FieldMap,
    chart: Chart,
    tale: Tale,
    unposted: Sequence[Entry],
    deliveries: Mapping[tuple[str, str], Delivery],
    anew: Mapping[str, Sequence[Entry]] = _NOTHING,
    carried: Mapping[str, str] = _NOWHERE,
) -> list[Document]:
    """The documents that a subject's entries make, and fresh texts for those that were made before.

    Entries that have no document yet get one now, for ever. A document that exists keeps its postings and date: only its
    texts follow the facts. `anew` names those, with the entries they bring, whose postings follow the chart once more.
    `carried` says which document has brought an entry already: a summary, where it has none of its own.
    """
    waiting = {entry.key: entry for entry in unposted}
    made: list[Document] = []
    for one in tale.transactions:
        key = movement_key(one.stream, one.id)
        kind = _KINDS.get(one.kind, DocumentKind.JOURNAL)
        name = document_key(target, key, kind)
        happening = _movement(one, tale, tale.applications.get(key), chart)
        existing = deliveries.get((target, name))
        entry = waiting.pop(key, None)
        day = entry.date if entry is not None else existing.date if existing is not None else None
        true = posted_on(one, tale.zone)
        happening["true_date"] = true if day is not None and day > true else None
        if entry is not None:
            folded = [entry]
            application = waiting.pop(f"{key}:application:1", None)
            if application is not None:
                folded.append(application)
            made.append(_document(name, kind, happening, folded, field_map, chart, tale))
        elif existing is not None:
            made.append(_retold(existing, happening, field_map, tale, anew.get(name, ()), chart))
        cost = document_key(target, key, DocumentKind.EXPENSE)
        fees = waiting.pop(f"{key}{FEES}", None)
        if fees is not None:
            made.append(_document(cost, DocumentKind.EXPENSE, happening, [fees], field_map, chart, tale))
        elif cost != name and (existing := deliveries.get((target, cost))) is not None:
            made.append(_retold(existing, happening, field_map, tale, anew.get(cost, ()), chart))
    applied: dict[tuple[str, date], list[Entry]] = {}  # one day a document: the books are compared by it
    for entry in sorted(waiting.values(), key=lambda e: e.key):
        if entry.kind == "application":
            applied.setdefault((entry.key.split(":application:")[0], entry.date), []).append(entry)
        else:
            made.append(_of_fact(target, entry, tale, field_map, chart))
    for (movement, _), entries in sorted(applied.items(), key=lambda item: item[0]):
        made.append(_reapplied(target, movement, entries, tale, field_map, chart, carried.get(movement)))
    told_of = {document.key for document in made}
    for name in sorted(anew.keys() - told_of):
        story = _of_entries(anew[name], tale, chart)
        made.append(_retold(deliveries[target, name], story, field_map, tale, anew[name], chart))
    return made


def _of_entries(entries: Sequence[Entry], tale: Tale, chart: Chart) -> dict[str, object] | None:
    """What happened, by the entries of a document; None where nobody can tell it as it was told then."""
    entry = entries[-1]
    if entry.kind != "application":
        return None if entry.kind in _MOVEMENTS else _fact(entry, chart)
    movement, _, version = entry.key.partition(":application:")
    one = next((t for t in tale.transactions if movement_key(t.stream, t.id) == movement), None)
    application = tale.applications.get(movement)
    latest = application is not None and f"{application.version}" == version
    return _movement(one, tale, application, chart) if one is not None and latest else None


def _of_fact(target: str, entry: Entry, tale: Tale, field_map: FieldMap, chart: Chart) -> Document:
    kind = _FACT_KINDS.get(entry.kind, DocumentKind.JOURNAL)
    true = business_date(entry.effective, UTC if entry.kind == FactKind.PAYOUT_PAID else tale.zone)
    happening = _fact(entry, chart) | {"true_date": true if entry.date > true and entry.kind in _HAPPENED else None}
    return _document(document_key(target, entry.key, kind), kind, happening, [entry], field_map, chart, tale)


def _reapplied(
    target: str,
    movement: str,
    entries: Sequence[Entry],
    tale: Tale,
    field_map: FieldMap,
    chart: Chart,
    receipt: str | None = None,
) -> Document:
    """One document that takes a payment from what it was for to what it is for; the receipt stays as it was."""
    one = next((t for t in tale.transactions if movement_key(t.stream, t.id) == movement), None)
    application = tale.applications.get(movement)
    happening = _movement(one, tale, application, chart) if one else _fact(entries[0], chart)
    part = "+".join(entry.key.split(":application:")[1].replace(":undo", "u") for entry in entries)
    name = document_key(target, movement, DocumentKind.APPLICATION, part)
    kind = _KINDS.get(one.kind, DocumentKind.JOURNAL) if one else DocumentKind.JOURNAL
    needs = {"receipt": receipt or document_key(target, movement, kind)}
    return _document(name, DocumentKind.APPLICATION, happening, entries, field_map, chart, tale, needs)


def _document(
    name: str,
    kind: DocumentKind,
    happening: dict[str, object],
    entries: Sequence[Entry],
    field_map: FieldMap,
    chart: Chart,
    tale: Tale,
    needs: Mapping[str, str] | None = None,
) -> Document:
    day = entries[0].date
    body = field_map.body(kind, {**happening, "date": day})
    lines = [line for entry in entries for line in entry.lines]
    body["date"] = day.isoformat()
    body["postings"] = postings(lines, tale.source, chart)
    return Document(
        key=name,
        kind=kind,
        subject=entries[0].subject,
        as_of=tale.as_of,
        body=body,
        needs=needs or {},
        entries=tuple(entry.key for entry in entries),
        date=day,
    )


def _retold(
    existing: Delivery,
    happening: dict[str, object] | None,
    field_map: FieldMap,
    tale: Tale,
    entries: Sequence[Entry],
    chart: Chart,
) -> Document:
    """A document that exists, with fresh texts where they can be told, and fresh postings where its entries are given."""
    body = dict(existing.body) if happening is None else field_map.body(existing.kind, {**happening, "date": existing.date})
    body["date"] = existing.body["date"]
    lines = [line for entry in entries for line in entry.lines]
    body["postings"] = postings(lines, tale.source, chart) if entries else existing.body["postings"]
    return Document(
        key=existing.key,
        kind=existing.kind,
        subject=existing.subject,
        as_of=tale.as_of,
        body=body,
        needs=existing.needs,
        entries=tuple(entry.key for entry in entries),
        date=existing.date,
    )


def postings(lines: Sequence[Line], source: str, chart: Chart) -> list[Json]:
    """Lines as the books see them: summed per account and currency in order of appearance, what cancels out left away."""
    sums: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (_code(chart, line, source), line.amount.currency)
        sums[key] = sums.get(key, 0) + line.amount.minor
    return [
        {"account": account, "amount": plain(minor, currency), "currency": currency}
        for (account, currency), minor in sums.items()
        if minor
    ]


def _code(chart: Chart, line: Line, source: str) -> str:
    return told.Accounts(chart, source, line.amount.currency)(line.role)


def _movement(one: Transaction, tale: Tale, application: Application | None, chart: Chart) -> dict[str, object]:
    person = next((p for p in tale.people if p.id == one.customer), tale.people[0] if tale.people else None)
    invoices = list(dict.fromkeys(part.invoice for part in application.parts if part.invoice)) if application else []
    about = told.of_movement(one, claim(one))
    if person is not None:
        about |= told.of_person(person)
        about["customer_name"] = person.name or person.company or None
    return about | {
        "source": one.stream.source,
        "subject": one.subject,
        "kind": one.kind.value,
        "customer_id": one.customer or None,
        **tale.known_as.get(one.customer, {}),
        "invoice": invoices[0] if len(invoices) == 1 else None,
        "invoices": ", ".join(invoices) or None,
        "rule": application.rule if application else None,
        "payout": one.origin if one.kind in (Kind.PAYOUT, Kind.PAYOUT_FAILURE) else None,
        "accounts": told.Accounts(chart, one.stream.source, one.gross.currency),
    }


def _fact(entry: Entry, chart: Chart) -> dict[str, object]:
    debit = next((line.amount for line in entry.lines if line.amount.minor > 0), None)
    currency = debit.currency if debit is not None else None
    return {
        "source": entry.source,
        "subject": entry.subject,
        "ledger_id": entry.key,
        "origin": entry.origin,
        "kind": entry.kind,
        "type": entry.kind,
        "occurred": entry.effective,
        "effective": entry.effective,
        "gross": debit,
        "net": debit,
        "presented": debit,
        "presented_currency": currency,
        "settled": debit,
        "settled_currency": currency,
        "payout": entry.origin if entry.kind == "payout_paid" else None,
        "accounts": told.Accounts(chart, entry.source, currency or ""),
    }
