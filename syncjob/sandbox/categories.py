"""What each type of balance transaction is: its word for accountants, the balance it moves, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping

# Type -> reporting category, where the two differ. `adjustment` is anything; a dispute says so itself.
CATEGORY: Mapping[str, str] = {
    "payment": "charge",
    "payment_refund": "refund",
    "payment_failure_refund": "charge_failure",
    "payment_reversal": "charge_failure",
    "payment_unreconciled": "unreconciled_customer_funds",
    "adjustment": "other_adjustment",
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "tax",
    "payout_failure": "payout_reversal",
    "payout_cancel": "payout_reversal",
    "reserve_transaction": "risk_reserved_funds",
    "reserved_funds": "risk_reserved_funds",
    "reserve_hold": "risk_reserved_funds",
    "reserve_release": "risk_reserved_funds",
    "transfer_refund": "transfer_reversal",
    "transfer_cancel": "transfer_reversal",
    "transfer_failure": "transfer_reversal",
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "obligation_outbound": "obligation",
    "obligation_inbound": "obligation",
    "obligation_payout": "obligation",
    "obligation_payout_failure": "obligation",
    "obligation_reversal_inbound": "obligation",
    "obligation_reversal_outbound": "obligation",
}
# Types of which one type has several categories: what a line of the balance may be called beside its usual word.
FURTHER: tuple[tuple[str, str], ...] = (
    ("adjustment", "dispute"),
    ("adjustment", "dispute_reversal"),
    ("adjustment", "fee"),
    ("stripe_fee", "network_cost"),
    ("refund", "partial_capture_reversal"),
    ("reserve_transaction", "connect_reserved_funds"),
)
# Which other balance than the payments balance a type moves.
BALANCE: Mapping[str, str] = {
    "issuing_authorization_hold": "issuing",
    "issuing_authorization_release": "issuing",
    "issuing_dispute": "issuing",
    "issuing_dispute_provisional_credit": "issuing",
    "issuing_dispute_provisional_credit_reversal": "issuing",
    "issuing_transaction": "issuing",
}
# Prefix of the id and kind of the object behind a line that no other object of the simulator accounts for.
BEHIND: Mapping[str, tuple[str, str]] = {
    "connect_collection_transfer": ("cct", "connect_collection_transfer"),
    "payment_unreconciled": ("ccsbtxn", "customer_cash_balance_transaction"),
    "reserve_transaction": ("rsv", "reserve_transaction"),
    "tax_fund": ("itds", "tax_deducted_at_source"),
    "issuing_authorization_hold": ("iauth", "issuing.authorization"),
    "issuing_authorization_release": ("iauth", "issuing.authorization"),
    "issuing_dispute": ("idp", "issuing.dispute"),
    "issuing_transaction": ("ipi", "issuing.transaction"),
}
# Money of these comes free at once; all other money that comes in waits.
AT_ONCE = frozenset(
    {
        "payout_failure",
        "payout_cancel",
        "payout",
        "topup_reversal",
        "reserve_hold",
        "reserve_release",
        "reserved_funds",
        "transfer_refund",
        "transfer_cancel",
        "transfer_failure",
        "payout_minimum_balance_release",
        "payment_network_reserve_release",
    }
)
# Everything else that Stripe's documentation names, which stands under its own name: sign says which way it usually goes.
PLAIN: Mapping[str, int] = {
    "advance": 1,
    "advance_funding": 1,
    "anticipation_repayment": -1,
    "climate_order_purchase": -1,
    "climate_order_refund": 1,
    "connect_collection_transfer": -1,
    "contribution": -1,
    "fee_credit_funding": 1,
    "financing_payout": 1,
    "financing_payout_reversal": -1,
    "financing_paydown": -1,
    "financing_paydown_reversal": 1,
    "inbound_transfer": 1,
    "inbound_transfer_reversal": -1,
    "issuing_authorization_hold": -1,
    "issuing_authorization_release": 1,
    "issuing_dispute": 1,
    "issuing_dispute_provisional_credit": 1,
    "issuing_dispute_provisional_credit_reversal": -1,
    "issuing_transaction": -1,
    "network_cost": -1,
    "obligation_inbound": 1,
    "obligation_outbound": -1,
    "obligation_payout": -1,
    "obligation_payout_failure": 1,
    "obligation_reversal_inbound": -1,
    "obligation_reversal_outbound": 1,
    "payment_network_reserve_hold": -1,
    "payment_network_reserve_release": 1,
    "payment_reversal": -1,
    "payment_unreconciled": 1,
    "payout_minimum_balance_hold": -1,
    "payout_minimum_balance_release": 1,
    "reserve_transaction": -1,
    "reserved_funds": -1,
    "stripe_balance_payment_debit": -1,
    "stripe_balance_payment_debit_reversal": 1,
    "stripe_fee": -1,
    "stripe_fx_fee": -1,
    "tax_fee": -1,
    "tax_fund": -1,
    "transfer_cancel": 1,
    "transfer_failure": 1,
}
