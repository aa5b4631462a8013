"""How Stripe's own invoices and subscriptions look in its JSON; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from syncjob.sandbox.objects import CreditNote, Invoice, Subscription
from syncjob.sandbox.shapes import Shape

_EMPTY_ON_INVOICE = """account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_address
customer_phone customer_shipping default_payment_method default_source footer from_invoice hosted_invoice_url
invoice_pdf last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering
shipping_cost shipping_details statement_descriptor test_clock"""
_INVOICE_EMPTY = dict.fromkeys(_EMPTY_ON_INVOICE.split())
_ZERO_ON_INVOICE = """amount_overpaid amount_shipping post_payment_credit_notes_amount pre_payment_credit_notes_amount
starting_balance"""
_INVOICE_ZERO = dict.fromkeys(_ZERO_ON_INVOICE.split(), 0)
_NO_ROWS_ON_INVOICE = (
    "customer_tax_ids default_tax_rates discounts total_discount_amounts total_pretax_credit_amounts total_taxes"
)
_INVOICE_NO_ROWS: dict[str, list[Shape]] = {name: [] for name in _NO_ROWS_ON_INVOICE.split()}


def _line(it: Invoice) -> Shape:
    parent: Shape | None = None
    if it.subscription is not None:
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "subscription": it.subscription,
                "subscription_item": "si_1" + it.subscription[5:],
            },
            "type": "subscription_item_details",
        }
    return {
        "id": "il_1" + it.id[4:],
        "object": "line_item",
        "amount": it.total,
        "currency": it.currency,
        "description": it.description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": it.id,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"end": it.period_end, "start": it.period_start},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "subtotal": it.total,
        "taxes": [],
    }


def invoice(it: Invoice) -> Shape:
    """An invoice; its payments appear only when expanded."""
    parent: Shape | None = None
    if it.subscription is not None:
        parent = {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": it.subscription},
            "type": "subscription_details",
        }
    return {
        "id": it.id,
        "object": "invoice",
        **_INVOICE_EMPTY,
        **_INVOICE_ZERO,
        **_INVOICE_NO_ROWS,
        "account_country": "DE",
        "account_name": "Sandbox Example",
        "amount_due": it.total,
        "amount_paid": it.amount_paid,
        "amount_remaining": it.total - it.amount_paid,
        "attempt_count": it.attempt_count,
        "attempted": it.attempt_count > 0,
        "auto_advance": it.status == "open",
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "status": None},
        "billing_reason": it.billing_reason,
        "collection_method": "send_invoice" if it.due_date else "charge_automatically",
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "customer_email": it.customer_email,
        "customer_name": it.customer_name,
        "customer_tax_exempt": "none",
        "description": it.description,
        "due_date": it.due_date,
        "effective_at": it.finalized_at,
        "ending_balance": 0 if it.finalized_at else None,
        "issuer": {"type": "self"},
        "lines": {"object": "list", "data": [_line(it)], "has_more": False, "url": f"/v1/invoices/{it.id}/lines"},
        "livemode": False,
        "metadata": {},
        "number": it.number,
        "parent": parent,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": it.period_end,
        "period_start": it.period_start,
        "status": it.status,
        "status_transitions": {
            "finalized_at": it.finalized_at,
            "marked_uncollectible_at": None,
            "paid_at": it.paid_at,
            "voided_at": None,
        },
        "subtotal": it.total,
        "subtotal_excluding_tax": it.total,
        "total": it.total,
        "total_excluding_tax": it.total,
        "webhooks_delivered_at": it.finalized_at,
    }


def _item(it: Subscription) -> Shape:
    price = "price_1" + it.id[5:]
    return {
        "id": "si_1" + it.id[5:],
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": it.created,
        "current_period_end": it.period_end,
        "current_period_start": it.period_start,
        "discounts": [],
        "metadata": {},
        "price": {
            "id": price,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": it.created,
            "currency": it.currency,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": "prod_SandboxExample",
            "recurring": {"interval": "month", "interval_count": 1, "meter": None, "usage_type": "licensed"},
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring",
            "unit_amount": it.amount,
            "unit_amount_decimal": str(it.amount),
        },
        "quantity": 1,
        "subscription": it.id,
        "tax_rates": [],
    }


def subscription(it: Subscription) -> Shape:
    """A subscription; since API 2025-03 the period stands on its items."""
    return {
        "id": it.id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": it.created,
        "billing_mode": {"type": "classic"},
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": it.canceled_at,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": it.canceled_at,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": [_item(it)],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={it.id}",
        },
        "latest_invoice": it.latest_invoice,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": it.created,
        "status": it.status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def credit_note(it: CreditNote) -> Shape:
    """A credit note; none exists yet."""
    return {"id": it.id, "object": "credit_note", "created": it.created}
