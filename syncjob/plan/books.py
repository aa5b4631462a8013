"""Documents for books: one for each fact; a receipt takes its application with it while neither has been delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from syncjob.chart import Chart
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.model import (
    Application,
    Delivery,
    Document,
    DocumentKind,
    Entry,
    Json,
    Kind,
    Line,
    Person,
    Transaction,
    document_key,
    movement_key,
)
from syncjob.money import plain
from syncjob.ports import FieldMap
from syncjob.posting import claim

_KINDS = {
    Kind.PAYMENT: DocumentKind.RECEIPT,
    Kind.REFUND: DocumentKind.REFUND,
    Kind.FEE: DocumentKind.EXPENSE,
    Kind.PAYOUT: DocumentKind.TRANSFER,
    Kind.PAYOUT_FAILURE: DocumentKind.TRANSFER,
    Kind.TOPUP: DocumentKind.TRANSFER,
}
_FACT_KINDS = {"payout_paid": DocumentKind.TRANSFER}


@dataclass(frozen=True, slots=True)
class Tale:
    """What one subject has to tell the books."""

    source: str
    transactions: Sequence[Transaction]
    people: Sequence[Person]
    applications: Mapping[str, Application]  # by movement key
    as_of: datetime


def documents(
    target: str,
    field_map: FieldMap,
    chart: Chart,
    tale: Tale,
    unposted: Sequence[Entry],
    deliveries: Mapping[tuple[str, str], Delivery],
) -> list[Document]:
    """The documents that a subject's entries make, and fresh texts for those that were made before.

    Entries that have no document yet get one now, for ever. A document that exists keeps its postings and date: only its
    texts follow the facts.
    """
    waiting = {entry.key: entry for entry in unposted}
    made: list[Document] = []
    for one in tale.transactions:
        key = movement_key(one.stream, one.id)
        kind = _KINDS.get(one.kind, DocumentKind.JOURNAL)
        name = document_key(target, key, kind)
        happening = _movement(one, tale, tale.applications.get(key))
        existing = deliveries.get((target, name))
        entry = waiting.pop(key, None)
        if entry is not None:
            folded = [entry]
            application = waiting.pop(f"{key}:application:1", None)
            if application is not None:
                folded.append(application)
            made.append(_document(name, kind, happening, folded, field_map, chart, tale))
        elif existing is not None:
            made.append(_retold(existing, happening, field_map, tale))
    applied: dict[tuple[str, date], list[Entry]] = {}  # one day a document: the books are compared by it
    for entry in sorted(waiting.values(), key=lambda e: e.key):
        if entry.kind == "application":
            applied.setdefault((entry.key.split(":application:")[0], entry.date), []).append(entry)
        else:
            made.append(_of_fact(target, entry, tale, field_map, chart))
    for (movement, _), entries in sorted(applied.items(), key=lambda item: item[0]):
        made.append(_reapplied(target, movement, entries, tale, field_map, chart))
    return made


def _of_fact(target: str, entry: Entry, tale: Tale, field_map: FieldMap, chart: Chart) -> Document:
    kind = _FACT_KINDS.get(entry.kind, DocumentKind.JOURNAL)
    return _document(document_key(target, entry.key, kind), kind, _fact(entry), [entry], field_map, chart, tale)


def _reapplied(
    target: str, movement: str, entries: Sequence[Entry], tale: Tale, field_map: FieldMap, chart: Chart
) -> Document:
    """One document that takes a payment from what it was for to what it is for; the receipt stays as it was."""
    one = next((t for t in tale.transactions if movement_key(t.stream, t.id) == movement), None)
    happening = _movement(one, tale, tale.applications.get(movement)) if one else _fact(entries[0])
    part = "+".join(entry.key.split(":application:")[1].replace(":undo", "u") for entry in entries)
    name = document_key(target, movement, DocumentKind.APPLICATION, part)
    kind = _KINDS.get(one.kind, DocumentKind.JOURNAL) if one else DocumentKind.JOURNAL
    needs = {"receipt": document_key(target, movement, kind)}
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


def _retold(existing: Delivery, happening: dict[str, object], field_map: FieldMap, tale: Tale) -> Document:
    body = field_map.body(existing.kind, {**happening, "date": existing.date})
    body["date"] = existing.body["date"]
    body["postings"] = existing.body["postings"]
    return Document(
        key=existing.key,
        kind=existing.kind,
        subject=existing.subject,
        as_of=tale.as_of,
        body=body,
        needs=existing.needs,
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
    try:
        return chart.code(line.role, source, line.amount.currency)
    except Misconfigured as missing:  # a currency that nobody has used before holds its own payment, not the run
        raise RecordRefused(str(missing), source) from missing


def _movement(one: Transaction, tale: Tale, application: Application | None) -> dict[str, object]:
    person = next((p for p in tale.people if p.id == one.customer), tale.people[0] if tale.people else None)
    invoices = list(dict.fromkeys(part.invoice for part in application.parts if part.invoice)) if application else []
    fee = one.gross - one.net
    return {
        "source": one.stream.source,
        "subject": one.subject,
        "ledger_id": one.id,
        "origin": one.origin,
        "kind": one.kind.value,
        "type": one.type,
        "occurred": one.occurred,
        "description": one.description or None,
        "gross": one.gross,
        "net": one.net,
        "fee": fee,
        "presented": claim(one),
        "settled": one.gross,
        "customer_id": one.customer or None,
        "customer_name": (person.name or person.company or None) if person else None,
        "customer_email": (person.email or None) if person else None,
        "invoice": invoices[0] if len(invoices) == 1 else None,
        "invoices": ", ".join(invoices) or None,
        "rule": application.rule if application else None,
        "payout": one.origin if one.kind in (Kind.PAYOUT, Kind.PAYOUT_FAILURE) else None,
    }


def _fact(entry: Entry) -> dict[str, object]:
    debit = next((line.amount for line in entry.lines if line.amount.minor > 0), None)
    return {
        "source": entry.source,
        "subject": entry.subject,
        "ledger_id": entry.key,
        "origin": entry.origin,
        "kind": entry.kind,
        "type": entry.kind,
        "occurred": entry.effective,
        "gross": debit,
        "net": debit,
        "presented": debit,
        "settled": debit,
        "payout": entry.origin if entry.kind == "payout_paid" else None,
    }
