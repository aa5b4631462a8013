"""The simulated account: the same every time, its money adds up, its objects have the vendor's fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_wire import LISTS, SIZE, Wire, refusal, wired

from syncjob.sandbox.scenarios import NAMES
from syncjob.sandbox.stripe import SECRET_KEY, Sandbox
from syncjob.sandbox.world import World

CATALOGUE = Path(__file__).parents[2] / "shared/specs/gateways/stripe_object_fields_2026-10-28.json"


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("tidy")) as wire:
        yield wire


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
            of_it = (money["currency"], status, "payments")
            nets = [row["net"] for row in rows if (row["currency"], row["status"], row["balance_type"]) == of_it]
            assert money["amount"] == sum(nets)
    payments = [row for row in rows if row["balance_type"] == "payments"]
    totals = {currency: sum(row["net"] for row in payments if row["currency"] == currency) for currency in books["balances"]}
    assert books["balances"] == totals
    for row in rows:
        assert row["net"] == row["amount"] - row["fee"]
        assert row["fee"] == sum(part["amount"] for part in row["fee_details"])


@pytest.mark.parametrize("name", NAMES)
def test_a_payout_is_the_sum_of_its_members(name: str) -> None:
    with wired(World(name, 2, SIZE.get(name))) as wire:
        payouts = [payout for payout in wire.everything("/v1/payouts") if payout["automatic"]]
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
@pytest.mark.parametrize("name", ["tidy", "busy", "whole"])
def test_every_field_is_in_the_vendors_catalogue(name: str) -> None:
    catalogue = json.loads(CATALOGUE.read_text())
    with wired(World(name)) as wire:
        rows = [row for path in LISTS for row in wire.everything(f"/v1/{path}")]
        rows += [event["data"]["object"] for event in wire.everything("/v1/events")]
        assert {event["type"] for event in wire.everything("/v1/events")} <= set(catalogue["event_types"])
    for row in rows:
        noun = "".join(part.title() for part in row["object"].split("_"))
        if noun in catalogue["objects"]:
            assert set(row) <= set(catalogue["objects"][noun]), noun
            assert not {"invoice"} & set(row) or noun in {"InvoicePayment", "CreditNote"}


def test_no_id_looks_like_a_card_number() -> None:
    world = World("bulk", 5, 2_000)
    ids = [row.id for shelf in (world.charges, world.events, world.ledger.movements) for row in shelf.rows]
    assert len(ids) == len(set(ids))
    assert not [id for id in ids if re.search(r"\d{13}", id)]
