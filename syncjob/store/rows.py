"""Rows of the tables from the model's values, and back to exactly equal values.

Each function is the neighbour of its inverse; the order of values is that of the table's columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from syncjob.errors import Problem
from syncjob.matching import normal
from syncjob.model import (
    UNDOING,
    Action,
    Application,
    Delivery,
    DocumentKind,
    Entry,
    Invoice,
    Json,
    Line,
    Part,
    Record,
    Refusal,
    Remote,
    Role,
    Status,
    canonical,
)
from syncjob.moment import from_micros, micros
from syncjob.money import Money
from syncjob.store.database import Values
from syncjob.store.tables import APPLICATION, DELIVERY, ENTRY, INVOICE, LINE, PART, PERSONAL, RECORD, REFUSAL

HISTORY_MAX = 20  # lines of a delivery's history that are kept
_WAVE = 10_000_000  # more than any date's number
_WAVES = {
    kind: wave
    for wave, kinds in enumerate(
        (
            (DocumentKind.CUSTOMER, DocumentKind.COMPANY),
            (DocumentKind.CONTACT,),
            (
                DocumentKind.RECEIPT,
                DocumentKind.SALE,
                DocumentKind.EXPENSE,
                DocumentKind.TRANSFER,
                DocumentKind.JOURNAL,
                DocumentKind.SUMMARY,
                DocumentKind.CREDIT_NOTE,
                DocumentKind.PAYMENT,
                DocumentKind.DEAL,
            ),
            (DocumentKind.REFUND, DocumentKind.APPLICATION),
            (DocumentKind.TASK, DocumentKind.EVENT),
        )
    )
    for kind in kinds
}
_LAST_WAVE = 2 * max(_WAVES.values()) + 1
_ROLES = {role.value: role for role in Role}
_KINDS = {kind.value: kind for kind in DocumentKind}
_ACTIONS = {action.value: action for action in Action}
_STATUSES = {status.value: status for status in Status}


def rank(one: Delivery) -> int:
    """The place of a document among those to be sent: first the wave of its kind, then its date; undone is in reverse."""
    wave = _WAVES[one.kind]
    return (_LAST_WAVE - wave if one.action in UNDOING else wave) * _WAVE + (one.date.toordinal() if one.date else 0)


# ---------------------------------------------------------------- small pieces


def instant(value: datetime | None) -> int | None:
    """An optional instant as microseconds."""
    return None if value is None else micros(value)


def instant_of(value: int | None) -> datetime | None:
    """An optional instant from microseconds."""
    return None if value is None else from_micros(value)


def day_of(value: str | None) -> date | None:
    """An optional date from its text."""
    return None if value is None else date.fromisoformat(value)


_decode = json.JSONDecoder().raw_decode


def json_of(text: str | None) -> Any:
    """JSON that we wrote ourselves, canonical and without fractions: the strict reader is for what others wrote."""
    return _decode(text)[0] if text else {}


def object_text(value: Mapping[str, Json]) -> str:
    """A JSON object as text; the empty one, which is frequent, as the empty text."""
    return canonical(value) if value else ""


def problem_text(problem: Problem | None) -> str | None:
    """A problem as text."""
    return None if problem is None else canonical([problem.what, problem.where, problem.why, problem.cure])


def problem_of(text: str | None) -> Problem | None:
    """A problem from its text."""
    return None if text is None else Problem(*json_of(text))


# ---------------------------------------------------------------- records


def record_row(id: int, subject: int, stream: int, record: Record, sequence: int, head: int, landed: int) -> Values:
    """A record's row; one with a problem is kept without its content."""
    held = record.problem is not None
    return (
        id,
        subject,
        stream,
        record.type,
        record.id,
        sequence,
        head,
        micros(record.occurred),
        micros(record.as_of),
        landed,
        record.digest,
        "" if held else record.person,
        problem_text(record.problem),
        "" if held else object_text(record.body),
    )


_R = RECORD.c
RECORD_COLUMNS = (_R.type, _R.name, _R.occurred, _R.as_of, _R.digest, _R.person, _R.problem, _R.body, PERSONAL.c.fields)


def record_of(subject: str, row: Any) -> Record:
    """A record from the values of RECORD_COLUMNS."""
    type_, id, occurred, as_of, digest, person, problem, body, personal = row
    return Record(
        type_,
        id,
        from_micros(occurred),
        from_micros(as_of),
        subject,
        json_of(body),
        json_of(personal),
        person,
        digest,
        problem_of(problem),
    )


# ---------------------------------------------------------------- entries


def entry_row(id: int, subject: int, entry: Entry) -> Values:
    """An entry's row."""
    return id, entry.key, subject, entry.source, entry.origin, entry.kind, micros(entry.effective), entry.date.isoformat()


def line_rows(id: int, entry: Entry) -> list[Values]:
    """The rows of an entry's lines."""
    return [
        (
            id,
            ordinal,
            line.role.value,
            line.bucket,
            line.amount.currency,
            line.amount.minor,
            line.reference,
            None if line.home is None else line.home.currency,
            None if line.home is None else line.home.minor,
            line.rate_source,
        )
        for ordinal, line in enumerate(entry.lines)
    ]


_E, _L = ENTRY.c, LINE.c
ENTRY_COLUMNS = (_E.key, _E.source, _E.origin, _E.kind, _E.effective, _E.date)
LINE_COLUMNS = (_L.role, _L.bucket, _L.currency, _L.minor, _L.reference, _L.home_currency, _L.home_minor, _L.rate_source)


def line_of(row: Any) -> Line:
    """A line from the values of LINE_COLUMNS."""
    role, bucket, currency, minor, reference, home_currency, home_minor, rate_source = row
    home = None if home_currency is None else Money(home_minor, home_currency)
    return Line(_ROLES[role], Money(minor, currency), bucket, reference, home, rate_source)


def entry_of(subject: str, row: Any, lines: list[Line]) -> Entry:
    """An entry from the values of ENTRY_COLUMNS and its lines."""
    key, source, origin, kind, effective, day = row
    return Entry(
        key=key,
        source=source,
        subject=subject,
        origin=origin,
        kind=kind,
        effective=from_micros(effective),
        date=date.fromisoformat(day),
        lines=tuple(lines),
    )


# ---------------------------------------------------------------- applications, invoices, refusals


def application_row(id: int, subject: int, one: Application) -> Values:
    """An application's row."""
    problem = problem_text(one.problem)
    return (
        id,
        subject,
        one.movement,
        one.version,
        one.rule,
        one.evidence,
        one.runner_up,
        one.wanted,
        normal(one.wanted),
        problem,
        one.customer,
        one.written_off.minor if one.written_off is not None else 0,
    )


def part_rows(id: int, one: Application) -> list[Values]:
    """The rows of an application's parts."""
    return [
        (id, ordinal, part.invoice, normal(part.invoice), part.amount.currency, part.amount.minor)
        for ordinal, part in enumerate(one.parts)
    ]


_A, _P = APPLICATION.c, PART.c
APPLICATION_COLUMNS = (
    *(_A.movement, _A.version, _A.rule, _A.evidence, _A.runner_up, _A.wanted, _A.problem, _A.customer, _A.written_off),
)
PART_COLUMNS = (_P.invoice, _P.currency, _P.minor)


def part_of(row: Any) -> Part:
    """A part from the values of PART_COLUMNS."""
    invoice, currency, minor = row
    return Part(invoice, Money(minor, currency))


def application_of(row: Any, parts: list[Part]) -> Application:
    """An application from the values of APPLICATION_COLUMNS and its parts."""
    movement, version, rule, evidence, runner_up, wanted, problem, customer, written_off = row
    return Application(
        movement=movement,
        version=version,
        parts=tuple(parts),
        rule=rule,
        evidence=evidence,
        runner_up=runner_up,
        wanted=wanted,
        problem=problem_of(problem),
        customer=customer,
        written_off=Money(written_off, parts[0].amount.currency) if written_off else None,
    )


def invoice_row(invoice: Invoice) -> Values:
    """An invoice's row; its two amounts are of one currency, or the program is wrong."""
    if invoice.open.currency != invoice.total.currency:
        raise AssertionError(f"invoice {invoice.number} asks for {invoice.open} of {invoice.total}")
    return (
        invoice.target,
        invoice.id,
        invoice.number,
        normal(invoice.number),
        invoice.customer,
        invoice.email,
        invoice.total.currency,
        invoice.total.minor,
        invoice.open.minor,
        invoice.issued.isoformat(),
        invoice.due.isoformat() if invoice.due else None,
        micros(invoice.as_of),
    )


INVOICE_COLUMNS = tuple(column for column in INVOICE.c if column.name != "normal")


def invoice_of(row: Any) -> Invoice:
    """An invoice from the values of INVOICE_COLUMNS."""
    target, id, number, customer, email, currency, total, still_open, issued, due, as_of = row
    return Invoice(
        target=target,
        id=id,
        number=number,
        customer=customer,
        email=email,
        total=Money(total, currency),
        open=Money(still_open, currency),
        issued=date.fromisoformat(issued),
        due=day_of(due),
        as_of=from_micros(as_of),
    )


def refusal_row(subject: int, ordinal: int, refusal: Refusal) -> Values:
    """A refusal's row."""
    net = refusal.net
    return (
        subject,
        ordinal,
        refusal.type,
        refusal.id,
        problem_text(refusal.problem),
        instant(refusal.effective),
        None if net is None else net.currency,
        None if net is None else net.minor,
        refusal.bucket,
    )


REFUSAL_COLUMNS = tuple(column for column in REFUSAL.c if column.name not in ("subject", "ordinal"))


def refusal_of(row: Any) -> Refusal:
    """A refusal from the values of REFUSAL_COLUMNS."""
    type_, id, problem, effective, currency, minor, bucket = row
    net = None if currency is None else Money(minor, currency)
    return Refusal(type_, id, Problem(*json_of(problem)), instant_of(effective), net, bucket)


# ---------------------------------------------------------------- deliveries


def state_values(one: Delivery) -> Values:
    """What of a delivery changes while it is on its way: all but its identity, body and needs."""
    remote = one.remote
    return (
        one.kind.value,
        one.action.value,
        one.revision,
        one.generation,
        one.status.value,
        rank(one),
        one.date.isoformat() if one.date else None,
        instant(one.due),
        micros(one.as_of),
        one.attempts,
        one.call,
        problem_text(one.problem),
        None if remote is None else remote.id,
        None if remote is None else remote.version,
        one.delivered_revision,
        one.delivered_digest,
        instant(one.delivered_as_of),
        canonical(one.history[-HISTORY_MAX:]) if one.history else "",
    )


STATE_NAMES = tuple(column.name for column in DELIVERY.columns)[3:21]


def delivery_row(subject: int, one: Delivery) -> Values:
    """A delivery's row."""
    rest = (one.digest, one.facts, object_text(one.needs), object_text(one.body), one.map, one.undone, one.reverses)
    return (one.key, one.target, subject, *state_values(one), *rest)


DELIVERY_COLUMNS = tuple(column for column in DELIVERY.columns if column.name != "subject")


def delivery_of(subject: str, row: Any) -> Delivery:
    """A delivery from the values of DELIVERY_COLUMNS."""
    key, target, kind, action, revision, generation, status, _, day, due, as_of, attempts, call, problem, *more = row
    remote, remote_version, delivered_revision, delivered_digest, delivered_as_of, *said = more
    history, digest, facts, needs, body, map, undone, reverses = said
    return Delivery(
        target=target,
        key=key,
        kind=_KINDS[kind],
        subject=subject,
        action=_ACTIONS[action],
        revision=revision,
        generation=generation,
        status=_STATUSES[status],
        as_of=from_micros(as_of),
        body=json_of(body),
        digest=digest,
        facts=facts,
        needs=json_of(needs),
        date=day_of(day),
        due=instant_of(due),
        attempts=attempts,
        call=call,
        problem=problem_of(problem),
        remote=None if remote is None else Remote(remote, remote_version),
        delivered_revision=delivered_revision,
        delivered_digest=delivered_digest,
        delivered_as_of=instant_of(delivered_as_of),
        history=tuple(json_of(history)),
        map=map,
        undone=undone,
        reverses=reverses,
    )
