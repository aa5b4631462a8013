"""The feeds: the ledger, two feeds of events, and the object lists that make up for events that are no longer kept.

Every list can be asked for what was created in a window, and for nothing else. How far back an object may have been created
and still change differs by kind, and is each list's lookback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from syncjob.gateways.stripe.event_types import BILLING_EVENTS, PAYMENT_EVENTS
from syncjob.gateways.stripe.objects import EXPANDED
from syncjob.moment import Window, seconds
from syncjob.ports import Feed

PAGE = 100  # rows of a page, the most that Stripe gives
RETENTION = timedelta(days=30)  # of events; older ones are gone

# Stripe takes 25 requests per second on one endpoint (docs.stripe.com, "Rate limits").
_PARALLEL, _PER_SECOND = 8, 22

TRANSACTIONS = Feed(
    "balance_transactions", posts=True, type="balance_transaction", parallel=_PARALLEL, per_second=_PER_SECOND
)
EVENTS = Feed("events", retention=RETENTION)
BILLING = Feed("billing_events", retention=RETENTION)
TYPES: Mapping[str, Sequence[str]] = {EVENTS.name: PAYMENT_EVENTS, BILLING.name: BILLING_EVENTS}


def _list(name: str, type: str, days: int, fills: Feed) -> Feed:
    return Feed(
        name, lookback=timedelta(days=days), fills=fills.name, type=type, parallel=_PARALLEL, per_second=_PER_SECOND
    )


_EVER = 30 * 365  # longer than Stripe exists
# Each makes up for the feed that reads the events of its kind. Who is named by others stands before them: a customer before
# the subscription, an invoice before its payment.
LISTS = (
    _list("customers", "customer", _EVER, BILLING),
    _list("subscriptions", "subscription", _EVER, BILLING),
    _list("invoices", "invoice", 365, BILLING),
    _list("invoice_payments", "invoice_payment", 365, BILLING),  # made with the invoice, paid when it is
    _list("credit_notes", "credit_note", 365, BILLING),
    _list("charges", "charge", 90, EVENTS),  # bank debits fail after weeks; refunds and disputes have lists of their own
    _list("refunds", "refund", 90, EVENTS),
    _list("disputes", "dispute", 365, EVENTS),
    _list("payouts", "payout", 60, EVENTS),
    _list("topups", "topup", 60, EVENTS),
)
# Invoices before charges: what an old event of a charge names is then mostly known already.
FEEDS = (TRANSACTIONS, BILLING, EVENTS, *LISTS)

# What a list must be told besides the window. Cancelled subscriptions are hidden unless all are asked for.
ALSO: Mapping[str, Sequence[tuple[str, str]]] = {
    "subscriptions": (("status", "all"),),
    "invoice_payments": (("expand[]", f"data.{EXPANDED['invoice_payment']}"),),
    "balance_transactions": (("expand[]", f"data.{EXPANDED['balance_transaction']}"),),
}


def place(feed: Feed) -> str:
    """The list of the API that a feed reads."""
    return "events" if feed.name in TYPES else feed.name


def filters(feed: Feed, window: Window) -> list[tuple[str, str]]:
    """The parameters that ask for one window of a feed."""
    if not isinstance(window.since, datetime):
        raise TypeError(f"the window of {feed.name} is over time, not over {window.since!r}")
    found = [("limit", str(PAGE)), ("created[gte]", str(max(0, seconds(window.since))))]
    if isinstance(window.until, datetime):
        found.append(("created[lt]", str(seconds(window.until + timedelta(microseconds=999_999)))))
    return [*found, *ALSO.get(feed.name, ()), *(("types[]", name) for name in TYPES.get(feed.name, ()))]


def ceiling(feed: Feed, window: Window, seen_at: datetime) -> int:
    """Up to where the window is complete (Unix seconds): what is younger than the settling time may still be missing."""
    settled = seen_at - feed.settling
    return seconds(min(window.until, settled) if isinstance(window.until, datetime) else settled)
