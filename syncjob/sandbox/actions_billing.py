"""What can happen to Stripe's own invoices, credit notes and subscriptions, beside the plain cases in `actions`.

`at` is Unix seconds, amounts are minor units; invoices and subscriptions are named by a label or an id.
"""

from __future__ import annotations

from typing import NamedTuple


class FinalizeInvoice(NamedTuple):
    """A draft becomes an invoice."""

    at: int
    stripe_invoice: str
    number: str


class UpdateInvoice(NamedTuple):
    """Somebody edits an invoice's description."""

    at: int
    stripe_invoice: str
    description: str


class EndInvoice(NamedTuple):
    """An open invoice is given up: void, uncollectible; a draft is deleted."""

    at: int
    stripe_invoice: str
    status: str


class MissDueDate(NamedTuple):
    """The day on which an invoice was due has passed."""

    at: int
    stripe_invoice: str


class AttachPayment(NamedTuple):
    """A payment that came before its invoice, or for several, is put against one; what is too much shows as overpaid."""

    at: int
    stripe_invoice: str
    charge: str
    amount: int | None = None


class PaySeveralInvoices(NamedTuple):
    """A customer pays several invoices of Stripe's in one payment."""

    at: int
    label: str
    stripe_invoices: tuple[str, ...]


class IssueCreditNote(NamedTuple):
    """An invoice is corrected; on a paid one the money is refunded, kept as credit, or given back elsewhere (`how`)."""

    at: int
    label: str
    stripe_invoice: str
    amount: int
    how: str = "refund"
    reason: str = "order_change"
    memo: str | None = None


class VoidCreditNote(NamedTuple):
    """A credit note is taken back."""

    at: int
    credit_note: str


class RenewSubscription(NamedTuple):
    """A new period begins, with its invoice, which is paid unless it fails."""

    at: int
    label: str
    subscription: str
    number: str
    fails: bool = False


class ChangeSubscription(NamedTuple):
    """A customer takes a bigger plan, or a smaller one; the difference for the rest of the period is invoiced at once."""

    at: int
    label: str
    subscription: str
    amount: int
    number: str


class SetSubscriptionStatus(NamedTuple):
    """A subscription is paused, past due, unpaid, or active again."""

    at: int
    subscription: str
    status: str


class EndSubscription(NamedTuple):
    """What was cancelled for the end of its period ends."""

    at: int
    subscription: str
