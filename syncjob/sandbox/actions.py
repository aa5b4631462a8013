"""What can happen in a world: a scenario is a list of these in the order of time.

`at` is Unix seconds, amounts are minor units. People and payments are named by a label that the scenario chose,
or by an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_SHARES: Mapping[str, int] = MappingProxyType({})


class Action(Protocol):
    """Anything that happens, and when."""

    @property
    def at(self) -> int:
        """Unix seconds."""


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


class DeleteCustomer(NamedTuple):
    """A customer is deleted; what they paid stays, and their subscriptions end at once."""

    at: int
    customer: str


class Pay(NamedTuple):
    """A customer pays; `invoice` is the sales invoice that it is really for, whatever the payment says.

    `invoices` says the same of a payment for several: how much of it is for which. `application_fee` is the platform's share
    of a connected account's payment; `passthrough` and `withheld` are the network's costs and the tax kept back.
    """

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
    invoices: Mapping[str, int] = NO_SHARES
    application_fee: int = 0
    passthrough: int = 0
    withheld: int = 0


class PayLater(NamedTuple):
    """A customer pays in a way that is pending for days: the money comes, or never does."""

    at: int
    label: str
    customer: str | None
    amount: int
    currency: str
    description: str | None = None
    metadata: Mapping[str, str] = NOTHING
    method: str = "sepa_debit"
    invoice: str | None = None
    days: int = 5
    fails: bool = False


class SettlePayment(NamedTuple):
    """A pending payment succeeds, or fails."""

    at: int
    charge: str
    fails: bool = False


class Authorize(NamedTuple):
    """A customer's card is good for an amount that nobody has taken yet."""

    at: int
    label: str
    customer: str | None
    amount: int
    currency: str
    description: str | None = None
    metadata: Mapping[str, str] = NOTHING
    invoice: str | None = None


class Capture(NamedTuple):
    """The merchant takes what was authorised, or a part of it; the rest is let go."""

    at: int
    charge: str
    amount: int | None = None


class ExpireAuthorization(NamedTuple):
    """Nobody took the money in time."""

    at: int
    charge: str


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
    pending: bool = False


class SettleRefund(NamedTuple):
    """A pending refund arrives, or is called back."""

    at: int
    refund: str
    canceled: bool = False


class FailRefund(NamedTuple):
    """A refund comes back because the customer's card is gone."""

    at: int
    refund: str
    reason: str = "lost_or_stolen_card"


class OpenDispute(NamedTuple):
    """A customer's bank takes a payment back; an inquiry only asks, and moves nothing."""

    at: int
    label: str
    charge: str
    reason: str = "fraudulent"
    inquiry: bool = False


class UpdateDispute(NamedTuple):
    """A dispute moves on: evidence is under review, an inquiry becomes a dispute, is closed, or is prevented."""

    at: int
    dispute: str
    status: str


class CloseDispute(NamedTuple):
    """A dispute is decided."""

    at: int
    dispute: str
    won: bool


class Move(NamedTuple):
    """A line of the balance that no payment made: a usage fee, a reserve, something nobody knows.

    With `origin` an object of its own stands behind it, for the types that have one.
    """

    at: int
    type: str
    amount: int
    currency: str
    fee: int = 0
    category: str | None = None
    description: str | None = None
    id: str | None = None
    origin: bool = False


class TopUp(NamedTuple):
    """The merchant brings money to the balance; a pending one may still fail."""

    at: int
    label: str
    amount: int
    currency: str
    pending: bool = False


class EndTopUp(NamedTuple):
    """A top-up arrives, fails, is called off, or is taken back: succeeded, failed, canceled, reversed."""

    at: int
    topup: str
    status: str


class PayOut(NamedTuple):
    """What is available goes to the bank; a manual payout takes an amount.

    An instant one costs a fee; a pending one can still be called off; with `debit` the bank account pays what the balance owes.
    """

    at: int
    currency: str
    label: str = ""
    automatic: bool = True
    amount: int | None = None
    fails: bool = False
    instant: bool = False
    pending: bool = False
    debit: bool = False


class EndPayout(NamedTuple):
    """A payout reaches the bank, or comes back."""

    at: int
    payout: str
    fails: bool


class CancelPayout(NamedTuple):
    """A payout that has not left yet is called off."""

    at: int
    payout: str


class ReversePayout(NamedTuple):
    """A payout that has arrived is fetched back from the bank account."""

    at: int
    label: str
    payout: str


class HoldReserve(NamedTuple):
    """Stripe holds money back, in a balance of its own."""

    at: int
    label: str
    amount: int
    currency: str


class ReleaseReserve(NamedTuple):
    """Stripe gives held money free; without an amount, all that is left."""

    at: int
    hold: str
    amount: int | None = None


class Convert(NamedTuple):
    """A balance in one currency becomes one in another, for a fee."""

    at: int
    amount: int
    currency: str
    to: str
    fee: int = 0


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
    draft: bool = False
    tax: int = 0
    metadata: Mapping[str, str] = NOTHING


class PayStripeInvoice(NamedTuple):
    """A customer pays an invoice of Stripe's, in full unless an amount says otherwise."""

    at: int
    label: str
    stripe_invoice: str
    invoice: str | None = None
    amount: int | None = None


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
    trial_days: int = 0


class CancelSubscription(NamedTuple):
    """A customer ends a subscription, at once or at the end of what is paid."""

    at: int
    subscription: str
    at_period_end: bool = False
