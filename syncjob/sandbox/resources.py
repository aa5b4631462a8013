"""What can be listed under which path, and by which filters; times are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from syncjob.sandbox.objects import (
    Account,
    ApplicationFee,
    Charge,
    CreditNote,
    Customer,
    Dispute,
    Event,
    Hold,
    Invoice,
    InvoicePayment,
    Movement,
    PaymentIntent,
    Payout,
    Refund,
    Release,
    Subscription,
    Topup,
    Transfer,
)
from syncjob.sandbox.shelf import Shelf
from syncjob.sandbox.world import World


class Resource(NamedTuple):
    """What can be listed under one path, and by which filters."""

    noun: str
    type: type
    shelf: Callable[[World], Shelf[Any]]
    indexed: Mapping[str, str] = {}
    fields: Mapping[str, Callable[[Any], object]] = {}
    times: Mapping[str, Callable[[Any], int | None]] = {}


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


# Lists that stand inside an object and have a path of their own: (outer path, field).
INNER = frozenset(
    {
        ("charges", "refunds"),
        ("invoices", "lines"),
        ("credit_notes", "lines"),
        ("transfers", "reversals"),
        ("application_fees", "refunds"),
    }
)
RESOURCES: Mapping[str, Resource] = {
    "balance_transactions": Resource(
        "balance transaction", Movement, lambda w: w.ledger.movements, _same("type", "source", "currency")
    ),
    "charges": Resource(
        "charge",
        Charge,
        lambda w: w.charges,
        _same("customer", "payment_intent"),
        {"transfer_group": lambda it: it.transfer_group},
    ),
    "refunds": Resource("refund", Refund, lambda w: w.refunds, _same("charge", "payment_intent")),
    "disputes": Resource("dispute", Dispute, lambda w: w.disputes, _same("charge", "payment_intent")),
    "payouts": Resource(
        "payout",
        Payout,
        lambda w: w.payouts,
        fields={"status": lambda it: it.status, "destination": lambda _: "ba_1SandboxExampleBank"},
        times={"arrival_date": lambda it: it.arrival_date},
    ),
    "events": Resource("event", Event, lambda w: w.events, fields={"delivery_success": lambda _: "true"}),
    "customers": Resource("customer", Customer, lambda w: w.customers, fields={"email": lambda it: it.email}),
    "invoices": Resource(
        "invoice",
        Invoice,
        lambda w: w.invoices,
        _same("customer", "subscription"),
        {
            "status": lambda it: it.status,
            "collection_method": lambda it: "send_invoice" if it.due_date else "charge_automatically",
        },
        {"due_date": lambda it: it.due_date},
    ),
    "invoice_payments": Resource(
        "invoice payment",
        InvoicePayment,
        lambda w: w.invoice_payments,
        {"invoice": "invoice", "payment[payment_intent]": "payment_intent"},
        {"status": lambda it: it.status, "payment[type]": lambda _: "payment_intent"},
    ),
    "payment_intents": Resource("payment_intent", PaymentIntent, lambda w: w.intents, _same("customer")),
    "subscriptions": Resource("subscription", Subscription, lambda w: w.subscriptions, _same("customer")),
    "credit_notes": Resource("credit note", CreditNote, lambda w: w.credit_notes, _same("invoice", "customer")),
    "topups": Resource(
        "top-up",
        Topup,
        lambda w: w.topups,
        fields={"status": lambda it: it.status, "amount": lambda it: str(it.amount)},
    ),
    "transfers": Resource(
        "transfer", Transfer, lambda w: w.transfers, _same("destination"), {"transfer_group": lambda it: it.transfer_group}
    ),
    "application_fees": Resource("application fee", ApplicationFee, lambda w: w.application_fees, _same("charge")),
    "accounts": Resource("account", Account, lambda w: w.accounts),
    "reserve/holds": Resource("reserve hold", Hold, lambda w: w.holds, fields={"currency": lambda it: it.currency}),
    "reserve/releases": Resource("reserve release", Release, lambda w: w.releases, fields={"reserve_hold": lambda it: it.hold}),
}
