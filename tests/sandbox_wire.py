"""Clients of the Stripe simulator for its tests: a plain one on one connection, and the vendor's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from syncjob.sandbox.stripe import SECRET_KEY, running
from syncjob.sandbox.world import World

stripe = pytest.importorskip("stripe")
LISTS = [
    "balance_transactions",
    "charges",
    "refunds",
    "disputes",
    "payouts",
    "events",
    "customers",
    "invoices",
    "invoice_payments",
    "payment_intents",
    "subscriptions",
    "credit_notes",
    "topups",
    "transfers",
    "application_fees",
]
SIZE = {"bulk": 120}


class Wire:
    """A client on one kept-open connection; `ask` gives status, headers and bytes, `get` the JSON value."""

    def __init__(self, url: str) -> None:
        self.connection = HTTPConnection(urlsplit(url).netloc, timeout=10)

    def ask(self, method: str, path: str, value: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        headers.setdefault("Authorization", f"Bearer {SECRET_KEY}")
        body = None if value is None else json.dumps(value)
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, dict(response.headers), response.read()

    def get(self, path: str, headers: Mapping[str, str] = MappingProxyType({}), /, **params: object) -> Any:
        status, _, body = self.ask("GET", path + ("?" + urlencode(params, doseq=True) if params else ""), **headers)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, /, **value: object) -> Any:
        status, _, body = self.ask("POST", path, value)
        assert status == 200, body
        return json.loads(body)

    def ids(self, path: str, **params: object) -> list[str]:
        return [row["id"] for row in self.get(path, **params)["data"]]

    def everything(
        self, path: str, headers: Mapping[str, str] = MappingProxyType({}), /, **params: object
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, headers, limit=100, **params)
            rows += page["data"]
            if not page["has_more"]:
                return rows
            params["starting_after"] = rows[-1]["id"]


@contextmanager
def wired(world: World) -> Iterator[Wire]:
    with running(world) as url:
        wire = Wire(url)
        with closing(wire.connection):
            yield wire


@contextmanager
def sdk(world: World, key: str = SECRET_KEY) -> Iterator[Any]:
    with running(world) as url:
        http = stripe.RequestsClient()
        yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http, max_network_retries=0)
        http.close()


def refusal(wire: Wire, path: str, status: int, **headers: str) -> dict[str, Any]:
    got, _, body = wire.ask("GET", path, **headers)
    assert got == status, body
    error: dict[str, Any] = json.loads(body)["error"]
    return error
