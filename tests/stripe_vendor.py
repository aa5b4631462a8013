"""A Stripe that answers by a script, and the walks through it; only what matters is written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import responses
from responses.matchers import query_param_matcher

from syncjob.gateways.stripe import VERSION, Stripe, connect
from syncjob.http import Http, Meter
from syncjob.model import Raw
from syncjob.moment import Window
from syncjob.ports import Feed, Options, Page
from syncjob.redact import Secret

URL = "https://api.stripe.com"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
NOON_SECONDS = int(NOON.timestamp())
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TEST_KEY = "rk_" + "test_Example"
OLD = "2023-08-16"
Body = dict[str, Any]


def opened(key: str = TEST_KEY, meter: Meter | None = None, **settings: str) -> Stripe:
    return connect(Options("shop", Path("."), settings, Secret(key)), at_noon(meter))


def at_noon(meter: Meter | None = None) -> Http:
    return Http(
        URL, sleep=lambda _: None, monotonic=lambda: 0.0, now=lambda: NOON, random=lambda: 0.0, meter=meter or Meter()
    )


def walked(stripe: Stripe, feed: str, window: Window | None = None, resume: str | None = None) -> list[Page]:
    return list(stripe.pages(feed_of(stripe, feed), window or Window(LONG_AGO), resume))


def feed_of(stripe: Stripe, name: str) -> Feed:
    return next(feed for feed in stripe.feeds if feed.name == name)


def records(pages: Sequence[Page], type: str | None = None) -> list[Raw]:
    return [one for page in pages for one in page.records if type in (None, one.type)]


def transaction(number: int, source: object = None, created: int = NOON_SECONDS - 600, **more: object) -> Body:
    row = {"id": f"txn_{number}", "object": "balance_transaction", "created": created, "source": source, "amount": 100}
    return {**row, **more}


def charge(number: int, **more: object) -> Body:
    body = {"id": f"ch_{number}", "object": "charge", "created": NOON_SECONDS - 700, "livemode": False}
    return {**body, "payment_intent": f"pi_{number}", **more}


def event(number: int, shown: Body, type: str = "charge.updated", version: str = VERSION) -> Body:
    data = {"object": shown, "previous_attributes": {"description": "old"}}
    row = {"id": f"evt_{number}", "object": "event", "type": type, "created": NOON_SECONDS - 300, "data": data}
    return {**row, "api_version": version, "livemode": False}


def listed(*rows: Body, more: bool = False) -> Body:
    return {"object": "list", "data": list(rows), "has_more": more, "url": "/v1/x"}


def answers(
    vendor: responses.RequestsMock,
    path: str,
    body: Body,
    status: int = 200,
    asked: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    matchers = [query_param_matcher(dict(asked), strict_match=False)] if asked is not None else []
    vendor.add(
        responses.GET,
        f"{URL}{path}",
        json=body,
        status=status,
        headers={"Date": "Tue, 03 Nov 2026 12:00:00 GMT", "Stripe-Version": VERSION, **(headers or {})},
        match=matchers,
    )


def gone(id: str) -> Body:
    error = {"code": "resource_missing", "message": f"No such object: '{id}'", "param": "starting_after"}
    return {"error": {**error, "type": "invalid_request_error"}}


def link(number: int, invoice: object = "in_1") -> Body:
    body = {"id": f"inpay_{number}", "object": "invoice_payment", "created": NOON_SECONDS - 900 - number, "invoice": invoice}
    return {**body, "payment": {"type": "payment_intent", "payment_intent": f"pi_{number}"}}


def invoice(number: int, **more: object) -> Body:
    body = {"id": f"in_{number}", "object": "invoice", "created": NOON_SECONDS - 900 - number, "number": f"INV-{number}"}
    return {**body, "livemode": False, "status": "paid", **more}
