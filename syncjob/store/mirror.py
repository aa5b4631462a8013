"""The local mirror of the books' invoices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, tuple_

from syncjob.matching import normal
from syncjob.model import Invoice
from syncjob.moment import micros
from syncjob.money import Money
from syncjob.store import rows, subjects
from syncjob.store.database import Database, among
from syncjob.store.planning import LATEST
from syncjob.store.tables import APPLICATION, INVOICE, MIRROR, PART, SUBJECT
from syncjob.store.values import Subject

_I, _A, _P, _S = INVOICE.c, APPLICATION.c, PART.c, SUBJECT.c
_CURSOR = select(MIRROR.c.cursor).where(MIRROR.c.target == bindparam("target"))
_BY_ID = select(*rows.INVOICE_COLUMNS).where(_I.target == bindparam("target"), among(_I.id, "ids"))
_OF_TARGET = (
    select(*rows.INVOICE_COLUMNS)
    .where(
        _I.target == bindparam("target"),
        tuple_(_I.number, _I.id) > tuple_(bindparam("after_number"), bindparam("after_id")),
    )
    .order_by(_I.number, _I.id)
    .limit(1000)
)
_WANTING = (
    select(_S.scope, _S.name, _S.position)
    .select_from(APPLICATION.join(SUBJECT, _S.id == _A.subject))
    .where(
        or_(among(_A.number, "wanted"), _A.id.in_(select(_P.application).where(among(_P.number, "named")))),
        LATEST,
    )
    .distinct()
)
_BROUGHT = (
    select(_P.number, _P.currency, func.sum(_P.minor))
    .select_from(PART.join(APPLICATION, _A.id == _P.application))
    .where(_P.number != "", LATEST)
    .group_by(_P.number, _P.currency)
)


def cursor(database: Database, target: str) -> str | None:
    """How far the books were mirrored."""
    found = database.rows(_CURSOR, target=target)
    return str(found[0][0]) if found else None


def land(database: Database, target: str, invoices: Sequence[Invoice], cursor: str, now: datetime) -> int:
    """Store the invoices that changed, and ask for everything to be planned again that they concern."""
    with database.writing():
        newest = {invoice.id: invoice for invoice in invoices}  # of two spellings in one page the later counts
        found = database.rows(_BY_ID, target=target, ids=list(newest)) if newest else []
        known = {invoice.id: invoice for invoice in map(rows.invoice_of, found)}
        changed = [invoice for invoice in newest.values() if _is_news(invoice, known.get(invoice.id))]
        if changed:
            database.upsert(INVOICE, [rows.invoice_row(invoice) for invoice in changed])
            _ask(database, target, changed, known)
        database.upsert(MIRROR, [(target, cursor, micros(now))])
    return len(changed)


def _is_news(invoice: Invoice, before: Invoice | None) -> bool:
    """Old news never replaces newer news, and that an invoice was looked at again is no change of it."""
    if before is None:
        return True
    return invoice.as_of >= before.as_of and _content(invoice) != _content(before)


def _content(invoice: Invoice) -> tuple[object, ...]:
    return invoice.number, invoice.customer, invoice.email, invoice.total, invoice.open, invoice.issued, invoice.due


def _ask(database: Database, target: str, changed: Sequence[Invoice], known: dict[str, Invoice]) -> None:
    invoices = [Subject(target, f"invoice:{invoice.number}", subjects.AFTER_RECORDS) for invoice in changed]
    spelled = [normal(invoice.number) for invoice in changed]
    spelled += [normal(known[invoice.id].number) for invoice in changed if invoice.id in known]
    numbers = [number for number in dict.fromkeys(spelled) if number]
    found = database.rows(_WANTING, wanted=numbers, named=numbers) if numbers else []
    subjects.mark_dirty(database, [*invoices, *(Subject(*row) for row in found)])


def states(database: Database, target: str) -> Iterator[tuple[Invoice, Money]]:
    """Every invoice of a target, by number, with what the latest applications bring to it in its own currency."""
    brought = {(number, currency): int(minor) for number, currency, minor in database.rows(_BROUGHT)}
    number = id = ""
    while page := database.rows(_OF_TARGET, target=target, after_number=number, after_id=id):
        for one in map(rows.invoice_of, page):
            yield one, Money(brought.get((normal(one.number), one.total.currency), 0), one.total.currency)
            number, id = one.number, one.id
