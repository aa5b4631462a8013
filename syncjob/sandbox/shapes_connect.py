"""How accounts, transfers, application fees and reserves look in Stripe's JSON; minor units, Unix seconds."""

from __future__ import annotations

from syncjob.sandbox.objects import (
    Account,
    ApplicationFee,
    FeeRefund,
    Hold,
    Origin,
    Release,
    Transfer,
    TransferReversal,
)
from syncjob.sandbox.shapes import Shape


def account(it: Account) -> Shape:
    """An account, a platform's own or a connected one."""
    return {
        "id": it.id,
        "object": "account",
        "business_profile": {"name": it.name, "url": "https://sandbox.example.com"},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": it.country,
        "created": it.created,
        "default_currency": it.currency,
        "details_submitted": True,
        "email": "owner@sandbox.example.com",
        "livemode": False,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": it.name, "timezone": "Europe/Berlin"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "weekly", "weekly_anchor": "thursday"},
                "statement_descriptor": None,
            },
        },
        "type": "standard",
    }


def transfer(it: Transfer, reversals: list[TransferReversal]) -> Shape:
    """A transfer, with its reversals, newest first."""
    return {
        "id": it.id,
        "object": "transfer",
        "amount": it.amount,
        "amount_reversed": it.amount_reversed,
        "balance_transaction": it.balance_transaction,
        "created": it.created,
        "currency": it.currency,
        "description": it.description,
        "destination": it.destination,
        "destination_payment": it.destination_payment,
        "livemode": False,
        "metadata": {},
        "reversals": _inner([transfer_reversal(one) for one in reversals], f"/v1/transfers/{it.id}/reversals"),
        "reversed": it.amount_reversed == it.amount,
        "source_transaction": it.source_transaction,
        "source_type": "card",
        "transfer_group": it.transfer_group,
    }


def transfer_reversal(it: TransferReversal) -> Shape:
    """A transfer that was taken back."""
    return {
        "id": it.id,
        "object": "transfer_reversal",
        "amount": it.amount,
        "balance_transaction": it.balance_transaction,
        "created": it.created,
        "currency": it.currency,
        "destination_payment_refund": it.destination_payment_refund,
        "metadata": {},
        "source_refund": None,
        "transfer": it.transfer,
    }


def application_fee(it: ApplicationFee, refunds: list[FeeRefund]) -> Shape:
    """A platform's share, with what of it was given back, newest first."""
    return {
        "id": it.id,
        "object": "application_fee",
        "account": it.account,
        "amount": it.amount,
        "amount_refunded": it.amount_refunded,
        "application": it.application,
        "balance_transaction": it.balance_transaction,
        "charge": it.charge,
        "created": it.created,
        "currency": it.currency,
        "fee_source": {"charge": it.charge, "type": "charge"},
        "livemode": False,
        "originating_transaction": None,
        "refunded": it.amount_refunded == it.amount,
        "refunds": _inner([fee_refund(one) for one in refunds], f"/v1/application_fees/{it.id}/refunds"),
    }


def fee_refund(it: FeeRefund) -> Shape:
    """A platform's share, given back."""
    return {
        "id": it.id,
        "object": "fee_refund",
        "amount": it.amount,
        "balance_transaction": it.balance_transaction,
        "created": it.created,
        "currency": it.currency,
        "fee": it.fee,
        "metadata": {},
    }


def _inner(rows: list[Shape], url: str) -> Shape:
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def hold(it: Hold) -> Shape:
    """Money held in reserve."""
    return {
        "id": it.id,
        "object": "reserve.hold",
        "amount": it.amount,
        "amount_releasable": it.releasable,
        "created": it.created,
        "created_by": "stripe",
        "currency": it.currency,
        "destination": "risk_reserved",
        "is_releasable": it.releasable > 0,
        "livemode": False,
        "metadata": {},
        "reason": "standalone",
        "release_schedule": {"release_after": None, "scheduled_release": None},
        "reserve_plan": None,
        "source_charge": None,
        "source_type": "card",
    }


def release(it: Release) -> Shape:
    """Money that came back out of the reserve."""
    return {
        "id": it.id,
        "object": "reserve.release",
        "amount": it.amount,
        "created": it.created,
        "created_by": "stripe",
        "currency": it.currency,
        "livemode": False,
        "metadata": {},
        "reason": "bulk_hold_expiry",
        "released_at": it.created,
        "reserve_hold": it.hold,
        "reserve_plan": None,
    }


def origin(it: Origin) -> Shape:
    """Something that is seen only behind a line of the balance."""
    return {"id": it.id, "object": it.kind, **it.shape}
