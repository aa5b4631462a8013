"""The Stripe simulator: it answers as Stripe does, the same every time, and its money adds up."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from syncjob.sandbox.actions import GiveRefund, OpenDispute, Pay
from syncjob.sandbox.scenarios import NAMES
from syncjob.sandbox.stripe import LIMITED_KEY, RESTRICTED_KEY, SECRET_KEY, Sandbox, main, running
from syncjob.sandbox.world import World

stripe = pytest.importorskip("stripe")
CATALOGUE = Path(__file__).parents[2] / "shared/specs/gateways/stripe_object_fields_2026-10-28.json"
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
]
SIZE = {"bulk": 120}


class Wire:
    """A client on one kept-open connection; `get` returns status, headers and the JSON value."""

    def __init__(self, url: str) -> None:
        self.connection = HTTPConnection(urlsplit(url).netloc, timeout=10)

    def ask(self, method: str, path: str, value: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        headers.setdefault("Authorization", f"Bearer {SECRET_KEY}")
        body = None if value is None else json.dumps(value)
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, dict(response.headers), response.read()

    def get(self, path: str, /, **params: object) -> Any:
        status, _, body = self.ask("GET", path + ("?" + urlencode(params, doseq=True) if params else ""))
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, /, **value: object) -> Any:
        status, _, body = self.ask("POST", path, value)
        assert status == 200, body
        return json.loads(body)

    def ids(self, path: str, **params: object) -> list[str]:
        return [row["id"] for row in self.get(path, **params)["data"]]

    def everything(self, path: str, **params: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, **params)
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


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("tidy")) as wire:
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


# --- the vendor's own library is content


def test_the_vendors_library_pages_through_all_charges() -> None:
    world = World("tidy")
    with sdk(world) as client:
        first = client.v1.charges.list({"limit": 7})
        ids = [charge.id for charge in first.auto_paging_iter()]
    assert ids == [charge.id for charge in reversed(world.charges.rows)]


def test_the_vendors_library_walks_forward_with_ending_before() -> None:
    world = World("tidy")
    oldest = world.events.rows[0].id
    with sdk(world) as client:
        first = client.v1.events.list({"limit": 9, "ending_before": oldest})
        ids = [event.id for event in first.auto_paging_iter()]
    assert ids == [event.id for event in world.events.rows[1:]]


def test_the_vendors_library_expands_filters_and_reads_single_objects() -> None:
    with sdk(World("tidy")) as client:
        page = client.v1.balance_transactions.list({"type": "charge", "limit": 3, "expand": ["data.source.customer"]})
        assert page.data[0].source.customer.email
        charge = client.v1.charges.retrieve(page.data[0].source.id, {"expand": ["balance_transaction", "refunds"]})
        assert charge.balance_transaction.net == page.data[0].net
        assert charge.refunds.data == []
        paid = client.v1.events.list({"types": ["payout.paid", "payout.created"], "limit": 100})
        assert {event.type for event in paid.data} == {"payout.paid", "payout.created"}
        assert client.v1.balance.retrieve().livemode is False
        link = client.v1.invoice_payments.list({"limit": 1}).data[0]
        asked = {"payment": {"type": "payment_intent", "payment_intent": link.payment.payment_intent}}
        assert client.v1.invoice_payments.list(asked).data[0].invoice == link.invoice


def test_the_vendors_library_knows_the_errors() -> None:
    world = World("tidy")
    with sdk(world) as client, pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.list({"starting_after": "ch_nobody"})
    assert (caught.value.code, caught.value.param) == ("resource_missing", "starting_after")
    with sdk(world, LIMITED_KEY) as client, pytest.raises(stripe.PermissionError):
        client.v1.events.list()
    with sdk(world, "sk_test_somebodyelse") as client, pytest.raises(stripe.AuthenticationError):
        client.v1.charges.list()


# --- lists


def test_a_list_is_newest_first_ten_at_a_time_and_says_whether_there_is_more(wire: Wire) -> None:
    page = wire.get("/v1/charges")
    created = [row["created"] for row in page["data"]]
    assert (page["object"], page["url"], page["has_more"], len(created)) == ("list", "/v1/charges", True, 10)
    assert created == sorted(created, reverse=True)


def test_a_page_before_an_id_is_the_nearest_newer_one_and_still_newest_first(wire: Wire) -> None:
    ids = [row["id"] for row in wire.everything("/v1/events")]
    page = wire.get("/v1/events", ending_before=ids[20], limit=5)
    assert [row["id"] for row in page["data"]] == ids[15:20]
    assert page["has_more"] is True
    assert wire.get("/v1/events", ending_before=ids[5], limit=5)["has_more"] is False
    assert wire.ids("/v1/events", ending_before=ids[0]) == []


def test_rows_of_one_second_keep_their_order_across_pages() -> None:
    world = World("quiet")
    for number in range(25):
        world.act(Pay(world.clock, "", None, 1_000 + number, "eur"))
    with wired(world) as wire:
        ids = [row["id"] for row in wire.everything("/v1/charges", **{"created[gte]": world.clock})]
        one_by_one = [wire.ids("/v1/charges", limit=1)[0]]
        while len(one_by_one) < 25:
            one_by_one += wire.ids("/v1/charges", limit=1, starting_after=one_by_one[-1])
    assert len(set(ids)) == 25
    assert one_by_one == ids


@pytest.mark.parametrize(("bound", "expected"), [("gte", [2, 1]), ("gt", [2]), ("lte", [1, 0]), ("lt", [0]), ("", [1])])
def test_created_bounds_are_exact_to_the_second(wire: Wire, bound: str, expected: list[int]) -> None:
    oldest = wire.everything("/v1/charges")[-3:][::-1]
    key = f"created[{bound}]" if bound else "created"
    ids = {row["id"] for row in wire.everything("/v1/charges", **{key: oldest[1]["created"]})}
    assert [place for place in (2, 1, 0) if oldest[place]["id"] in ids] == expected


def test_filters_leave_only_what_was_asked_for(wire: Wire) -> None:
    fees = wire.get("/v1/balance_transactions", type="stripe_fee")["data"]
    assert [(row["amount"], row["source"], row["net"]) for row in fees] == [(-1_250, None, -1_250)]
    both = wire.everything("/v1/balance_transactions", type="charge", currency="usd")
    assert {(row["type"], row["currency"]) for row in both} == {("charge", "usd")}
    charge = wire.get("/v1/refunds")["data"][0]["charge"]
    assert {row["charge"] for row in wire.everything("/v1/refunds", charge=charge)} == {charge}
    assert [row["source"] for row in wire.get("/v1/balance_transactions", source=charge)["data"]] == [charge]
    assert {row["status"] for row in wire.everything("/v1/payouts", status="paid")} == {"paid"}
    studio = wire.get("/v1/customers", email="office@studio.example.org")["data"]
    assert len(studio) == 2
    events = wire.everything("/v1/events", type="charge.dispute.*")
    assert {row["type"].rpartition(".")[0] for row in events} == {"charge.dispute"}
    assert wire.ids("/v1/credit_notes") == []


def test_any_filtered_page_is_what_a_plain_search_finds() -> None:
    world = World("bulk", 9, 150)
    dice = Random(9)  # noqa: S311 - a story, no secret
    with wired(world) as wire:
        rows = wire.everything("/v1/balance_transactions")
        for _ in range(150):
            asked: dict[str, Any] = {"limit": dice.randint(1, 100)}
            fits = rows
            for field in ("type", "currency"):
                if dice.random() < 0.5:
                    asked[field] = dice.choice(rows)[field]
                    fits = [row for row in fits if row[field] == asked[field]]
            if dice.random() < 0.5:
                asked["created[gt]"] = dice.choice(rows)["created"]
                fits = [row for row in fits if row["created"] > asked["created[gt]"]]
            way, place = dice.choice(["starting_after", "ending_before", ""]), dice.randrange(len(rows))
            if way:
                asked[way] = rows[place]["id"]
                side = rows[place + 1 :] if way == "starting_after" else rows[:place]
                fits = [row for row in side if row in fits]
            limit = asked["limit"]
            page = wire.get("/v1/balance_transactions", **asked)
            assert page["data"] == (fits[-limit:] if way == "ending_before" else fits[:limit])
            assert page["has_more"] == (len(fits) > limit)


def test_an_invoice_shows_its_payments_and_its_subscription_when_asked(wire: Wire) -> None:
    expand = ["data.payments", "data.parent.subscription_details.subscription", "data.customer"]
    invoices = {row["number"]: row for row in wire.get("/v1/invoices", **{"expand[]": expand})["data"]}
    renewed = invoices["INV-1012"]
    assert renewed["parent"]["subscription_details"]["subscription"]["object"] == "subscription"
    assert renewed["customer"]["name"] == "Sample Choir Society"
    (link,) = renewed["payments"]["data"]
    intent = wire.get(f"/v1/payment_intents/{link['payment']['payment_intent']}")
    assert (intent["amount_received"], link["amount_paid"]) == (renewed["total"], renewed["amount_paid"])
    assert invoices["INV-1008"]["parent"] is None
    assert renewed["lines"]["data"][0]["parent"]["subscription_item_details"]["subscription"].startswith("sub_")


def test_what_is_expanded_stands_where_it_belongs(wire: Wire) -> None:
    names = ["charge", "customer", "payment_intent", "balance_transaction"]
    plain = wire.get("/v1/refunds")["data"][0]
    full = wire.get("/v1/refunds", **{"expand[]": [f"data.{name}" for name in names]})["data"][0]
    assert {name: full[name]["id"] for name in names} == {name: plain[name] for name in names}
    assert full["charge"]["customer"] == plain["customer"]
    assert {**full, **{name: plain[name] for name in names}} == plain
    charge = wire.post("/_sandbox/act", action="charge", amount=900, currency="eur")["created"]["charges"][0]
    intent = wire.get(f"/v1/charges/{charge}")["payment_intent"]
    wire.post("/_sandbox/act", action="charge_update", charge=charge, metadata={"payment_intent": intent})
    trapped = wire.get(f"/v1/charges/{charge}", **{"expand[]": ["payment_intent", "refunds"]})
    assert trapped["payment_intent"]["id"] == trapped["metadata"]["payment_intent"] == intent


def test_cancelled_subscriptions_are_hidden_unless_asked_for() -> None:
    world = World("tidy")
    world.advance(14 * 86_400)
    with wired(world) as wire:
        assert wire.ids("/v1/subscriptions") == []
        assert len(wire.ids("/v1/subscriptions", status="all")) == 1
        assert len(wire.ids("/v1/subscriptions", status="canceled")) == 1


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "parameter_invalid_integer"),
        ("limit=101", "limit", "parameter_invalid_integer"),
        ("limit=ten", "limit", "parameter_invalid_integer"),
        ("created[gte]=yesterday", "created[gte]", "parameter_invalid_integer"),
        ("updated[gte]=1", "updated[gte]", "parameter_unknown"),
        ("starting_after=ch_nobody", "starting_after", "resource_missing"),
        ("starting_after=ch_a&ending_before=ch_b", None, "parameters_exclusive"),
        ("expand[]=data.amount", "expand", None),
        ("expand[]=customer", "expand", None),
    ],
)
def test_a_bad_parameter_is_refused_by_name(wire: Wire, query: str, param: str | None, code: str | None) -> None:
    error = refusal(wire, f"/v1/charges?{query}", 400)
    assert (error["type"], error.get("param"), error.get("code")) == ("invalid_request_error", param, code)


def test_what_does_not_exist_is_not_found(wire: Wire) -> None:
    assert refusal(wire, "/v1/charges/ch_nobody", 404)["code"] == "resource_missing"
    assert "Unrecognized request URL" in refusal(wire, "/v1/nothing", 404)["message"]
    assert "automatic" not in refusal(wire, "/v1/balance_transactions?payout=po_nobody", 400)["message"]


# --- keys and headers


def test_keys_open_what_they_may(wire: Wire) -> None:
    basic = base64.b64encode(f"{RESTRICTED_KEY}:".encode()).decode()
    assert wire.ask("GET", "/v1/events", Authorization=f"Basic {basic}")[0] == 200
    assert wire.ask("GET", "/v1/charges", Authorization=f"Bearer {LIMITED_KEY}")[0] == 200
    for path in ("/v1/events", "/v1/account"):
        assert "permissions" in refusal(wire, path, 403, Authorization=f"Bearer {LIMITED_KEY}")["message"]
    live = "sk_live_" + "z" * 24
    message = refusal(wire, "/v1/charges", 401, Authorization=f"Bearer {live}")["message"]
    assert message.startswith("Invalid API Key provided")
    assert live not in message
    assert "did not provide" in refusal(wire, "/v1/charges", 401, Authorization="")["message"]


def test_every_answer_carries_the_simulated_date_an_id_and_the_version(wire: Wire) -> None:
    for path in ("/v1/charges", "/v1/nothing", "/_sandbox/clock"):
        headers = wire.ask("GET", path)[1]
        assert headers["Date"] == "Tue, 03 Nov 2026 06:00:00 GMT"
        assert headers["Request-Id"].startswith("req_")
        assert headers["Content-Type"] == "application/json"
    headers = wire.ask("GET", "/v1/charges", **{"Stripe-Version": "2023-08-16"})[1]
    assert headers["Stripe-Version"] == "2023-08-16"


def test_it_only_reads_and_notes_who_tried_to_write(wire: Wire) -> None:
    assert wire.ask("POST", "/v1/charges", {"amount": 100})[0] == 405
    wire.get("/v1/charges", limit=1)
    wire.ask("GET", "/v1/charges?limit=2", Authorization="")
    lines = wire.get("/_sandbox/requests")
    assert [(line["method"], line["path"], line["key"], line["status"]) for line in lines] == [
        ("POST", "/v1/charges", "secret", 405),
        ("GET", "/v1/charges?limit=1", "secret", 200),
        ("GET", "/v1/charges?limit=2", "none", 401),
    ]
    wire.ask("DELETE", "/_sandbox/requests")
    assert wire.get("/_sandbox/requests") == []


# --- time


def _pages(world: World) -> list[bytes]:
    sandbox = Sandbox(world)
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    paths = [f"/v1/{name}?limit=100" for name in LISTS] + ["/v1/balance", "/v1/account", "/_sandbox/books"]
    return [sandbox.answer("GET", path, headers, b"").body for path in paths]


@pytest.mark.parametrize("name", NAMES)
def test_advancing_gives_what_a_later_start_gives(name: str) -> None:
    stepped, later = World(name, 7, SIZE.get(name)), World(name, 7, SIZE.get(name))
    later = World(name, 7, SIZE.get(name), later.clock + 6 * 86_400)
    for _ in range(6 * 24):
        stepped.advance(3_600)
    assert _pages(stepped) == _pages(later)


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    assert _pages(World("busy", 3)) == _pages(World("busy", 3))
    assert _pages(World("busy", 3)) != _pages(World("busy", 4))


def test_reading_changes_nothing_and_time_stands_still(wire: Wire) -> None:
    before = wire.ask("GET", "/v1/balance_transactions?limit=100")[2]
    assert wire.ask("GET", "/v1/balance_transactions?limit=100")[2] == before
    clock = wire.get("/_sandbox/clock")["clock"]
    assert wire.post("/_sandbox/advance", seconds=60)["clock"] == clock + 60
    assert wire.ask("POST", "/_sandbox/advance", {"seconds": -1})[0] == 400


def test_events_are_forgotten_after_thirty_days(wire: Wire) -> None:
    oldest = wire.everything("/v1/events")[-1]
    wire.post("/_sandbox/advance", seconds=10 * 86_400)
    clock = wire.get("/_sandbox/clock")["clock"]
    created = [event["created"] for event in wire.everything("/v1/events")]
    assert min(created) >= clock - 30 * 86_400
    assert refusal(wire, f"/v1/events/{oldest['id']}", 404)["code"] == "resource_missing"
    assert refusal(wire, f"/v1/events?ending_before={oldest['id']}", 400)["code"] == "resource_missing"
    assert len(wire.everything("/v1/charges")) > 45


def test_an_event_keeps_its_object_as_it_was(wire: Wire) -> None:
    refunded = next(row for row in wire.everything("/v1/charges") if row["refunded"])
    events = [
        event for event in wire.everything("/v1/events", type="charge.*") if event["data"]["object"]["id"] == refunded["id"]
    ]
    seen = [(event["type"], event["data"]["object"]["amount_refunded"]) for event in events]
    assert seen == [("charge.refunded", refunded["amount"]), ("charge.succeeded", 0)]
    assert events[0]["data"]["previous_attributes"] == {"amount_refunded": 0, "refunded": False}
    assert {event["api_version"] for event in events} == {"2026-10-28.endive"}


# --- money


@pytest.mark.parametrize("days", [0, 2, 9])
@pytest.mark.parametrize("name", NAMES)
def test_every_balance_is_the_sum_of_its_movements(name: str, days: int) -> None:
    world = World(name, 2, SIZE.get(name))
    world.advance(days * 86_400)
    with wired(world) as wire:
        rows = wire.everything("/v1/balance_transactions")
        balance = wire.get("/v1/balance")
        books = wire.get("/_sandbox/books")
    for part, status in (("available", "available"), ("pending", "pending")):
        for money in balance[part]:
            nets = [row["net"] for row in rows if (row["currency"], row["status"]) == (money["currency"], status)]
            assert money["amount"] == sum(nets)
    totals = {currency: sum(row["net"] for row in rows if row["currency"] == currency) for currency in books["balances"]}
    assert books["balances"] == totals
    for row in rows:
        assert row["net"] == row["amount"] - row["fee"]
        assert row["fee"] == sum(part["amount"] for part in row["fee_details"])


@pytest.mark.parametrize("name", NAMES)
def test_a_payout_is_the_sum_of_its_members(name: str) -> None:
    with wired(World(name, 2, SIZE.get(name))) as wire:
        payouts = wire.everything("/v1/payouts")
        assert payouts
        for payout in payouts:
            members = wire.everything("/v1/balance_transactions", payout=payout["id"])
            own = [row for row in members if row["source"] == payout["id"] and row["type"] == "payout"]
            assert [row["net"] for row in own] == [-payout["amount"]]
            assert sum(row["net"] for row in members) == 0


def test_the_tidy_month_is_what_the_demo_promises(wire: Wire) -> None:
    books = wire.get("/_sandbox/books")
    assert books["charges"] == {"total": 45, "succeeded": 42, "failed": 3, "refunded": 2, "disputed": 2}
    assert sorted(books["by_type"]["eur"]) == ["adjustment", "charge", "payment", "payout", "refund", "stripe_fee"]
    assert {row["status"] for row in wire.everything("/v1/payouts")} == {"paid"}
    assert {row["status"] for row in wire.everything("/v1/disputes")} == {"lost", "needs_response"}
    clock = wire.get("/_sandbox/clock")["clock"]
    assert max(row["created"] for row in wire.everything("/v1/events")) < clock - 600
    wire.post("/_sandbox/advance", seconds=3 * 86_400)
    after = wire.get("/_sandbox/books")
    assert after["charges"]["total"] == 49
    assert {row["status"] for row in wire.everything("/v1/disputes")} == {"lost", "won"}


def test_a_lost_dispute_costs_a_fee_and_a_won_one_gives_it_back(wire: Wire) -> None:
    wire.post("/_sandbox/advance", seconds=3 * 86_400)
    lines = {row["status"]: row["balance_transactions"] for row in wire.everything("/v1/disputes")}
    assert [(line["reporting_category"], line["amount"] < 0, line["fee"]) for line in lines["lost"]] == [
        ("dispute", True, 2_000)
    ]
    out, back = lines["won"]
    assert (out["net"], out["fee"], out["reporting_category"]) == (-back["net"], 1_500, "dispute")
    assert (back["fee"], back["reporting_category"], back["type"]) == (-1_500, "dispute_reversal", "adjustment")


def test_a_payment_in_pounds_settles_in_euro(wire: Wire) -> None:
    charge = next(row for row in wire.everything("/v1/charges") if row["currency"] == "gbp")
    movement = wire.get(f"/v1/balance_transactions/{charge['balance_transaction']}")
    assert movement["currency"] == "eur"
    assert movement["exchange_rate"] == pytest.approx(movement["amount"] / charge["amount"], rel=1e-3)
    assert len(movement["fee_details"]) == 2


def test_currencies_move_in_the_steps_that_stripe_allows() -> None:
    rows = World("tidy").ledger.movements.rows
    for currency, step in (("isk", 100), ("kwd", 10)):
        moved = [number for row in rows if row.currency == currency for number in (row.amount, row.fee)]
        assert moved
        assert {number % step for number in moved} == {0}


def test_the_merchants_invoices_are_told_in_major_units(wire: Wire) -> None:
    told = {row["number"]: (row["currency"], row["total"]) for row in wire.get("/_sandbox/invoices")}
    assert told["INV-1001"] == ("EUR", "120.00")
    assert told["INV-1005"] == ("JPY", "5000")
    assert told["INV-1006"] == ("KWD", "12.500")
    assert told["INV-1014"] == ("ISK", "2500")
    paid = {row["number"]: row["paid"] - row["total"] for row in wire.get("/_sandbox/books")["invoices"]}
    assert (paid["INV-1003"], paid["INV-1004"], paid["INV-1008"]) == (0, -50_000, 0)


def test_busy_holds_what_a_person_must_resolve() -> None:
    with wired(World("busy")) as wire:
        types = {row["type"] for row in wire.everything("/v1/balance_transactions")}
        assert {"climate_mystery", "topup", "payout_failure", "refund_failure", "payment_failure_refund"} <= types
        assert {row["status"] for row in wire.everything("/v1/payouts")} == {"paid", "failed"}
        failed = [row for row in wire.everything("/v1/refunds") if row["status"] == "failed"]
        assert failed[0]["failure_balance_transaction"]
        assert [row["amount"] for row in wire.everything("/v1/charges") if row["currency"] == "xxx"] == [5_000]


def test_bulk_is_as_big_as_wanted() -> None:
    world = World("bulk", 1, 1_000)
    kinds = [event.type for event in world.events.rows]
    assert len(world.charges) == 1_000
    assert kinds.count("charge.succeeded") == kinds.count("payment_intent.succeeded") == 1_000
    assert len(world.customers) == 200
    assert 20 < len(world.refunds) < 80
    assert {dispute.status for dispute in world.disputes.rows} == {"won", "lost"}


# --- shapes


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the field catalogue lies beside the repository, not in it")
@pytest.mark.parametrize("name", ["tidy", "busy"])
def test_every_field_is_in_the_vendors_catalogue(name: str) -> None:
    catalogue = json.loads(CATALOGUE.read_text())
    with wired(World(name)) as wire:
        rows = [row for path in LISTS for row in wire.everything(f"/v1/{path}")]
        rows += [event["data"]["object"] for event in wire.everything("/v1/events")]
        assert {event["type"] for event in wire.everything("/v1/events")} <= set(catalogue["event_types"])
    for row in rows:
        noun = "".join(part.title() for part in row["object"].split("_"))
        if noun != "Topup":
            assert set(row) <= set(catalogue["objects"][noun]), noun
            assert not {"invoice"} & set(row) or noun == "InvoicePayment"


def test_no_id_looks_like_a_card_number() -> None:
    world = World("bulk", 5, 2_000)
    ids = [row.id for shelf in (world.charges, world.events, world.ledger.movements) for row in shelf.rows]
    assert len(ids) == len(set(ids))
    assert not [id for id in ids if re.search(r"\d{13}", id)]


# --- single actions


def test_a_test_can_do_one_thing_now(wire: Wire) -> None:
    customer = wire.ids("/v1/customers", limit=1)[0]
    made = wire.post(
        "/_sandbox/act",
        action="charge",
        amount=1_234,
        currency="eur",
        customer=customer,
        description="Payment for INV-1013",
        metadata={"order_id": "ORD-1"},
    )["created"]
    charge = made["charges"][0]
    assert wire.ids("/v1/charges", limit=1) == [charge]
    wire.post("/_sandbox/act", action="refund", charge=charge, amount=234)
    dispute = wire.post("/_sandbox/act", action="dispute", charge=charge)["created"]["disputes"][0]
    wire.post("/_sandbox/act", action="dispute", dispute=dispute, outcome="won")
    wire.post("/_sandbox/act", action="charge_update", charge=charge, description="corrected")
    wire.post("/_sandbox/act", action="customer_update", customer=customer, email="new@example.com")
    wire.post("/_sandbox/act", action="transaction", type="moon_tax", amount=-5, currency="eur")
    wire.post("/_sandbox/act", action="payout", currency="eur", automatic=False, amount=100)
    got = wire.get(f"/v1/charges/{charge}")
    assert (got["amount_refunded"], got["disputed"], got["description"]) == (234, True, "corrected")
    assert wire.get("/v1/customers/" + customer)["email"] == "new@example.com"
    assert len(wire.get("/v1/balance_transactions", type="moon_tax")["data"]) == 1
    manual = wire.ids("/v1/payouts", limit=1)[0]
    assert "automatic" in refusal(wire, f"/v1/balance_transactions?payout={manual}", 400)["message"]


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "dance"},
        {"action": "charge", "amount": 12.5, "currency": "eur"},
        {"action": "charge", "amount": 12},
        {"action": "charge", "amount": 12, "currency": "eur", "colour": "red"},
    ],
)
def test_an_action_that_nobody_knows_is_refused(wire: Wire, wish: dict[str, Any]) -> None:
    assert wire.ask("POST", "/_sandbox/act", wish)[0] == 400


def test_nobody_refunds_more_than_was_paid() -> None:
    world = World("quiet")
    charge = world.charges.rows[0]
    with pytest.raises(ValueError, match="cannot be refunded"):
        world.act(GiveRefund(world.clock, "", charge.id, charge.amount + 1))
    world.act(OpenDispute(world.clock, "", charge.id))
    assert world.charges.rows[0].disputed


# --- misfortunes


def test_too_many_requests_with_and_without_a_time_to_wait(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="429", retry_after=3, path="/v1/charges")
    wire.post("/_sandbox/quirks", name="500", times=2, path="/v1/events")
    status, headers, body = wire.ask("GET", "/v1/charges")
    assert (status, headers["Retry-After"], json.loads(body)["error"]["code"]) == (429, "3", "rate_limit")
    assert wire.ask("GET", "/v1/charges")[0] == 200
    assert [wire.ask("GET", "/v1/events")[0] for _ in range(3)] == [500, 500, 200]
    wire.post("/_sandbox/quirks", name="429", times=None)
    assert "Retry-After" not in wire.ask("GET", "/v1/charges")[1]
    wire.ask("DELETE", "/_sandbox/quirks")
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_a_cut_answer_is_no_json(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="truncated")
    status, headers, body = wire.ask("GET", "/v1/charges")
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_a_connection_breaks_in_the_middle_of_a_body(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="reset")
    with pytest.raises(ConnectionResetError):
        wire.ask("GET", "/v1/charges?limit=100")
    wire.connection.close()
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_an_answer_can_come_too_late(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="timeout", seconds=0.3)
    wire.connection.close()
    wire.connection.timeout = 0.05
    with pytest.raises(TimeoutError):
        wire.ask("GET", "/v1/charges")
    wire.connection.close()
    wire.connection.timeout = 10
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_the_last_row_of_a_page_can_come_again(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="duplicate_rows")
    first = wire.ids("/v1/charges", limit=5)
    second = wire.ids("/v1/charges", limit=5, starting_after=first[-1])
    assert second[0] == first[-1]
    assert len(wire.ids("/v1/charges", limit=1, starting_after=first[-1])) == 2
    assert len(wire.everything("/v1/charges")) == 45


def test_young_rows_can_stay_out_of_sight_for_a_while(wire: Wire) -> None:
    wire.post("/_sandbox/act", action="charge", amount=100, currency="eur")
    wire.post("/_sandbox/quirks", name="late_rows", seconds=60, path="/v1/events")
    seen = wire.ids("/v1/events", limit=1)
    wire.post("/_sandbox/advance", seconds=59)
    assert wire.ids("/v1/events", limit=1) == seen
    wire.post("/_sandbox/advance", seconds=1)
    assert wire.ids("/v1/events", limit=1) != seen


def test_people_type_card_numbers_into_everything(wire: Wire) -> None:
    clean = wire.ask("GET", "/v1/charges?limit=100")[2]
    wire.post("/_sandbox/quirks", name="card_numbers")
    text = wire.ask("GET", "/v1/charges?limit=100")[2].decode()
    events = wire.ask("GET", "/v1/events?limit=100&type=charge.*")[2].decode()
    for sign in ("4242 4242 4242 4242", "4242-4242-4242-4242", "\uff14\uff12" * 8, '\\"number\\": \\"4242424242424242'):
        assert sign in text
        assert sign in events
    wire.ask("DELETE", "/_sandbox/quirks")
    assert wire.ask("GET", "/v1/charges?limit=100")[2] == clean


def test_a_card_number_can_stand_in_an_id(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="card_in_id")
    assert wire.ids("/v1/balance_transactions", limit=1) == ["txn_4242424242424242"]
    assert wire.ask("POST", "/_sandbox/quirks", {"name": "gremlins"})[0] == 400
    assert wire.ask("POST", "/_sandbox/quirks", {"name": "429", "colour": 1})[0] == 400


# --- the process


def test_it_runs_as_a_process_and_leaves_when_asked() -> None:
    command = [sys.executable, "-m", "syncjob.sandbox.stripe", "--scenario", "quiet", "--max-seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+\n", line)
        wire = Wire(line.split()[1])
        with closing(wire.connection):
            assert wire.get("/v1/charges")["has_more"] is True
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert process.stdout.read() == ""


def test_it_stops_by_itself_and_says_when_the_port_is_taken() -> None:
    said: list[str] = []
    assert main(scenario="quiet", announce=said.append, max_seconds=0) == 0
    assert len(said) == 1
    with running(World("quiet")) as url, pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        main(port=int(url.rpartition(":")[2]), scenario="quiet", announce=said.append)
    assert len(said) == 1
