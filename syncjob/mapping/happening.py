"""What planning hands to a target's map: the names a rule may read, and the type of value behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

from syncjob.errors import RecordRefused
from syncjob.model import Address, DocumentKind, FactKind, Kind
from syncjob.moment import iso
from syncjob.money import Money, plain

_TEXTS = (
    *("source", "subject", "type", "bucket", "description", "reason", "rule"),
    *("customer_name", "customer_company", "customer_city", "customer_postal_code", "invoices", "title", "text"),
)
_AMOUNTS = ("gross", "net", "fee", "tax", "presented", "settled", "refunded", "disputed", "open", "total", "paid")
OF = {  # id -> whose
    "ledger_id": "gateway movement",
    **dict.fromkeys(("origin", "parent", "payout"), "gateway object"),
    "customer_id": "gateway customer",
    "invoice": "invoice",
    "books_customer": "books customer",
    "crm_contact": "crm contact",
}
_OURS = ("application", "opening", "fee_bill", "recognition", "reversal")  # kinds of entries that no gateway tells
WORDS = {  # a closed list of words -> the words
    "kind": tuple(dict.fromkeys((*(one.value for one in (*Kind, *FactKind)), *_OURS))),
    "status": (
        *("paid", "part refunded", "refunded", "failed", "disputed", "dispute lost"),
        *("open", "won", "lost", "done"),  # of a task
    ),
    "state": ("open", "part paid", "paid"),
    "direction": ("in", "out"),
    "live": ("yes", "no"),
}
NAMES: dict[str, str] = {  # name -> type of value; absent is None
    **dict.fromkeys(_TEXTS, "text"),
    **dict.fromkeys(OF, "id"),
    **dict.fromkeys(("kind", "status", "state"), "enum"),
    "direction": "direction",
    "live": "flag",
    **dict.fromkeys(_AMOUNTS, "money"),
    **dict.fromkeys(("settled_currency", "presented_currency"), "currency"),
    **dict.fromkeys(("date", "true_date"), "date"),
    **dict.fromkeys(("occurred", "effective", "available", "due"), "instant"),
    "customer_email": "email",
    "customer_phone": "phone",
    "customer_address": "address",
    "customer_country": "country",
    "customer_subdivision": "subdivision",
}
# What planning ever hands over, by kind of document: with another name a field would always stay empty. A journal is what
# nothing else is, an opening entry among them, so it may read whatever there is; so may kinds that nobody plans yet.
_ALWAYS = ("source", "subject", "date", "live", "books_customer", "crm_contact")
_PERSON = tuple(name for name in NAMES if name.startswith("customer_"))
_MOVEMENT = (
    *("ledger_id", "origin", "parent", "kind", "type", "bucket", "occurred", "effective", "available", "description"),
    *("direction", "gross", "net", "fee", "tax", "presented", "presented_currency", "settled", "settled_currency"),
    *("invoice", "invoices", "rule"),
)
_INVOICE = ("invoice", "title", "customer_name", "customer_email", "presented_currency", "total", "open", "paid", "state")
_FACT = ("origin", "kind", "type", "title", "text", "reason", "occurred", "due", "gross", "presented", "presented_currency")
_OF_BOOKS = (
    *(DocumentKind.RECEIPT, DocumentKind.REFUND, DocumentKind.EXPENSE, DocumentKind.TRANSFER),
    DocumentKind.APPLICATION,
)
KNOWN: Mapping[DocumentKind, frozenset[str]] = {
    **dict.fromkeys(_OF_BOOKS, frozenset((*_ALWAYS, *_PERSON, *_MOVEMENT, "payout", "true_date"))),
    **dict.fromkeys((DocumentKind.CONTACT, DocumentKind.COMPANY), frozenset((*_ALWAYS, *_PERSON))),
    DocumentKind.PAYMENT: frozenset((*_ALWAYS, *_PERSON, *_MOVEMENT, "status", "reason", "refunded", "disputed")),
    DocumentKind.SUMMARY: frozenset(("source", "subject", "date", "title", "text", "settled_currency", "payout")),
    DocumentKind.DEAL: frozenset((*_ALWAYS, *_INVOICE)),
    **dict.fromkeys((DocumentKind.TASK, DocumentKind.EVENT), frozenset((*_ALWAYS, *_FACT, "customer_id", "status"))),
}
ACCOUNTS = "accounts"  # not a name that rules read: planning's function from a role to its account code
TYPES: dict[str, type] = {
    **dict.fromkeys(NAMES.values(), str),
    "flag": bool,
    "money": Money,
    "date": date,
    "instant": datetime,
    "address": Address,
}


def as_text(value: object) -> str:
    """A value as people read it inside a text: 48.25 EUR, 2026-11-03, 2026-11-03T06:00:00Z, yes."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def plainly(type: str, value: object) -> str:
    """A value as a field of that type holds it: an amount as plain decimal text, its currency, an ISO day or instant."""
    if isinstance(value, Money):
        return value.currency if type == "currency" else plain(value.minor, value.currency)
    return as_text(value)


def checked(name: str) -> Callable[[object], object]:
    """A function that lets the value of a name through, None for what is absent, and refuses a value of another type."""
    wanted = TYPES[NAMES[name]]
    is_address = wanted is Address

    def check(value: object) -> object:
        if type(value) is wanted:
            return None if value == "" or (is_address and not value) else value
        if value is None:
            return None
        why = f"{name} is of type {type(value).__name__}, not {NAMES[name]}: planning and the map disagree"
        raise RecordRefused(why, cure="report it")

    return check


def described(type: str) -> str:
    """A type as a sentence names it: an amount, a text, a postal address, an id."""
    names = {"money": "an amount", "address": "a postal address", "email": "an e-mail address", "phone": "a phone number"}
    return names.get(type) or (f"an {type}" if type[0] in "aeio" else f"a {type}")


def named(*types: str) -> list[str]:
    """The names that hold values of these types."""
    return [name for name, type in NAMES.items() if type in types]
