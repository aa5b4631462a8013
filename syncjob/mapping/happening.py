"""What planning hands to a target's map: the names a rule may read, and the type of value behind each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from syncjob.errors import RecordRefused
from syncjob.moment import iso
from syncjob.money import Money, plain

_TEXTS = (
    *("source", "subject", "ledger_id", "origin", "kind", "type", "description", "reason", "status", "rule", "payout"),
    *("customer_id", "customer_name", "customer_email", "customer_phone", "customer_company", "customer_country"),
    *("invoice", "invoices", "state", "title", "text"),
)
_AMOUNTS = ("gross", "net", "fee", "presented", "settled", "refunded", "disputed", "open", "total", "paid")
NAMES: dict[str, str] = {  # name -> type of value; absent is None
    **dict.fromkeys(_TEXTS, "text"),
    **dict.fromkeys(_AMOUNTS, "money"),
    "date": "date",
    "occurred": "instant",
    "due": "instant",
}
TYPES: dict[str, type] = {"text": str, "money": Money, "date": date, "instant": datetime}


def as_text(value: object) -> str:
    """A value as people read it inside a text: 48.25 EUR, 2026-11-03, 2026-11-03T06:00:00Z."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def plainly(type: str, value: object) -> str:
    """A value as a field of that type holds it: an amount as plain decimal text, its currency, an ISO day or instant."""
    if isinstance(value, Money):
        return value.currency if type == "currency" else plain(value.minor, value.currency)
    return as_text(value)


def checked(name: str) -> Callable[[object], object]:
    """A function that lets the value of a name through, None for what is absent, and refuses a value of another type."""
    wanted = TYPES[NAMES[name]]

    def check(value: object) -> object:
        if type(value) is wanted:
            return None if value == "" else value
        if value is None:
            return None
        why = f"{name} is of type {type(value).__name__}, not {NAMES[name]}: planning and the map disagree"
        raise RecordRefused(why, cure="report it")

    return check
