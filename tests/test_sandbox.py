"""The Stripe simulator: it answers as Stripe does, and the vendor's own library is content."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Any

import pytest
from sandbox_wire import Wire, refusal, sdk, stripe, wired

from syncjob.sandbox.actions import Pay
from syncjob.sandbox.stripe import LIMITED_KEY, RESTRICTED_KEY, main, running
from syncjob.sandbox.world import World


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("tidy")) as wire:
        yield wire


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
