"""What stands in the simulated account: frozen values; a change is a new value, so an event can keep the old one.

Amounts are minor units, times are Unix seconds of the simulated clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Customer(NamedTuple):
    """Somebody who pays."""

    id: str
    created: int
    name: str
    email: str
    country: str
    city: str
    description: str | None
    metadata: Mapping[str, str]


class Charge(NamedTuple):
    """One attempt to take money, successful or not."""

    id: str
    created: int
    amount: int
    currency: str
    customer: str | None
    name: str | None
    email: str | None
    country: str | None
    description: str | None
    metadata: Mapping[str, str]
    method: str
    payment_intent: str
    status: str = "succeeded"
    failure_code: str | None = None
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    amount_refunded: int = 0
    disputed: bool = False


class PaymentIntent(NamedTuple):
    """The wish to be paid, under which charges are tried."""

    id: str
    created: int
    amount: int
    currency: str
    customer: str | None
    description: str | None
    metadata: Mapping[str, str]
    method: str
    status: str
    latest_charge: str | None
    failure_code: str | None = None


class FeeDetail(NamedTuple):
    """One part of a fee."""

    amount: int
    currency: str
    description: str
    type: str


class Movement(NamedTuple):
    """One line of the balance (a balance transaction): the only place where money really moves."""

    id: str
    created: int
    type: str
    category: str
    amount: int
    fee_details: tuple[FeeDetail, ...]
    currency: str
    rate_micro: int | None
    available_on: int
    source: str | None
    description: str | None

    @property
    def fee(self) -> int:
        """The sum of the fee's parts."""
        return sum(part.amount for part in self.fee_details)

    @property
    def net(self) -> int:
        """What the balance changed by."""
        return self.amount - self.fee


class Refund(NamedTuple):
    """Money given back to a customer."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    customer: str | None
    reason: str
    method: str
    balance_transaction: str
    metadata: Mapping[str, str]
    status: str = "succeeded"
    failure_reason: str | None = None
    failure_balance_transaction: str | None = None


class Dispute(NamedTuple):
    """A payment that the customer's bank took back, at least for now."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str
    network_reason_code: str
    status: str
    balance_transactions: tuple[str, ...]


class Payout(NamedTuple):
    """Money on its way to the merchant's bank."""

    id: str
    created: int
    amount: int
    currency: str
    arrival_date: int
    automatic: bool
    balance_transaction: str
    status: str = "in_transit"
    reconciliation_status: str = "in_progress"
    failure_code: str | None = None
    failure_balance_transaction: str | None = None


class Topup(NamedTuple):
    """Money that the merchant brought to the balance."""

    id: str
    created: int
    amount: int
    currency: str
    balance_transaction: str
    description: str


class Invoice(NamedTuple):
    """An invoice that Stripe itself keeps."""

    id: str
    created: int
    customer: str
    customer_name: str
    customer_email: str
    currency: str
    total: int
    description: str
    subscription: str | None
    billing_reason: str
    period_start: int
    period_end: int
    due_date: int | None
    number: str | None = None
    status: str = "draft"
    amount_paid: int = 0
    attempt_count: int = 0
    finalized_at: int | None = None
    paid_at: int | None = None


class InvoicePayment(NamedTuple):
    """The link between an invoice of Stripe's and the payment for it."""

    id: str
    created: int
    invoice: str
    payment_intent: str
    currency: str
    amount_requested: int
    amount_paid: int
    paid_at: int


class Subscription(NamedTuple):
    """A customer's standing order."""

    id: str
    created: int
    customer: str
    amount: int
    currency: str
    period_start: int
    period_end: int
    status: str = "active"
    canceled_at: int | None = None
    latest_invoice: str | None = None


class CreditNote(NamedTuple):
    """A correction of an invoice; no scenario makes one yet, but the list exists."""

    id: str
    created: int


Thing = (
    Customer
    | Charge
    | PaymentIntent
    | Movement
    | Refund
    | Dispute
    | Payout
    | Topup
    | Invoice
    | InvoicePayment
    | Subscription
    | CreditNote
)


class Event(NamedTuple):
    """News: something changed, and what it looked like just then."""

    id: str
    created: int
    type: str
    snapshot: Thing
    previous: Mapping[str, object] | None


class SalesInvoice(NamedTuple):
    """An invoice in the merchant's own books; Stripe knows nothing of it."""

    number: str
    customer: str
    email: str
    currency: str
    total: int
    issued: int
    due: int
