"""Stripe: balance transactions with their sources, and events; lists page newest first by `starting_after`.

The balance transaction is the ledger: one immutable row per movement, with fee, net and settlement currency. It is listed with
its source expanded (charge, refund, dispute, payout, top-up ...), so one request brings both. No list can be asked for what
changed, only for what was created; changes of old objects come as events, which Stripe keeps for 30 days. What older events
would have told is read from the object lists. An event shows its object as it was, in the API version in force when the event
was made: another version than ours is only a hint, and the object is read again. Old records change by refunds (years back),
disputes (some months), failed bank debits (weeks), payouts (days).

What surprises: newest first means that a killed walk has seen the newest and not the oldest, so the cursor moves only with the
last page; many rows share one second; neither balance transactions nor refunds say whether they are live; the link from an
invoice to its payment is an object of its own, and its event names the invoice by id only; the event of a deletion shows the
object as if it were still there; a deleted draft is 404, a deleted customer is 200; `exchange_rate` is a float in minor units
that must not be used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from syncjob import strictjson
from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, NotOffered, Problem, RecordRefused, TryLater
from syncjob.gateways.stripe import rights
from syncjob.gateways.stripe.again import Again
from syncjob.gateways.stripe.answers import VERSION, Answers
from syncjob.gateways.stripe.events import Events
from syncjob.gateways.stripe.feeds import FEEDS, TRANSACTIONS, TYPES, ceiling, filters, place
from syncjob.gateways.stripe.objects import Objects, within
from syncjob.http import Answer, Http
from syncjob.model import Raw
from syncjob.moment import Window, from_seconds
from syncjob.money import Money, from_gateway
from syncjob.ports import Balance, Feed, Identity, Options, Page, PaidOut
from syncjob.redact import has_card

__all__ = ["SETTINGS", "VERSION", "Stripe", "connect"]

SETTINGS: Mapping[str, str] = {
    "account": "The connected account that a platform's key reads (acct_...); leave it out for the key's own account.",
    "base_url": "Where Stripe's API is; leave it out, except for the sandbox (default https://api.stripe.com).",
}
_BASE_URL = "https://api.stripe.com"
_KEY = re.compile(r"(?:sk|rk)_(live|test)_[A-Za-z0-9_]+", re.ASCII)
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]+", re.ASCII)
_PAGES_MAX = 100_000
# Fields of /v1/balance -> our bucket, which is the balance_type of the transactions that move it.
_BUCKETS: Mapping[str, str] = {"available": "payments", "pending": "payments", "connect_reserved": "connect_reserved"}
_NESTED_BUCKETS = ("issuing", "refund_and_dispute_prefunding", "risk_reserved")


def _paid_out(name: str, row: Mapping[str, Any]) -> PaidOut:
    net, currency, created = row.get("net"), row.get("currency"), row.get("created")
    if type(net) is not int or type(created) is not int or not isinstance(currency, str):
        raise ConnectorDown(f"{name}: balance transaction {row['id']} says {net!r} {currency!r}, which is no amount")
    return PaidOut(str(row["id"]), from_gateway("stripe", net, currency), from_seconds(created))


def connect(options: Options, http: Http) -> Stripe:
    """Stripe with the key of one account; `http` lends its clocks. Raises Misconfigured for a key or account that is none."""
    if options.secret is None:
        raise Misconfigured(f"{options.name}: no key is given; add a line key: env:STRIPE_KEY (a restricted key, rk_live_...)")
    mode = _mode(options.name, options.secret.reveal())
    account = options.settings.get("account", "")
    if account and not _ACCOUNT.fullmatch(account):
        raise Misconfigured(f"{options.name}: account is {account!r}, which is no id of a connected account; write acct_...")
    headers = {"Stripe-Version": VERSION, **({"Stripe-Account": account} if account else {})}
    at = http.at(
        options.settings.get("base_url", _BASE_URL),
        secret=options.secret,
        headers=headers,
        key_place=f"key: of {options.name} in syncjob.yaml",
        retry_header="stripe-should-retry",
    )
    return Stripe(options.name, at, mode, account=account, may_write=options.secret.reveal().startswith("sk_"))


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
    """One Stripe account, read only: the key's own, or a connected one that a platform's key may read."""

    feeds: tuple[Feed, ...] = FEEDS

    def __init__(self, name: str, http: Http, mode: str, *, account: str = "", may_write: bool = False) -> None:
        self.name = name
        self.mode = mode
        self.account = account
        self._answers = Answers(name, http)
        self._objects = Objects(name, mode)
        self._again = Again(self._answers, self._objects)
        self._may_write = may_write

    # ------------------------------------------------------------ who and whether

    def identity(self) -> Identity:
        """Whose account is read; a key without the right to ask gives the id it was configured with, or an empty one."""
        answer = self._answers.get("/v1/account", expect=(403, 404))
        if answer.status == 404:
            self._answers.refuse_unless_offered(TRANSACTIONS.name, self._answers.get("/v1/balance_transactions", expect=(404,)))
            return Identity(self.account, self.mode)
        if answer.status == 403:
            if self.account and rights.is_closed(answer):
                raise NeedsPerson(str(rights.closed(self.name, self.account, answer)))
            return Identity(self.account, self.mode)
        body = self._answers.object(answer, "account")
        if self.account and body["id"] != self.account:
            why = f"Stripe answers for {body['id']}, but {self.account} was asked for"
            raise ConnectorDown(f"{self.name}: {why}; look at base_url")
        return Identity(str(body["id"]), self.mode, str(within(body, "settings", "dashboard", "display_name") or ""))

    def check(self) -> list[Problem]:
        """One small request for each right the key needs; gives what is missing and where to click."""
        return rights.problems(self._answers, self.account, may_move_money=self._may_write and self.mode == "live")

    # ------------------------------------------------------------ reading

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        """Read one window of a feed from its newest row down; the cursor stands on the last page only."""
        asked = filters(feed, window)
        walk = _Walk.read(resume)
        safe = walk.after
        events = Events(self._again, self._objects, self.account) if feed.name in TYPES else None
        before: list[str] = []
        cursors: set[str] = set()
        restarts = 0
        for _ in range(_PAGES_MAX):
            after = [("starting_after", walk.after)] if walk.after else []
            answer = self._answers.get(f"/v1/{place(feed)}", [*asked, *after], expect=(400, 404))
            self._answers.refuse_unless_offered(feed.name, answer)
            if answer.status == 400:
                restarts += 1
                self._answers.refuse_unless_gone(feed, answer, walk.after, restarts)
                # The row to go on after is gone or too old: the window is read again from its top.
                walk, safe, before, cursors = replace(walk, after=""), "", [], set()
                continue
            rows, more = self._answers.rows(answer)
            top = walk.ceiling if walk.ceiling is not None else ceiling(feed, window, answer.seen_at)
            ids = [str(row["id"]) for row in rows]
            if more:
                self._answers.refuse_standstill(feed, ids, before, cursors)
            fresh = [row for row in rows if row["id"] not in before]
            records = tuple(self._records(feed, fresh, answer) if events is None else events.records(fresh, answer))
            # Progress is written down, so it never stands on an id that holds a card number.
            safe = next((id for id in reversed(ids) if not has_card(id)), safe)
            resume = None if not more else _Walk(safe, top).text()
            yield Page(records, resume, None if more else from_seconds(top), from_seconds(top), answer.seen_at)
            if not more:
                return
            before = ids
            cursors.add(ids[-1])
            walk = _Walk(ids[-1], top)
        raise ConnectorDown(f"{self.name}: {feed.name} has more than {_PAGES_MAX} pages; narrow the window")

    def _records(self, feed: Feed, rows: Sequence[Mapping[str, Any]], answer: Answer) -> list[Raw]:
        if feed.name == TRANSACTIONS.name:
            return self._objects.movements(rows, answer.seen_at)
        return [self._objects.raw(row, answer.seen_at) for row in rows]

    def fetch(self, kind: str, id: str) -> Raw:
        """Read one object again by its id, or its tombstone. Raises RecordRefused where there is no such object."""
        return self._again.one(kind, id)

    def pays_out_by_hand(self) -> bool | None:
        """Whether the account's payout schedule is manual: Stripe itemises automatic payouts alone."""
        answer = self._answers.get("/v1/account", expect=(403, 404))
        interval = within(answer.body, "settings", "payouts", "schedule", "interval")
        return interval == "manual" if answer.status == 200 and isinstance(interval, str) else None

    def composition(self, payout: str) -> list[PaidOut] | None:
        """What an automatic payout pays out, from the list of its balance transactions; Stripe itemises no manual one."""
        body = self._answers.object(self._answers.get(f"/v1/payouts/{payout}"), "payout")
        if body.get("automatic") is not True:
            return None
        if body.get("reconciliation_status") != "completed":
            raise TryLater(f"{self.name}: Stripe has not itemised {payout} yet")
        found: list[PaidOut] = []
        asked, after, cursors = [("payout", payout), ("limit", "100")], "", set[str]()
        while True:
            answer = self._answers.get("/v1/balance_transactions", [*asked, *([("starting_after", after)] if after else [])])
            rows, more = self._answers.rows(answer)
            found += [_paid_out(self.name, row) for row in rows if row.get("source") != payout]
            after = str(rows[-1]["id"]) if rows else ""
            if not more:
                return found
            if not after or after in cursors:
                raise ConnectorDown(f"{self.name}: the list of what {payout} pays out goes round in circles at {after}")
            cursors.add(after)

    def balances(self, wish: datetime | None) -> list[Balance]:  # noqa: ARG002 - Stripe answers for now, whatever is wished
        """Each bucket and currency as of the answer's own instant; what overlaps with another bucket is left out."""
        answer = self._answers.get("/v1/balance", expect=(404,))
        self._answers.refuse_unless_offered("balance", answer)
        if within(answer.body, "object") != "balance":
            raise NotOffered("balance", "balance is not offered: what /v1/balance answers is none, so it is not covered")
        body = self._answers.object(answer, "balance")
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


def _mode(name: str, key: str) -> str:
    found = _KEY.match(key)
    if found is None:
        raise Misconfigured(f"{name}: the key is no secret or restricted key of Stripe; those begin with rk_ or sk_")
    return found[1]


def _readable(amount: int, currency: str) -> Money | None:
    try:
        return from_gateway("stripe", amount, currency)
    except RecordRefused:
        return None
