"""What stands in the simulated account: frozen values; a change is a new value, so an event can keep the old one.

Amounts are minor units, times are Unix seconds of the simulated clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, str] = MappingProxyType({})


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
    balance: int = 0
    deleted: bool = False


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
    city: str | None
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
    amount_captured: int | None = None  # None: all of it, as soon as it succeeds
    application_fee: str | None = None
    application_fee_amount: int | None = None
    transfer_group: str | None = None
    source_transfer: str | None = None

    @property
    def captured(self) -> int:
        """How much of it was really taken."""
        if self.amount_captured is not None:
            return self.amount_captured
        return self.amount if self.status == "succeeded" else 0


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
    application: str | None = None


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
    balance_type: str = "payments"

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
    reason: str | None
    method: str
    balance_transaction: str | None
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
    case_type: str = "chargeback"


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
    method: str = "standard"
    original_payout: str | None = None
    reversed_by: str | None = None


class Topup(NamedTuple):
    """Money that the merchant brought to the balance."""

    id: str
    created: int
    amount: int
    currency: str
    balance_transaction: str | None
    description: str
    status: str = "succeeded"
    failure_code: str | None = None


class InvoiceLine(NamedTuple):
    """One line of an invoice; a proration is what a change in the middle of a period costs or gives back."""

    amount: int
    description: str
    proration: bool = False


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
    tax: int = 0
    lines: tuple[InvoiceLine, ...] = ()
    amount_overpaid: int = 0
    starting_balance: int = 0
    pre_payment_credit: int = 0
    post_payment_credit: int = 0
    voided_at: int | None = None
    uncollectible_at: int | None = None
    metadata: Mapping[str, str] = _NOTHING

    @property
    def amount_due(self) -> int:
        """What is asked of the customer, after credit from earlier and credit notes."""
        return max(0, self.total + self.starting_balance - self.pre_payment_credit)

    @property
    def ending_balance(self) -> int:
        """What is left of the customer's balance: below zero it is credit for the next invoice."""
        return min(0, self.total + self.starting_balance)


class InvoicePayment(NamedTuple):
    """The link between an invoice of Stripe's and the payment for it."""

    id: str
    created: int
    invoice: str
    payment_intent: str
    currency: str
    amount_requested: int
    amount_paid: int | None
    paid_at: int | None
    status: str = "paid"
    is_default: bool = True
    canceled_at: int | None = None


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
    cancel_at_period_end: bool = False
    ended_at: int | None = None
    trial_end: int | None = None
    reason: str | None = None
    item_created: int | None = None


class CreditNote(NamedTuple):
    """A correction of an invoice: before it was paid it lowers what is due, afterwards it gives money or credit back."""

    id: str
    created: int
    invoice: str
    customer: str
    currency: str
    amount: int
    number: str
    type: str
    reason: str | None
    memo: str | None
    tax: int = 0
    refund: str | None = None
    out_of_band: int = 0
    customer_balance: int = 0
    status: str = "issued"
    voided_at: int | None = None


class Account(NamedTuple):
    """A connected account, as its platform sees it."""

    id: str
    created: int
    name: str
    country: str
    currency: str


class Transfer(NamedTuple):
    """Money that a platform moved to a connected account."""

    id: str
    created: int
    amount: int
    currency: str
    destination: str
    destination_payment: str
    balance_transaction: str
    description: str | None
    source_transaction: str | None = None
    transfer_group: str | None = None
    amount_reversed: int = 0


class TransferReversal(NamedTuple):
    """Money that a platform took back from a connected account."""

    id: str
    created: int
    amount: int
    currency: str
    transfer: str
    balance_transaction: str
    destination_payment_refund: str


class ApplicationFee(NamedTuple):
    """A platform's share of what a connected account took."""

    id: str
    created: int
    account: str
    amount: int
    currency: str
    application: str
    charge: str
    balance_transaction: str
    amount_refunded: int = 0


class FeeRefund(NamedTuple):
    """A platform's share, given back."""

    id: str
    created: int
    amount: int
    currency: str
    fee: str
    balance_transaction: str


class Hold(NamedTuple):
    """Money that is held in reserve, and how much of it may still be released."""

    id: str
    created: int
    amount: int
    currency: str
    releasable: int


class Release(NamedTuple):
    """Money that came back out of the reserve."""

    id: str
    created: int
    amount: int
    currency: str
    hold: str


class Origin(NamedTuple):
    """Something that is seen only behind a line of the balance; `shape` is all that there is to say."""

    id: str
    created: int
    kind: str
    shape: Mapping[str, Any]


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
    | Account
    | Transfer
    | TransferReversal
    | ApplicationFee
    | FeeRefund
    | Hold
    | Release
    | Origin
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
