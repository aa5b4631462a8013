"""What a target's map may read of a person, a movement and its accounts: the same words for books and CRM."""

from __future__ import annotations

from dataclasses import dataclass

from syncjob.chart import Chart
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.model import Person, Role, Transaction
from syncjob.money import Money


@dataclass(frozen=True, slots=True, repr=False)
class Accounts:
    """Which account of the books plays a role, for a source and the currency that it settles in."""

    chart: Chart
    source: str
    currency: str

    def __call__(self, role: Role) -> str:
        """The account code; a currency that nobody has used before holds its own payment, not the run."""
        try:
            return self.chart.code(role, self.source, self.currency)
        except Misconfigured as missing:
            raise RecordRefused(str(missing), self.source) from missing

    def __repr__(self) -> str:
        return f"the accounts of {self.source} in {self.currency}"


def of_person(person: Person) -> dict[str, object]:
    """Who it was, as far as the gateway knows; what is not known is None."""
    address = person.address
    return {
        "customer_name": person.name or None,
        "customer_email": person.email or None,
        "customer_phone": person.phone or None,
        "customer_company": person.company or None,
        "customer_country": address.country or person.country or None,
        "customer_address": address or None,
        "customer_subdivision": address.subdivision or None,
        "customer_city": address.city or None,
        "customer_postal_code": address.postal_code or None,
    }


def of_movement(one: Transaction, presented: Money) -> dict[str, object]:
    """What a movement of money says of itself; `presented` is the amount as the customer saw it."""
    moved = one.gross.minor or one.net.minor
    return {
        "ledger_id": one.id,
        "origin": one.origin,
        "parent": one.parent or None,
        "type": one.type,
        "bucket": one.bucket,
        "occurred": one.occurred,
        "effective": one.effective,
        "available": one.available,
        "description": one.description or None,
        "direction": ("in" if moved > 0 else "out") if moved else None,
        "live": one.stream.mode == "live",
        "gross": one.gross,
        "net": one.net,
        "fee": one.gross - one.net,
        "tax": _tax(one),
        "presented": presented,
        "presented_currency": presented.currency,
        "settled": one.gross,
        "settled_currency": one.gross.currency,
    }


def _tax(one: Transaction) -> Money | None:
    """All tax of a movement, where it is in one currency."""
    if not one.taxes or len({tax.amount.currency for tax in one.taxes}) > 1:
        return None
    return Money(sum(tax.amount.minor for tax in one.taxes), one.taxes[0].amount.currency)
