"""How Stripe's own invoices and subscriptions look in its JSON; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from syncjob.sandbox.objects import CreditNote, Invoice, InvoiceLine, Subscription
from syncjob.sandbox.shapes import Shape

_EMPTY_ON_INVOICE = """account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_address
customer_phone customer_shipping default_payment_method default_source footer from_invoice hosted_invoice_url
invoice_pdf last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering
shipping_cost shipping_details statement_descriptor test_clock"""
_INVOICE_EMPTY = dict.fromkeys(_EMPTY_ON_INVOICE.split())
_NO_ROWS_ON_INVOICE = "customer_tax_ids default_tax_rates discounts total_discount_amounts total_pretax_credit_amounts"
_INVOICE_NO_ROWS: dict[str, list[Shape]] = {name: [] for name in _NO_ROWS_ON_INVOICE.split()}


def _lines(it: Invoice) -> list[Shape]:
    """The lines of an invoice; one that was not told about its lines has a single one, without the tax."""
    lines = it.lines or (InvoiceLine(it.total - it.tax, it.description),)
    return [_line(it, place, line) for place, line in enumerate(lines)]


def _line(it: Invoice, place: int, line: InvoiceLine) -> Shape:
    parent: Shape | None = None
    if it.subscription is not None:
        parent = {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": line.proration,
                "subscription": it.subscription,
                "subscription_item": "si_1" + it.subscription[5:],
            },
            "type": "subscription_item_details",
        }
    return {
        "id": f"il_{place + 1}" + it.id[4:],
        "object": "line_item",
        "amount": line.amount,
        "currency": it.currency,
        "description": line.description,
        "discount_amounts": [],
        "discountable": not line.proration,
        "discounts": [],
        "invoice": it.id,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"end": it.period_end, "start": it.period_start},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "subtotal": line.amount,
        "taxes": _taxes(it.tax, line.amount) if place == 0 else [],
    }


def _taxes(tax: int, base: int) -> list[Shape]:
    """Tax that stands on top of an amount."""
    if not tax:
        return []
    return [
        {
            "amount": tax,
            "tax_behavior": "exclusive",
            "tax_rate_details": {"tax_rate": "txr_1SandboxExample"},
            "taxability_reason": "standard_rated",
            "taxable_amount": base,
            "type": "tax_rate_details",
        }
    ]


def _parent(it: Invoice) -> Shape | None:
    if it.subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {"metadata": {}, "subscription": it.subscription},
        "type": "subscription_details",
    }


def invoice(it: Invoice) -> Shape:
    """An invoice; its payments appear only when expanded."""
    return {
        "id": it.id,
        "object": "invoice",
        **_INVOICE_EMPTY,
        "amount_overpaid": it.amount_overpaid,
        "amount_shipping": 0,
        "post_payment_credit_notes_amount": it.post_payment_credit,
        "pre_payment_credit_notes_amount": it.pre_payment_credit,
        "starting_balance": it.starting_balance,
        **_INVOICE_NO_ROWS,
        "total_taxes": _taxes(it.tax, it.total - it.tax),
        "account_country": "DE",
        "account_name": "Sandbox Example",
        "amount_due": it.amount_due,
        "amount_paid": it.amount_paid,
        "amount_remaining": max(0, it.amount_due - it.amount_paid),
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
        "ending_balance": it.ending_balance if it.finalized_at else None,
        "issuer": {"type": "self"},
        "lines": {"object": "list", "data": _lines(it), "has_more": False, "url": f"/v1/invoices/{it.id}/lines"},
        "livemode": False,
        "metadata": dict(it.metadata),
        "number": it.number,
        "parent": _parent(it),
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
            "marked_uncollectible_at": it.uncollectible_at,
            "paid_at": it.paid_at,
            "voided_at": it.voided_at,
        },
        "subtotal": it.total - it.tax,
        "subtotal_excluding_tax": it.total - it.tax,
        "total": it.total,
        "total_excluding_tax": it.total - it.tax,
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
        "cancel_at": it.period_end if it.cancel_at_period_end else None,
        "cancel_at_period_end": it.cancel_at_period_end,
        "canceled_at": it.canceled_at,
        "cancellation_details": {"comment": None, "feedback": None, "reason": it.reason},
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
        "ended_at": it.ended_at,
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
        "trial_end": it.trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None if it.trial_end is None else it.created,
    }


def credit_note(it: CreditNote) -> Shape:
    """A credit note; what of it was refunded, credited or given back elsewhere stands in three different fields."""
    net = it.amount - it.tax
    refunds: list[Shape] = []
    if it.refund is not None:
        refunds.append({"amount_refunded": it.amount, "payment_record_refund": None, "refund": it.refund, "type": "refund"})
    return {
        "id": it.id,
        "object": "credit_note",
        "amount": it.amount,
        "amount_shipping": 0,
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "customer_account": None,
        "customer_balance_transaction": "cbtxn_1" + it.id[4:] if it.customer_balance else None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": it.created,
        "invoice": it.invoice,
        "lines": {
            "object": "list",
            "data": [_credit_line(it, net)],
            "has_more": False,
            "url": f"/v1/credit_notes/{it.id}/lines",
        },
        "livemode": False,
        "memo": it.memo,
        "metadata": {},
        "number": it.number,
        "out_of_band_amount": it.out_of_band or None,
        "pdf": f"https://sandbox.example.com/credit_notes/{it.id}/pdf",
        "post_payment_amount": it.amount if it.type == "post_payment" else 0,
        "pre_payment_amount": it.amount if it.type == "pre_payment" else 0,
        "pretax_credit_amounts": [],
        "reason": it.reason,
        "refunds": refunds,
        "shipping_cost": None,
        "status": it.status,
        "subtotal": net,
        "subtotal_excluding_tax": net,
        "total": it.amount,
        "total_excluding_tax": net,
        "total_taxes": _taxes(it.tax, net),
        "type": it.type,
        "voided_at": it.voided_at,
    }


def _credit_line(it: CreditNote, net: int) -> Shape:
    return {
        "id": "cnli_1" + it.id[4:],
        "object": "credit_note_line_item",
        "amount": net,
        "description": it.memo or "Correction",
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": None,
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": _taxes(it.tax, net),
        "type": "custom_line_item",
        "unit_amount": net,
        "unit_amount_decimal": str(net),
    }
