"""Stripe: balance transactions with their sources, and events; lists page newest first by `starting_after`.

The balance transaction is the ledger: one immutable row per movement, with fee, net and settlement currency. It is listed with
its source expanded (charge, refund, dispute, payout, top-up ...), so one request brings both. No list can be asked for what
changed, only for what was created; changes of old objects come as events, which Stripe keeps for 30 days. An event shows its
object as it was, in the API version in force when the event was made: another version than ours is only a hint, and the object
is fetched. Old records change by refunds (years back), disputes (some months), failed bank debits (weeks), payouts (days).

What surprises: newest first means that a killed walk has seen the newest and not the oldest, so the cursor moves only with the
last page; many rows share one second; neither balance transactions nor refunds say whether they are live; the link from an
invoice to its payment is an object of its own, and its event names the invoice by id only; `exchange_rate` is a float in minor
units that must not be used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from syncjob import strictjson
from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, Problem, RecordRefused
from syncjob.http import Answer, Http, path
from syncjob.model import Raw
from syncjob.moment import Window, from_seconds, seconds
from syncjob.money import Money, from_gateway
from syncjob.ports import Balance, Feed, Identity, Options, Page
from syncjob.redact import clean, has_card

VERSION = "2026-10-28.endive"
SETTINGS: Mapping[str, str] = {
    "base_url": "Where Stripe's API is; leave it out, except for the sandbox (default https://api.stripe.com).",
}
EVENTS = (
    "charge.failed",
    "charge.updated",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "refund.updated",
    "refund.failed",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payout.updated",
    "customer.created",
    "customer.updated",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.payment_failed",
    "invoice.overdue",
    "invoice_payment.paid",
)  # Stripe takes no more than 20 names
_BASE_URL = "https://api.stripe.com"
_PAGE = 100
_RESTARTS_MAX = 3
_LISTED_MIN, _LISTED_PAGES_MAX = 4, 3  # so many invoice payments are looked for in a list first, and so far
_SHOWN_MAX = 50_000
_SECONDS_MAX = 253_402_300_799
_KEY = re.compile(r"(?:sk|rk)_(live|test)_[A-Za-z0-9_]+", re.ASCII)
_OF_PAYMENTS = ("charge", "refund", "dispute", "payment_intent", "invoice_payment")
_PAGES_MAX = 100_000
_TRANSACTIONS = Feed("balance_transactions", posts=True)
_EVENTS = Feed("events", retention=timedelta(days=30))
# Where an object of each kind is read again; the rest of the API's objects have no such place or are not read here.
_PLACES: Mapping[str, str] = {
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
_EXPANDED: Mapping[str, str] = {"invoice_payment": "invoice", "balance_transaction": "source"}
# Fields of /v1/balance -> our bucket, which is the balance_type of the transactions that move it.
_BUCKETS: Mapping[str, str] = {"available": "payments", "pending": "payments", "connect_reserved": "connect_reserved"}
_NESTED_BUCKETS = ("issuing", "refund_and_dispute_prefunding", "risk_reserved")
# What `check` asks for: a list, how to ask it for little, and the read rights that a restricted key needs for it.
_RIGHTS: Sequence[tuple[str, Sequence[tuple[str, str]], str]] = (
    ("account", (), "Accounts (without it a changed key cannot be told from another account's key)"),
    ("balance", (), "Balance"),
    (
        "balance_transactions",
        (("limit", "1"), ("expand[]", "data.source")),
        "Balance transaction sources, Charges and refunds, Disputes, Payouts, Top-ups and Transfers",
    ),
    ("events", (("limit", "1"),), "Events"),
    ("customers", (("limit", "1"),), "Customers"),
    ("subscriptions", (("limit", "1"), ("status", "all")), "Subscriptions"),
    ("invoices", (("limit", "1"),), "Invoices"),
    ("invoice_payments", (("limit", "1"), ("expand[]", "data.invoice")), "Invoices"),
)


def connect(options: Options, http: Http) -> Stripe:
    """Stripe with the key of one account; `http` lends its clocks. Raises Misconfigured for a key that is none."""
    if options.secret is None:
        raise Misconfigured(f"{options.name}: no key is given; add a line key: env:STRIPE_KEY (a restricted key, rk_live_...)")
    mode = _mode(options.name, options.secret.reveal())
    at = http.at(
        options.settings.get("base_url", _BASE_URL),
        secret=options.secret,
        headers={"Stripe-Version": VERSION},
        key_place=f"key: of {options.name} in syncjob.yaml",
        retry_header="stripe-should-retry",
    )
    return Stripe(options.name, at, mode, may_write=options.secret.reveal().startswith("sk_"))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Progress inside a window, newest first: after which id to go on, and the ceiling that the whole window has."""

    after: str
    ceiling: int | None

    @classmethod
    def read(cls, text: str | None) -> _Walk:
        """Progress as a page wrote it; None begins at the top."""
        if text is None:
            return cls("", None)
        try:
            body = strictjson.read(text.encode())
        except strictjson.BadJson:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("after"), str) or not isinstance(body.get("ceiling"), int):
            return cls("", None)  # from the top is always right, only longer
        return cls(str(body["after"]), int(str(body["ceiling"])))

    def text(self) -> str:
        """Progress as it is kept."""
        return json.dumps({"after": self.after, "ceiling": self.ceiling})


class Stripe:
    """One Stripe account, read only."""

    feeds: tuple[Feed, ...] = (_TRANSACTIONS, _EVENTS)

    def __init__(self, name: str, http: Http, mode: str, *, may_write: bool = False) -> None:
        self.name = name
        self.mode = mode
        self._http = http
        self._may_write = may_write

    # ------------------------------------------------------------ who and whether

    def identity(self) -> Identity:
        """Whose account the key opens; a key without the right to ask gives an empty account id."""
        answer = self._http.get("/v1/account", expect=(403,))
        if answer.status == 403:
            return Identity("", self.mode)
        account = self._object(answer, "account")
        dashboard = _within(account, "settings", "dashboard")
        return Identity(str(account["id"]), self.mode, str(_within(dashboard, "display_name") or ""))

    def check(self) -> list[Problem]:
        """One small request for each right the key needs; gives what is missing and where to click."""
        found = []
        for place, params, rights in _RIGHTS:
            try:
                answer = self._http.get(f"/v1/{place}", params, expect=(403,))
                self._right_version(answer)
            except NeedsPerson as wrong:
                return [Problem("the key", self.name, str(wrong))]  # no key, no rights: one line is enough
            except RecordRefused as wrong:
                found.append(Problem(f"/v1/{place}", self.name, str(wrong), "look at base_url"))
                continue
            if answer.status == 403:
                why = _within(answer.body, "error", "message") or "the key may not read this"
                cure = f"give the restricted key Read on {rights}"
                found.append(Problem(f"/v1/{place}", self.name, clean(str(why)), cure))
        if self._may_write and self.mode == "live":
            cure = "use a restricted key that only reads (docs/connectors/stripe.md lists its rights)"
            found.append(Problem("the key", self.name, "it is a secret key, which may also move money", cure))
        return found

    # ------------------------------------------------------------ reading

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        """Read one window of a feed from its newest row down; the cursor stands on the last page only."""
        filters = _filters(feed, window)
        walk = _Walk.read(resume)
        safe = walk.after
        events = _Events(self) if feed.name == _EVENTS.name else None
        before: list[str] = []
        cursors: set[str] = set()
        restarts = 0
        for _ in range(_PAGES_MAX):
            after = [("starting_after", walk.after)] if walk.after else []
            answer = self._http.get(f"/v1/{feed.name}", [*filters, *after], expect=(400,))
            if answer.status == 400:
                restarts += 1
                self._refuse_unless_gone(feed, answer, walk, restarts)
                # The row to go on after is gone or too old: the window is read again from its top.
                walk, safe, before, cursors = replace(walk, after=""), "", [], set()
                continue
            rows, more = self._rows(answer)
            ceiling = walk.ceiling if walk.ceiling is not None else _ceiling(feed, window, answer.seen_at)
            ids = [str(row["id"]) for row in rows]
            if more:
                self._refuse_standstill(feed, ids, before, cursors)
            fresh = [row for row in rows if row["id"] not in before]
            records = self._movements(fresh, answer) if events is None else events.records(fresh, answer)
            # Progress is written down, so it never stands on an id that holds a card number.
            safe = next((id for id in reversed(ids) if not has_card(id)), safe)
            resume = None if not more else _Walk(safe, ceiling).text()
            yield Page(tuple(records), resume, None if more else from_seconds(ceiling), from_seconds(ceiling), answer.seen_at)
            if not more:
                return
            before = ids
            cursors.add(ids[-1])
            walk = _Walk(ids[-1], ceiling)
        raise ConnectorDown(f"{self.name}: {feed.name} has more than {_PAGES_MAX} pages; narrow the window")

    def fetch(self, kind: str, id: str) -> Raw:
        """Read one object again by its id. Raises RecordRefused where there is no such object."""
        place = _PLACES.get(kind)
        if place is None:
            raise RecordRefused(f"{kind} {id} cannot be read by its id here; the kinds are {', '.join(_PLACES)}")
        expand = [("expand[]", _EXPANDED[kind])] if kind in _EXPANDED else []
        answer = self._http.get(path("v1", place, id), expand)
        body = self._object(answer, kind)
        if kind == "balance_transaction":
            return self._movements([body], answer)[0]
        return self.raw(body, answer.seen_at)

    def balances(self, wish: datetime | None) -> list[Balance]:  # noqa: ARG002 - Stripe answers for now, whatever is wished
        """Each bucket and currency as of the answer's own instant; what overlaps with another bucket is left out."""
        answer = self._http.get("/v1/balance")
        body = self._object(answer, "balance")
        parts = [(bucket, body.get(field)) for field, bucket in _BUCKETS.items()]
        for bucket in _NESTED_BUCKETS:
            inner = body.get(bucket)
            if isinstance(inner, Mapping):
                parts += [(bucket, inner.get(field)) for field in ("available", "pending")]
        sums: dict[tuple[str, str], int] = {}
        for bucket, amounts in parts:
            for one in amounts if isinstance(amounts, list) else ():
                amount, currency = one.get("amount"), one.get("currency")
                if type(amount) is not int or not isinstance(currency, str):
                    raise ConnectorDown(f"{self.name}: the balance {bucket} says {amount!r} {currency!r}, which is no amount")
                sums[bucket, currency] = sums.get((bucket, currency), 0) + amount
        # A currency that cannot be read leaves out its own balance, not everybody's: its movements are held and say why.
        return [
            Balance(bucket, money, answer.seen_at)
            for (bucket, currency), amount in sorted(sums.items())
            if (money := _readable(amount, currency)) is not None
        ]

    # ------------------------------------------------------------ what a page holds

    def _movements(self, rows: Sequence[dict[str, Any]], answer: Answer) -> list[Raw]:
        """Each balance transaction and, once, the object behind it."""
        found: list[Raw] = []
        sources: set[str] = set()
        for row in rows:
            source = row.get("source")
            if not isinstance(source, dict):
                # No source: Stripe's own fee or correction.
                subject = f"fee:{row['id']}" if source is None else f"balance_transaction:{row['id']}"
                found.append(self.raw(row, answer.seen_at, subject))
                continue
            origin = self.raw(source, answer.seen_at, occurred=row.get("created"))
            found.append(self.raw({**row, "source": origin.id}, answer.seen_at, origin.subject))
            if origin.id not in sources:
                sources.add(origin.id)
                found.append(origin)
        return found

    def raw(self, body: Mapping[str, Any], as_of: datetime, subject: str = "", occurred: object = None) -> Raw:
        """An object as a record. Raises ConnectorDown where it has no id or is of the other mode."""
        kind, id = body.get("object"), body.get("id")
        if not isinstance(kind, str) or not isinstance(id, str) or not id:
            raise ConnectorDown(f"{self.name}: Stripe showed an object without its kind or id; look at base_url")
        live = body.get("livemode")
        if live is not None and live is not (self.mode == "live"):
            seen = f"{clean(f'{kind} {id}')} has livemode {live}, but the key is a {self.mode} key"
            raise ConnectorDown(f"{self.name}: {seen}; use one key per mode")
        at = _instant(body.get("created", occurred), as_of)
        return Raw(kind, id, at, as_of, subject or _subject(body), body)

    def links(self, wanted: Mapping[str, int]) -> Iterator[Raw]:
        """Invoice payments with their invoices by id; `wanted` also says when each was created, to find many in one list."""
        left = dict(wanted)
        if len(left) >= _LISTED_MIN:
            filters = [
                ("limit", str(_PAGE)),
                ("created[gte]", str(min(left.values()))),
                ("created[lte]", str(max(left.values()))),
                ("expand[]", "data.invoice"),
            ]
            after: list[tuple[str, str]] = []
            for _ in range(_LISTED_PAGES_MAX):
                answer = self._http.get("/v1/invoice_payments", [*filters, *after])
                rows, more = self._rows(answer)
                for row in rows:
                    if left.pop(row["id"], None) is not None:
                        yield self.raw(row, answer.seen_at)
                if not more or not left or not rows:
                    break
                after = [("starting_after", rows[-1]["id"])]
        for id in left:
            yield from self.again("invoice_payment", id)

    def again(self, kind: str, id: str) -> Iterator[Raw]:
        """The object as it is now, or nothing where it is gone: what was done for it stays."""
        try:
            yield self.fetch(kind, id)
        except RecordRefused:
            return

    # ------------------------------------------------------------ what an answer must be

    def _rows(self, answer: Answer) -> tuple[list[dict[str, Any]], bool]:
        self._right_version(answer)
        body = answer.body
        rows, more = (body.get("data"), body.get("has_more")) if isinstance(body, dict) else (None, None)
        if not isinstance(rows, list) or not isinstance(more, bool):
            raise ConnectorDown(f"{self.name}: Stripe's answer is no list with data and has_more; look at base_url")
        if not all(isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"] for row in rows):
            raise ConnectorDown(f"{self.name}: a row of Stripe's list has no id; look at base_url")
        return rows, more

    def _object(self, answer: Answer, kind: str) -> dict[str, Any]:
        self._right_version(answer)
        body = answer.body
        if not isinstance(body, dict) or body.get("object") != kind or not isinstance(body.get("id", ""), str):
            raise ConnectorDown(f"{self.name}: Stripe's answer is no {kind}; look at base_url")
        if body.get("deleted") is True:
            raise RecordRefused(f"{kind} {body.get('id')} was deleted at Stripe")
        return body

    def _right_version(self, answer: Answer) -> None:
        seen = answer.headers.get("stripe-version", VERSION)
        if seen != VERSION:
            raise ConnectorDown(f"{self.name}: Stripe answers in API version {clean(seen)}, but {VERSION} was asked for")

    def _refuse_unless_gone(self, feed: Feed, answer: Answer, walk: _Walk, restarts: int) -> None:
        code, said = _within(answer.body, "error", "code"), clean(str(_within(answer.body, "error", "message") or ""))
        if code != "resource_missing" or not walk.after:
            raise ConnectorDown(f"{self.name}: Stripe refuses to list {feed.name}: {said[:200]}")
        if restarts > _RESTARTS_MAX:
            raise ConnectorDown(f"{self.name}: {feed.name}: the row to go on after vanished {restarts} times; try again later")

    def _refuse_standstill(self, feed: Feed, ids: Sequence[str], before: Sequence[str], cursors: set[str]) -> None:
        if not ids or ids[-1] in cursors or set(ids) <= set(before):
            last = clean(ids[-1]) if ids else "nothing"
            raise ConnectorDown(f"{self.name}: the list of {feed.name} goes round in circles at {last}; nothing was skipped")


class _Events:
    """Turns pages of events into records; shows each object once per walk, as the newest of its events has it."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._shown: dict[tuple[str, str], None] = {}

    def records(self, rows: Sequence[dict[str, Any]], answer: Answer) -> list[Raw]:
        """The events of a page, then their objects."""
        events: list[Raw] = []
        objects: list[Raw] = []
        links: dict[str, int] = {}
        hints: list[tuple[str, str]] = []
        for row in rows:
            shown = _within(row, "data", "object")
            if not isinstance(shown, dict) or not isinstance(shown.get("id"), str):
                continue  # an upcoming invoice, say, is no object yet
            as_of = _instant(row.get("created"), answer.seen_at)
            snapshot = self._stripe.raw(shown, as_of)
            events.append(self._stripe.raw(_event(row, snapshot), as_of, snapshot.subject))
            if not self._first(snapshot.type, snapshot.id):
                continue
            if snapshot.type == "invoice_payment":
                links[snapshot.id] = seconds(snapshot.occurred)
            elif row.get("api_version") != VERSION:
                hints.append((snapshot.type, snapshot.id))
            elif shown.get("deleted") is not True:
                objects.append(snapshot)
        objects += self._stripe.links(links)
        for kind, id in hints:
            objects += self._stripe.again(kind, id)
        return events + objects

    def _first(self, kind: str, id: str) -> bool:
        # Older snapshots are old news. Two of one second could not even be put in order, so the first, newest, one counts.
        if (kind, id) in self._shown:
            return False
        self._shown[kind, id] = None
        if len(self._shown) > _SHOWN_MAX:
            del self._shown[next(iter(self._shown))]
        return True


# ---------------------------------------------------------------- small parts


def _mode(name: str, key: str) -> str:
    found = _KEY.match(key)
    if found is None:
        raise Misconfigured(f"{name}: the key is no secret or restricted key of Stripe; those begin with rk_ or sk_")
    return found[1]


def _filters(feed: Feed, window: Window) -> list[tuple[str, str]]:
    if not isinstance(window.since, datetime):
        raise TypeError(f"the window of {feed.name} is over time, not over {window.since!r}")
    filters = [("limit", str(_PAGE)), ("created[gte]", str(seconds(window.since)))]
    if isinstance(window.until, datetime):
        filters.append(("created[lt]", str(seconds(window.until + timedelta(microseconds=999_999)))))
    if feed.name == _EVENTS.name:
        return [*filters, *(("types[]", name) for name in EVENTS)]
    return [*filters, ("expand[]", "data.source")]


def _ceiling(feed: Feed, window: Window, seen_at: datetime) -> int:
    """Up to where the window is complete (Unix seconds): what is younger than the settling time may still be missing."""
    settled = seen_at - feed.settling
    return seconds(min(window.until, settled) if isinstance(window.until, datetime) else settled)


def _event(row: Mapping[str, Any], snapshot: Raw) -> dict[str, Any]:
    """An event without its object, which is a record of its own."""
    kept = {name: row.get(name) for name in ("id", "object", "type", "created", "api_version", "livemode")}
    return {**kept, "data": {"object": {"id": snapshot.id, "object": snapshot.type}}}


def _subject(body: Mapping[str, Any]) -> str:
    """What an object is about: everything about one payment shares one subject."""
    kind, id = str(body.get("object")), str(body.get("id"))
    if kind not in _OF_PAYMENTS:
        return f"{kind}:{id}"
    if kind == "payment_intent":
        return f"payment:{id}"
    link = body.get("payment") if kind == "invoice_payment" else body
    intent, charge = _id(_within(link, "payment_intent")), _id(_within(link, "charge"))
    return f"payment:{intent or charge or id}"


def _instant(value: object, otherwise: datetime) -> datetime:
    """The instant of Unix seconds; an odd time is for the map to refuse, record by record, and must not stop a page."""
    return from_seconds(value) if type(value) is int and 0 <= value <= _SECONDS_MAX else otherwise


def _id(value: object) -> str:
    """The id in a field that may hold the whole object."""
    named = value.get("id") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else ""


def _within(value: object, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _readable(amount: int, currency: str) -> Money | None:
    try:
        return from_gateway("stripe", amount, currency)
    except RecordRefused:
        return None
