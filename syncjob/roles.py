"""What kind of account each role needs, in words and by type, and which account of a chart is the best guess for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from syncjob.model import Role
from syncjob.ports import Account, AccountType

ASSET, LIABILITY, EQUITY, INCOME, EXPENSE = (
    AccountType.ASSET,
    AccountType.LIABILITY,
    AccountType.EQUITY,
    AccountType.INCOME,
    AccountType.EXPENSE,
)
PER_SOURCE = frozenset({Role.CLEARING, Role.RESERVE})  # each gateway account has its own
_SHARED = frozenset({INCOME, EXPENSE})  # several roles may share such an account; a balance must stand for one thing


@dataclass(frozen=True, slots=True)
class Part:
    """A role as a person chooses an account for it: the types that fit (the usual one first), what it holds, usual names."""

    types: tuple[AccountType, ...]
    meaning: str
    names: tuple[str, ...]  # lower-case letters only, the most telling first


PARTS: Mapping[Role, Part] = {
    Role.CLEARING: Part((ASSET,), "what the gateway holds for you", ("clearing", "balance", "gateway", "undeposited")),
    Role.RESERVE: Part((ASSET,), "what the gateway keeps back", ("reserve", "holdback", "collateral")),
    Role.PAYOUTS_IN_TRANSIT: Part((ASSET,), "payouts on their way to the bank", ("intransit", "transit", "payout")),
    Role.BANK: Part((ASSET,), "the bank account that payouts arrive in", ("bank", "checking", "current", "giro")),
    Role.RECEIVABLE: Part((ASSET,), "what customers owe", ("receivable", "debtors", "forderungen")),
    Role.UNAPPLIED: Part((LIABILITY, ASSET), "payments that wait for their invoice", ("unapplied", "prepayment", "advance")),
    Role.CUSTOMER_CREDIT: Part(
        (LIABILITY,),
        "what customers paid without an invoice",
        ("customerscredit", "customercredit", "storecredit", "overpayment"),
    ),
    Role.SUSPENSE: Part((LIABILITY, ASSET), "what nobody can explain yet", ("suspense", "unclear", "clarif")),
    Role.REVENUE: Part((INCOME,), "sales", ("sales", "revenue", "turnover")),
    Role.DEFERRED_REVENUE: Part((LIABILITY,), "sales paid before they are earned", ("deferred", "unearned")),
    Role.RETURNS: Part((INCOME, EXPENSE), "sales given back", ("returns", "refund", "allowance")),
    Role.TAX: Part((LIABILITY,), "tax on sales", ("salestax", "outputvat", "vat", "gst", "tax")),
    Role.FEES: Part((EXPENSE,), "what the gateway charges", ("gatewayfee", "merchantfee", "paymentfee", "processing", "fees")),
    Role.FEE_TAX: Part((EXPENSE, ASSET), "tax on the gateway's fees", ("feetax", "feestax", "inputtax", "inputvat")),
    Role.FEES_PREPAID: Part((ASSET,), "fees paid before they are due", ("feesprepaid", "prepaid")),
    Role.DISPUTED: Part((ASSET, LIABILITY), "payments that the customer's bank took back for now", ("disputed", "chargeback")),
    Role.DISPUTE_FEES: Part((EXPENSE,), "what a dispute costs", ("disputesfee", "disputefee", "chargebackfee")),
    Role.DISPUTE_LOSS: Part((EXPENSE,), "disputes that were lost", ("disputesloss", "disputeloss", "chargeback", "baddebt")),
    Role.WRITE_OFF: Part((EXPENSE,), "what is given up", ("writeoff", "baddebt")),
    Role.ROUNDING: Part((EXPENSE, INCOME), "differences of rounding", ("rounding",)),
    Role.FX: Part((EXPENSE, INCOME), "gains and losses on exchange rates", ("exchange", "currencygain", "forex")),
    Role.FX_CONVERSION: Part((EQUITY, ASSET, LIABILITY), "the bridge between two currencies", ("conversion",)),
    Role.SELLER_LIABILITY: Part((LIABILITY,), "what belongs to sellers", ("seller", "marketplace")),
    Role.CONTROL: Part((LIABILITY, ASSET), "receipts whose sale is recorded elsewhere", ("control",)),
    Role.OPENING: Part((EQUITY,), "what the gateway held at the cut-over", ("opening",)),
}


def offers(role: Role, source: str, accounts: Sequence[Account], currency: str) -> list[Account]:
    """The active accounts that may play a role, the likeliest first; one that takes another currency only stands last."""
    part = PARTS[role]
    fitting = [one for one in accounts if one.active and one.type in part.types]

    def order(one: Account) -> tuple[bool, int, int, str]:
        return _foreign(one, currency), -_likeness(role, source, one), part.types.index(one.type), one.code

    return sorted(fitting, key=order)


def guess(role: Role, source: str, accounts: Sequence[Account], currency: str, taken: Collection[str]) -> Account | None:
    """The account whose name speaks for the role, None where none does; a balance that has a role already gets no second."""
    for one in offers(role, source, accounts, currency):
        free = one.code not in taken or one.type in _SHARED
        if free and not _foreign(one, currency) and _likeness(role, source, one):
            return one
    return None


def _foreign(account: Account, currency: str) -> bool:
    return account.currency not in ("", currency)


def _likeness(role: Role, source: str, account: Account) -> int:
    """How much the name speaks for the role, 0: not at all; the gateway's own name counts, alone only for its balance."""
    text, names = _letters(f"{account.code}{account.name}"), PARTS[role].names
    likeness = sum(len(names) - place + 1 for place, name in enumerate(names) if name in text)
    known = any(word in text for word in source.split("-") if len(word) > 1)
    return likeness + known if likeness or role is Role.CLEARING else 0


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())
