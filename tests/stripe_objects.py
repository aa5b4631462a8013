"""Stripe's objects in the shape of its published fixtures, landed as a run lands them; only what matters is written out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from syncjob.landing import land
from syncjob.mapping import GatewayMap, load_gateway
from syncjob.model import Raw, Reading, Record, Stream
from syncjob.money import Money

SHOP = Stream("shop", "acct_1Example", "test")
STRIPE = load_gateway("stripe")
MORNING = 1_793_520_000  # 2026-11-01T08:00:00Z
DAY = 86_400
SUBJECT = "payment:pi_1Example"


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


def movement(type: str, amount: int, **more: Any) -> dict[str, Any]:
    """A balance transaction; `fee` is one Stripe fee unless fee_details says otherwise."""
    fee = more.pop("fee", 0)
    details = [{"amount": fee, "application": None, "currency": "eur", "description": "Stripe fee", "type": "stripe_fee"}]
    body = {
        "id": "txn_1Example",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": MORNING + 2 * DAY,
        "balance_type": "payments",
        "created": MORNING,
        "currency": "eur",
        "description": "A line of the balance",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": type,
        "source": None,
        "status": "pending",
        "type": type,
    }
    return body | more


def charge(**more: Any) -> dict[str, Any]:
    body = {
        "id": "ch_1Example",
        "object": "charge",
        "amount": 10_000,
        "balance_transaction": "txn_1Example",
        "billing_details": {
            "address": {"city": "Example City", "country": "DE", "line1": "1 Example Street", "line2": None},
            "email": "bakery@example.com",
            "name": "Example Bakery",
            "phone": None,
        },
        "created": MORNING - 60,
        "currency": "eur",
        "customer": "cus_1Example",
        "description": "Order 17",
        "failure_code": None,
        "failure_message": None,
        "metadata": {},
        "outcome": {"reason": None, "seller_message": "Payment complete.", "type": "authorized"},
        "payment_intent": "pi_1Example",
        "payment_method_details": {"card": {"last4": "4242", "exp_year": 2030, "fingerprint": "Example"}, "type": "card"},
        "receipt_email": None,
        "receipt_url": "https://example.com/receipt",
        "status": "succeeded",
    }
    return body | more


def refund(**more: Any) -> dict[str, Any]:
    body = {
        "id": "re_1Example",
        "object": "refund",
        "amount": 4_000,
        "charge": "ch_1Example",
        "created": MORNING - 60,
        "currency": "eur",
        "customer": None,
        "metadata": {},
        "payment_intent": "pi_1Example",
        "status": "succeeded",
    }
    return body | more


def dispute(**more: Any) -> dict[str, Any]:
    body = {
        "id": "du_1Example",
        "object": "dispute",
        "amount": 10_000,
        "charge": "ch_1Example",
        "created": MORNING - 60,
        "currency": "eur",
        "evidence": {"customer_name": "Example Bakery", "customer_purchase_ip": "192.0.2.1"},
        "evidence_details": {"due_by": MORNING + 14 * DAY, "has_evidence": False},
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": "pi_1Example",
        "reason": "fraudulent",
        "status": "needs_response",
    }
    return body | more


def payout(**more: Any) -> dict[str, Any]:
    body = {
        "id": "po_1Example",
        "object": "payout",
        "amount": 50_000,
        "arrival_date": MORNING - MORNING % DAY + 2 * DAY,
        "created": MORNING - 60,
        "currency": "eur",
        "description": "STRIPE PAYOUT",
        "failure_code": None,
        "failure_message": None,
        "metadata": {},
        "status": "in_transit",
    }
    return body | more


def customer(**more: Any) -> dict[str, Any]:
    body = {
        "id": "cus_1Example",
        "object": "customer",
        "address": {"city": "Example City", "country": "DE", "line1": "1 Example Street", "postal_code": "12345"},
        "business_name": "Example Bakery Ltd",
        "created": MORNING - DAY,
        "email": "accounts@example.com",
        "name": "Example Bakery",
        "phone": "+49 30 000000",
    }
    return body | more


def subscription(**more: Any) -> dict[str, Any]:
    item = {"quantity": 2, "price": {"currency": "eur", "unit_amount": 2_900}}
    body = {
        "id": "sub_1Example",
        "object": "subscription",
        "canceled_at": None,
        "cancellation_details": {"reason": None},
        "created": MORNING,
        "customer": "cus_1Example",
        "ended_at": None,
        "items": {"object": "list", "data": [item]},
        "start_date": MORNING,
        "status": "active",
    }
    return body | more


def invoice_payment(number: str, **more: Any) -> dict[str, Any]:
    body = {
        "id": "inpay_1Example",
        "object": "invoice_payment",
        "created": MORNING,
        "invoice": {"id": "in_1Example", "number": number, "customer_email": "bakery@example.com"},
        "payment": {"payment_intent": "pi_1Example", "type": "payment_intent"},
        "status": "paid",
    }
    return body | more


def landed(*bodies: Mapping[str, Any], as_of: int = MORNING + 600, map: GatewayMap = STRIPE) -> list[Record]:
    """The objects as a run lands them, all about one subject, seen at `as_of`."""
    raws = [
        Raw(body["object"], body["id"], at(MORNING), at(as_of), SUBJECT, {**body, "livemode": False})
        for body in bodies
    ]
    return land(raws, map.keep)


def read(*bodies: Mapping[str, Any], as_of: int = MORNING + 600, map: GatewayMap = STRIPE) -> Reading:
    """What these objects mean."""
    return map.read(SHOP, SUBJECT, landed(*bodies, as_of=as_of, map=map))
