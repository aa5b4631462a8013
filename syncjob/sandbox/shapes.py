"""How objects look in Stripe's JSON, API 2026-10-28.endive; amounts in minor units, times in Unix seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncjob.sandbox.currencies import MICRO
from syncjob.sandbox.objects import (
    Charge,
    Customer,
    Dispute,
    InvoicePayment,
    Movement,
    PaymentIntent,
    Payout,
    Refund,
    Topup,
)

Shape = dict[str, Any]
_NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
DECLINES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "generic_decline": "Your card was declined.",
    "do_not_honor": "Your card was declined.",
}
_APPROVED = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "seller_message": "Payment complete.",
    "type": "authorized",
}
_CARD = {
    "card": {
        "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "DE",
        "exp_month": 8,
        "exp_year": 2030,
        "fingerprint": "AOB934RVNwzk6xtn",
        "funding": "credit",
        "last4": "4242",
        "network": "visa",
        "network_token": {"used": False},
        "three_d_secure": None,
        "wallet": None,
    },
    "type": "card",
}
_SEPA = {
    "sepa_debit": {
        "bank_code": "37040044",
        "branch_code": "",
        "country": "DE",
        "fingerprint": "1vRkYLe4vCUJFhEt",
        "last4": "3000",
        "mandate": "mandate_1SandboxExample",
    },
    "type": "sepa_debit",
}
_METHODS = {"card": _CARD, "sepa_debit": _SEPA}


def declined_code(code: str | None) -> str | None:
    """Stripe's own failure code for a decline: the bank's reasons all become `card_declined`."""
    return code if code in (None, "expired_card", "payment_method_debit_failed") else "card_declined"


def charge(it: Charge) -> Shape:
    """A charge; the link to an invoice is not on it any more since API 2025-03."""
    paid = it.status == "succeeded"
    failed = it.failure_code is not None
    return {
        "id": it.id,
        "object": "charge",
        "amount": it.amount,
        "amount_captured": it.captured,
        "amount_refunded": it.amount_refunded,
        "application": None,
        "application_fee": it.application_fee,
        "application_fee_amount": it.application_fee_amount,
        "balance_transaction": it.balance_transaction,
        "billing_details": {
            "address": {**_NO_ADDRESS, "city": it.city, "country": it.country},
            "email": it.email,
            "name": it.name,
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "SANDBOX EXAMPLE" if paid else None,
        "captured": it.captured > 0 or it.status == "pending",
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "description": it.description,
        "disputed": it.disputed,
        "failure_balance_transaction": it.failure_balance_transaction,
        "failure_code": declined_code(it.failure_code),
        "failure_message": DECLINES.get(it.failure_code, "The payment failed.") if it.failure_code else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(it.metadata),
        "on_behalf_of": None,
        "outcome": _declined(it.failure_code) if failed and it.method == "card" else _APPROVED,
        "paid": paid,
        "payment_intent": it.payment_intent,
        "payment_method": "pm_1" + it.id[4:],
        "payment_method_details": _METHODS[it.method],
        "radar_options": {},
        "receipt_email": it.email,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": it.amount_refunded == it.amount and it.amount > 0,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": it.source_transfer,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": it.status,
        "transfer_data": None,
        "transfer_group": it.transfer_group,
    }


def _declined(code: str | None) -> Shape:
    return {
        "advice_code": "try_again_later" if code == "insufficient_funds" else "do_not_try_again",
        "network_advice_code": None,
        "network_decline_code": "51" if code == "insufficient_funds" else "05",
        "network_status": "declined_by_network",
        "reason": code,
        "risk_level": "normal",
        "seller_message": "The bank did not approve the payment.",
        "type": "issuer_declined",
    }


def payment_intent(it: PaymentIntent) -> Shape:
    """A payment intent."""
    paid = it.status == "succeeded"
    error = None
    if it.failure_code is not None:
        error = {
            "charge": it.latest_charge,
            "code": declined_code(it.failure_code),
            "decline_code": it.failure_code,
            "message": DECLINES.get(it.failure_code, "The payment failed."),
            "type": "card_error",
        }
    return {
        "id": it.id,
        "object": "payment_intent",
        "amount": it.amount,
        "amount_capturable": it.amount if it.status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": it.amount if paid else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": "automatic" if it.status == "canceled" else None,
        "capture_method": "automatic",
        "client_secret": it.id + "_secret_NotARealSecret",
        "confirmation_method": "automatic",
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "customer_account": None,
        "description": it.description,
        "excluded_payment_method_types": None,
        "last_payment_error": error,
        "latest_charge": it.latest_charge,
        "livemode": False,
        "metadata": dict(it.metadata),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": "pm_1" + it.latest_charge[4:] if it.latest_charge and paid else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": [it.method],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": it.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def balance_transaction(it: Movement, at: int) -> Shape:
    """A line of the balance as it looks at an instant: pending until it is available."""
    return {
        "id": it.id,
        "object": "balance_transaction",
        "amount": it.amount,
        "available_on": it.available_on,
        "balance_type": it.balance_type,
        "created": it.created,
        "currency": it.currency,
        "description": it.description,
        # The vendor's one number that is a float; nobody may multiply with it.
        "exchange_rate": None if it.rate_micro is None else it.rate_micro / MICRO,
        "fee": it.fee,
        "fee_details": [
            {
                "amount": part.amount,
                "application": part.application,
                "currency": part.currency,
                "description": part.description,
                "type": part.type,
            }
            for part in it.fee_details
        ],
        "net": it.net,
        "reporting_category": it.category,
        "source": it.source,
        "status": "available" if it.available_on <= at else "pending",
        "type": it.type,
    }


def refund(it: Refund) -> Shape:
    """A refund."""
    shape: Shape = {
        "id": it.id,
        "object": "refund",
        "amount": it.amount,
        "balance_transaction": it.balance_transaction,
        "charge": it.charge,
        "created": it.created,
        "currency": it.currency,
        "customer": it.customer,
        "customer_account": None,
        "destination_details": {it.method: {}, "type": it.method},
        "metadata": dict(it.metadata),
        "payment_intent": it.payment_intent,
        "payment_method": None,
        "reason": it.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": it.status,
        "transfer_reversal": None,
    }
    if it.failure_reason is not None:
        shape["failure_reason"] = it.failure_reason
        shape["failure_balance_transaction"] = it.failure_balance_transaction
    return shape


_EVIDENCE = """access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip
customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id
product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
service_documentation shipping_address shipping_carrier shipping_date shipping_documentation
shipping_tracking_number uncategorized_file uncategorized_text"""
_NO_EVIDENCE = dict.fromkeys(_EVIDENCE.split())


def dispute(it: Dispute, at: int, movement: Callable[[str], Movement]) -> Shape:
    """A dispute with its lines of the balance in full, as the vendor sends them."""
    return {
        "id": it.id,
        "object": "dispute",
        "amount": it.amount,
        "balance_transactions": [balance_transaction(movement(id), at) for id in it.balance_transactions],
        "charge": it.charge,
        "created": it.created,
        "currency": it.currency,
        "enhanced_eligibility_types": [],
        "evidence": {**_NO_EVIDENCE, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": it.created - it.created % 86_400 + 14 * 86_400 - 1,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": it.status.startswith("warning_"),
        "livemode": False,
        "metadata": {},
        "network_reason_code": it.network_reason_code,
        "payment_intent": it.payment_intent,
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "case_type": it.case_type,
                "network": "visa",
                "network_reason_code": it.network_reason_code,
            },
            "type": "card",
        },
        "reason": it.reason,
        "status": it.status,
    }


def payout(it: Payout) -> Shape:
    """A payout."""
    return {
        "id": it.id,
        "object": "payout",
        "amount": it.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": it.arrival_date,
        "automatic": it.automatic,
        "balance_transaction": it.balance_transaction,
        "created": it.created,
        "currency": it.currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1SandboxExampleBank",
        "failure_balance_transaction": it.failure_balance_transaction,
        "failure_code": it.failure_code,
        "failure_message": "The bank account has been closed." if it.failure_code else None,
        "livemode": False,
        "metadata": {},
        "method": it.method,
        "original_payout": it.original_payout,
        "payout_method": None,
        "reconciliation_status": it.reconciliation_status,
        "reversed_by": it.reversed_by,
        "source_type": "card",
        "statement_descriptor": None,
        "status": it.status,
        "trace_id": {"status": "pending" if it.status in {"in_transit", "pending"} else "supported", "value": None},
        "type": "bank_account",
    }


def topup(it: Topup) -> Shape:
    """A top-up."""
    return {
        "id": it.id,
        "object": "topup",
        "amount": it.amount,
        "balance_transaction": it.balance_transaction,
        "created": it.created,
        "currency": it.currency,
        "description": it.description,
        "expected_availability_date": it.created,
        "failure_code": it.failure_code,
        "failure_message": "The account has too little money." if it.failure_code else None,
        "livemode": False,
        "metadata": {},
        "source": None,
        "statement_descriptor": None,
        "status": it.status,
        "transfer_group": None,
    }


def customer(it: Customer) -> Shape:
    """A customer; of a deleted one Stripe says no more than that."""
    if it.deleted:
        return {"id": it.id, "object": "customer", "deleted": True}
    return {
        "id": it.id,
        "object": "customer",
        "address": {**_NO_ADDRESS, "city": it.city, "country": it.country},
        "balance": it.balance,
        "created": it.created,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": it.description,
        "discount": None,
        "email": it.email,
        "invoice_prefix": it.id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": dict(it.metadata),
        "name": it.name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def invoice_payment(it: InvoicePayment) -> Shape:
    """The link from an invoice to its payment."""
    return {
        "id": it.id,
        "object": "invoice_payment",
        "amount_paid": it.amount_paid,
        "amount_requested": it.amount_requested,
        "created": it.created,
        "currency": it.currency,
        "invoice": it.invoice,
        "is_default": it.is_default,
        "livemode": False,
        "payment": {"payment_intent": it.payment_intent, "type": "payment_intent"},
        "status": it.status,
        "status_transitions": {"canceled_at": it.canceled_at, "paid_at": it.paid_at},
    }
