"""How objects looked in an older API version: what an event that was made then still shows.

The version is 2023-08-16: invoices, payments and subscriptions named each other directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from syncjob.sandbox.world import World

OLD_VERSION = "2023-08-16"
_Shape: TypeAlias = dict[str, Any]
# What did not exist then.
_UNKNOWN_THEN: Mapping[str, tuple[str, ...]] = {
    "charge": ("failure_balance_transaction", "radar_options"),
    "customer": ("customer_account",),
    "invoice": ("amount_overpaid", "customer_account", "issuer", "total_pretax_credit_amounts", "webhooks_delivered_at"),
    "payment_intent": ("customer_account", "excluded_payment_method_types", "payment_method_configuration_details"),
    "payout": ("payout_method", "trace_id", "application_fee", "application_fee_amount"),
    "refund": ("customer_account", "destination_details"),
    "subscription": ("billing_mode", "customer_account", "invoice_settings"),
}


def as_of_old(shape: _Shape, world: World) -> _Shape:
    """An object as the old version showed it."""
    kind = shape["object"]
    for name in _UNKNOWN_THEN.get(kind, ()):
        shape.pop(name, None)
    change = _CHANGES.get(kind)
    return change(shape, world) if change is not None else shape


def _invoice_of(intent: object, world: World) -> str | None:
    places = world.invoice_payments.places("payment_intent", str(intent))
    return world.invoice_payments.rows[places[0]].invoice if places else None


def _charge(shape: _Shape, world: World) -> _Shape:
    invoice = _invoice_of(shape["payment_intent"], world)
    return {**shape, "destination": None, "dispute": None, "invoice": invoice, "order": None}


def _payment_intent(shape: _Shape, world: World) -> _Shape:
    return {**shape, "invoice": _invoice_of(shape["id"], world)}


def _invoice(shape: _Shape, world: World) -> _Shape:
    parent, taxes = shape.pop("parent"), shape.pop("total_taxes")
    places = world.invoice_payments.places("invoice", shape["id"])
    intent = world.invoice_payments.rows[places[-1]].payment_intent if places and shape["amount_paid"] else None
    charge = world.intents.get(intent).latest_charge if intent is not None else None
    lines = shape["lines"]["data"]
    for line in lines:
        line.pop("parent")
        line["tax_amounts"] = line.pop("taxes")
        line["type"] = "subscription" if parent else "invoiceitem"
    return {
        **shape,
        "charge": charge,
        "paid": shape["status"] == "paid",
        "paid_out_of_band": False,
        "payment_intent": intent,
        "subscription": parent["subscription_details"]["subscription"] if parent else None,
        "tax": sum(tax["amount"] for tax in taxes) if taxes else None,
        "total_tax_amounts": [
            {"amount": tax["amount"], "inclusive": False, "tax_rate": "txr_1SandboxExample"} for tax in taxes
        ],
    }


def _subscription(shape: _Shape, world: World) -> _Shape:  # noqa: ARG001 - one form for all
    item = shape["items"]["data"][0]
    start, end = item.pop("current_period_start"), item.pop("current_period_end")
    price = item["price"]
    plan = {"id": price["id"], "object": "plan", "amount": price["unit_amount"], "currency": price["currency"]}
    return {**shape, "current_period_end": end, "current_period_start": start, "plan": plan, "quantity": 1}


_CHANGES: Mapping[str, Callable[[_Shape, World], _Shape]] = {
    "charge": _charge,
    "invoice": _invoice,
    "payment_intent": _payment_intent,
    "subscription": _subscription,
}
