"""Payments that name no invoice and whose customer the books know, and what those customers still owe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import and_, bindparam, select

from syncjob.crosswalk import Name
from syncjob.model import NO_NUMBER, Invoice
from syncjob.moment import from_micros
from syncjob.money import Money
from syncjob.store import rows
from syncjob.store.database import Database, among
from syncjob.store.planning import LATEST
from syncjob.store.tables import APPLICATION, CUSTOMER, ENTRY, INVOICE, PART, SUBJECT
from syncjob.store.values import Subject

_AT_ONCE = 5000  # payments
_A, _P, _S, _E, _I = APPLICATION.c, PART.c, SUBJECT.c, ENTRY.c, INVOICE.c
_PAYER, _BOOKS = CUSTOMER.alias("payer"), CUSTOMER.alias("known")
_OTHER, _BACK = APPLICATION.alias("other"), PART.alias("back")
_GIVEN_BACK = (
    select(_BACK.c.application)
    .select_from(_OTHER.join(_BACK, _BACK.c.application == _OTHER.c.id))
    .where(_OTHER.c.subject == _A.subject, _BACK.c.minor < 0)
    .exists()
)
_PAYMENT = (_S.scope, _S.name, _S.position, _A.movement, _A.customer, _P.currency, _P.minor, _E.date, _E.effective)
_PAYMENTS = (
    APPLICATION.join(PART, _P.application == _A.id).join(SUBJECT, _S.id == _A.subject).join(ENTRY, _E.key == _A.movement)
)
_IS_WHOLE = and_(_A.customer != "", _A.rule == NO_NUMBER, _P.number == "", _P.minor > 0, LATEST, ~_GIVEN_BACK)
_WAITING = (
    select(_PAYER.c.number, _BOOKS.c.id, *_PAYMENT)
    .select_from(
        _PAYMENTS.join(_PAYER, and_(_PAYER.c.system == _S.scope, _PAYER.c.id == _A.customer)).join(
            _BOOKS, and_(_BOOKS.c.number == _PAYER.c.number, _BOOKS.c.system == bindparam("target"))
        )
    )
    .where(_IS_WHOLE, _PAYER.c.number > bindparam("after"))
    .order_by(_PAYER.c.number, _A.movement)
    .limit(_AT_ONCE)
)
_OF_PAYER = (
    select(*_PAYMENT)
    .select_from(_PAYMENTS)
    .where(_IS_WHOLE, _A.customer == bindparam("payer"), _S.scope == bindparam("source"))
    .order_by(_A.movement)
)
_OWED = (
    select(*rows.INVOICE_COLUMNS)
    .where(_I.target == bindparam("target"), among(_I.customer, "customers"), _I.open > 0)
    .order_by(_I.customer, _I.issued, _I.number)
)


class Unnamed(NamedTuple):
    """A payment that stands whole as the credit of a customer: `customer` is what the gateway calls them."""

    subject: Subject
    movement: str
    customer: str
    amount: Money
    day: date
    effective: datetime


def unnamed(database: Database, target: str) -> Iterator[list[tuple[str, list[Unnamed]]]]:
    """Some customers at a time, each by the name that a target's books have for them, with their payments.

    What was ever given back in part is left out, and who has some thousand such payments: nothing is unique there.
    """
    after = 0
    while found := database.rows(_WAITING, target=target, after=after):
        last = found[-1][0]
        if len(found) == _AT_ONCE and found[0][0] != last:
            found = [row for row in found if row[0] != last]  # the next page has all of them
        after = found[-1][0]
        yield [
            (str(name), [_unnamed(row[2:]) for row in of_customer])
            for (_, name), of_customer in groupby(found, key=lambda row: (row[0], row[1]))
        ]


def unnamed_of(database: Database, payer: Name) -> list[Unnamed]:
    """The payments of one customer of a gateway that stand whole as credit."""
    source, id = payer
    return [_unnamed(row) for row in database.rows(_OF_PAYER, payer=id, source=source)]


def _unnamed(row: Sequence[object]) -> Unnamed:
    scope, name, position, movement, customer, currency, minor, day, at = row
    return Unnamed(
        Subject(str(scope), str(name), int(str(position))),
        str(movement),
        str(customer),
        Money(int(str(minor)), str(currency)),
        date.fromisoformat(str(day)),
        from_micros(int(str(at))),
    )


def owed(database: Database, target: str, customers: Sequence[str]) -> dict[str, list[Invoice]]:
    """The invoices by customer of which a target's books ask for something, payments of ours not counted."""
    found: dict[str, list[Invoice]] = {}
    for invoice in map(rows.invoice_of, database.rows(_OWED, target=target, customers=list(customers))):
        found.setdefault(invoice.customer, []).append(invoice)
    return found
