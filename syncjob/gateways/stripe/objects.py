"""What Stripe's objects are as records: which kind and id, when, about what, and what is left of a deleted one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from syncjob.errors import ConnectorDown
from syncjob.model import Json, Raw
from syncjob.moment import from_seconds
from syncjob.redact import clean

# Where an object of each kind is listed and read again; the rest of the API's objects have no such place or are not read here.
PLACES: Mapping[str, str] = {
    "application_fee": "application_fees",
    "balance_transaction": "balance_transactions",
    "charge": "charges",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "event": "events",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "payout": "payouts",
    "refund": "refunds",
    "subscription": "subscriptions",
    "topup": "topups",
    "transfer": "transfers",
}
# Expanded wherever one is read: the link from an invoice to its payment names the invoice by id only, a movement its source.
EXPANDED: Mapping[str, str] = {"invoice_payment": "invoice", "balance_transaction": "source"}
# Kinds that can be deleted at Stripe. A customer is then answered as deleted; of a draft invoice there is nothing left (404).
DELETABLE = frozenset({"customer", "invoice"})
_OF_PAYMENTS = ("charge", "refund", "dispute", "payment_intent", "invoice_payment")
_SECONDS_MAX = 253_402_300_799


class Objects:
    """Makes records of one account's objects, and refuses those of the other mode."""

    def __init__(self, name: str, mode: str) -> None:
        self.name = name
        self._live = mode == "live"

    def raw(self, body: Mapping[str, Any], as_of: datetime, subject: str = "", occurred: object = None) -> Raw:
        """An object as a record. Raises ConnectorDown where it has no id or is of the other mode."""
        kind, id = body.get("object"), body.get("id")
        if not isinstance(kind, str) or not isinstance(id, str) or not id:
            raise ConnectorDown(f"{self.name}: Stripe showed an object without its kind or id; look at base_url")
        live = body.get("livemode")
        if live is not None and live is not self._live:
            seen = f"{clean(f'{kind} {id}')} has livemode {live}, but the key is a {'live' if self._live else 'test'} key"
            raise ConnectorDown(f"{self.name}: {seen}; use one key per mode")
        at = instant(body.get("created", occurred), as_of)
        return Raw(kind, id, at, as_of, subject or subject_of(body), body)

    def movements(self, rows: Sequence[Mapping[str, Any]], as_of: datetime) -> list[Raw]:
        """Each balance transaction and, once, the object behind it."""
        found: list[Raw] = []
        sources: set[str] = set()
        for row in rows:
            source = row.get("source")
            if not isinstance(source, dict):
                # No source: Stripe's own fee or correction.
                subject = f"fee:{row['id']}" if source is None else f"balance_transaction:{row['id']}"
                found.append(self.raw(row, as_of, subject))
                continue
            origin = self.raw(source, as_of, occurred=row.get("created"))
            found.append(self.raw({**row, "source": origin.id}, as_of, origin.subject))
            if origin.id not in sources:
                sources.add(origin.id)
                found.append(origin)
        return found


def tombstone(kind: str, id: str, as_of: datetime, occurred: datetime | None = None) -> Raw:
    """What is left of an object that was deleted at Stripe: its id, and that it was deleted."""
    body: dict[str, Json] = {"id": id, "object": kind, "deleted": True}
    return Raw(kind, id, occurred or as_of, as_of, subject_of(body), body)


def subject_of(body: Mapping[str, Any]) -> str:
    """What an object is about: all about one payment shares one subject, and so does all about one invoice of Stripe's."""
    kind, id = str(body.get("object")), str(body.get("id"))
    if kind in ("invoice", "credit_note"):  # "invoice:" stands for those of the books
        return f"billing:{id if kind == 'invoice' else id_in(body.get('invoice')) or id}"
    if kind not in _OF_PAYMENTS:
        return f"{kind}:{id}"
    if kind == "payment_intent":
        return f"payment:{id}"
    link = body.get("payment") if kind == "invoice_payment" else body
    intent, charge = id_in(within(link, "payment_intent")), id_in(within(link, "charge"))
    return f"payment:{intent or charge or id}"


def instant(value: object, otherwise: datetime) -> datetime:
    """The instant of Unix seconds; an odd time is for the map to refuse, record by record, and must not stop a page."""
    return from_seconds(value) if type(value) is int and 0 <= value <= _SECONDS_MAX else otherwise


def id_in(value: object) -> str:
    """The id in a field that may hold the whole object."""
    named = value.get("id") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else ""


def within(value: object, *names: str) -> Any:
    """The value under these names, one inside the other; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
