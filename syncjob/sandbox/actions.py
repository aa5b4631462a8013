"""What can happen in a world: a scenario is a list of these in the order of time.

`at` is Unix seconds, amounts are minor units. People and payments are named by a label that the scenario chose,
or by an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

NOTHING: Mapping[str, str] = MappingProxyType({})


class NewCustomer(NamedTuple):
    """A customer registers."""

    at: int
    label: str
    name: str
    email: str
    country: str = "DE"
    city: str = "Musterstadt"
    description: str | None = None


class UpdateCustomer(NamedTuple):
    """A customer's particulars change."""

    at: int
    customer: str
    email: str | None = None
    name: str | None = None
    description: str | None = None


class Pay(NamedTuple):
    """A customer pays; `invoice` is the sales invoice that it is really for, whatever the payment says."""

    at: int
    label: str
    customer: str | None
    amount: int
    currency: str
    description: str | None = None
    metadata: Mapping[str, str] = NOTHING
    method: str = "card"
    invoice: str | None = None
    settled: str | None = None
    fee_tax: int = 0


class Decline(NamedTuple):
    """A customer's card is refused."""

    at: int
    label: str
    customer: str | None
    amount: int
    currency: str
    code: str = "insufficient_funds"
    description: str | None = None


class UpdateCharge(NamedTuple):
    """Somebody edits a payment's description or metadata."""

    at: int
    charge: str
    description: str | None = None
    metadata: Mapping[str, str] | None = None


class FailPayment(NamedTuple):
    """A direct debit that looked paid is returned by the bank."""

    at: int
    charge: str


class GiveRefund(NamedTuple):
    """The merchant gives money back; without an amount, all that is left."""

    at: int
    label: str
    charge: str
    amount: int | None = None
    reason: str = "requested_by_customer"


class FailRefund(NamedTuple):
    """A refund comes back because the customer's card is gone."""

    at: int
    refund: str
    reason: str = "lost_or_stolen_card"


class OpenDispute(NamedTuple):
    """A customer's bank takes a payment back."""

    at: int
    label: str
    charge: str
    reason: str = "fraudulent"


class CloseDispute(NamedTuple):
    """A dispute is decided."""

    at: int
    dispute: str
    won: bool


class Move(NamedTuple):
    """A line of the balance that belongs to no object: a usage fee, a reserve, something nobody knows."""

    at: int
    type: str
    amount: int
    currency: str
    fee: int = 0
    category: str | None = None
    description: str | None = None
    id: str | None = None


class TopUp(NamedTuple):
    """The merchant brings money to the balance."""

    at: int
    label: str
    amount: int
    currency: str


class PayOut(NamedTuple):
    """What is available goes to the bank; a manual payout takes an amount."""

    at: int
    currency: str
    label: str = ""
    automatic: bool = True
    amount: int | None = None
    fails: bool = False


class EndPayout(NamedTuple):
    """A payout reaches the bank, or comes back."""

    at: int
    payout: str
    fails: bool


class IssueSalesInvoice(NamedTuple):
    """The merchant's own books issue an invoice, outside Stripe."""

    at: int
    number: str
    customer: str
    currency: str
    total: int
    due_days: int = 14


class IssueStripeInvoice(NamedTuple):
    """Stripe issues an invoice for the merchant, with the number of the merchant's books."""

    at: int
    label: str
    customer: str
    currency: str
    total: int
    number: str
    description: str
    subscription: str | None = None
    due_days: int | None = 14


class PayStripeInvoice(NamedTuple):
    """A customer pays an invoice of Stripe's in full."""

    at: int
    label: str
    stripe_invoice: str
    invoice: str | None = None


class FailStripeInvoice(NamedTuple):
    """An attempt to collect an invoice of Stripe's is refused."""

    at: int
    stripe_invoice: str
    code: str = "insufficient_funds"


class Subscribe(NamedTuple):
    """A customer takes a subscription by the month."""

    at: int
    label: str
    customer: str
    amount: int
    currency: str


class CancelSubscription(NamedTuple):
    """A customer ends a subscription at once."""

    at: int
    subscription: str


Action = (
    NewCustomer
    | UpdateCustomer
    | Pay
    | Decline
    | UpdateCharge
    | FailPayment
    | GiveRefund
    | FailRefund
    | OpenDispute
    | CloseDispute
    | Move
    | TopUp
    | PayOut
    | EndPayout
    | IssueSalesInvoice
    | IssueStripeInvoice
    | PayStripeInvoice
    | FailStripeInvoice
    | Subscribe
    | CancelSubscription
)
