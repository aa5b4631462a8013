"""What a test can have happen in the simulated account, one thing at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_wire import Wire, refusal, wired

from syncjob.sandbox.actions import FailRefund, GiveRefund, OpenDispute
from syncjob.sandbox.world import World


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("tidy")) as wire:
        yield wire


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


# --- payments that take their time


def act(wire: Wire, action: str, **wish: object) -> dict[str, list[str]]:
    created: dict[str, list[str]] = wire.post("/_sandbox/act", action=action, **wish)["created"]
    return created


def told(wire: Wire, count: int) -> list[str]:
    return [event["type"] for event in wire.get("/v1/events", limit=count)["data"]][::-1]


def euros(wire: Wire) -> int:
    balance = wire.get("/v1/balance")
    return sum(money["amount"] for part in ("available", "pending") for money in balance[part] if money["currency"] == "eur")


def test_a_bank_debit_is_on_the_balance_days_after_its_charge_was_created(wire: Wire) -> None:
    charge = act(wire, "charge_later", amount=5_000, currency="eur", label="slow", days=2)["charges"][0]
    assert told(wire, 2) == ["charge.pending", "payment_intent.processing"]
    pending = wire.get(f"/v1/charges/{charge}")
    assert (pending["status"], pending["paid"], pending["balance_transaction"]) == ("pending", False, None)
    wire.post("/_sandbox/advance", seconds=2 * 86_400)
    paid = wire.get(f"/v1/charges/{charge}", **{"expand[]": "balance_transaction"})
    assert (paid["status"], paid["paid"]) == ("succeeded", True)
    assert paid["balance_transaction"]["created"] == paid["created"] + 2 * 86_400
    assert paid["balance_transaction"]["type"] == "payment"
    lines = wire.get("/v1/balance_transactions", source=charge)["data"]
    assert [line["net"] for line in lines] == [5_000 - 35]


def test_a_bank_debit_that_never_comes_moves_no_money(wire: Wire) -> None:
    before = euros(wire)
    charge = act(wire, "charge_later", amount=5_000, currency="eur", fails=False)["charges"][0]
    act(wire, "charge_settle", charge=charge, fails=True)
    assert told(wire, 2) == ["charge.failed", "payment_intent.payment_failed"]
    assert (wire.get(f"/v1/charges/{charge}")["failure_code"], euros(wire)) == ("payment_method_debit_failed", before)
    wire.post("/_sandbox/advance", seconds=9 * 86_400)
    assert wire.get(f"/v1/charges/{charge}")["status"] == "failed"


def test_what_is_captured_in_part_is_taken_whole_and_the_rest_goes_back(wire: Wire) -> None:
    before = euros(wire)
    charge = act(wire, "authorize", amount=10_000, currency="eur")["charges"][0]
    held = wire.get(f"/v1/charges/{charge}", **{"expand[]": "payment_intent"})
    assert (held["captured"], held["amount_captured"], held["payment_intent"]["status"]) == (False, 0, "requires_capture")
    assert (held["payment_intent"]["amount_capturable"], euros(wire)) == (10_000, before)
    act(wire, "capture", charge=charge, amount=7_000)
    taken = wire.get(f"/v1/charges/{charge}", **{"expand[]": "refunds"})
    assert (taken["captured"], taken["amount_captured"], taken["amount_refunded"]) == (True, 7_000, 3_000)
    lines = wire.get("/v1/balance_transactions", limit=2)["data"]
    assert [(line["reporting_category"], line["amount"]) for line in lines] == [
        ("partial_capture_reversal", -3_000),
        ("charge", 10_000),
    ]
    assert wire.ask("POST", "/_sandbox/act", {"action": "capture", "charge": charge})[0] == 400


def test_an_authorisation_that_lapses_looks_refunded_and_moved_nothing(wire: Wire) -> None:
    before = euros(wire)
    charge = act(wire, "authorize", amount=10_000, currency="eur")["charges"][0]
    act(wire, "authorization_expire", charge=charge)
    lapsed = wire.get(f"/v1/charges/{charge}")
    assert (lapsed["refunded"], lapsed["captured"], lapsed["balance_transaction"]) == (True, False, None)
    assert (told(wire, 2), euros(wire)) == (["charge.expired", "payment_intent.canceled"], before)


@pytest.mark.parametrize("canceled", [False, True])
def test_a_pending_refund_has_left_the_balance_and_comes_back_only_if_called_back(wire: Wire, canceled: bool) -> None:
    charge = act(wire, "charge", amount=5_000, currency="eur", method="sepa_debit")["charges"][0]
    before = euros(wire)
    refund = act(wire, "refund", charge=charge, amount=1_500, pending=True)["refunds"][0]
    assert (wire.get(f"/v1/refunds/{refund}")["status"], euros(wire)) == ("pending", before - 1_500)
    act(wire, "refund_settle", refund=refund, canceled=canceled)
    settled = wire.get(f"/v1/refunds/{refund}")
    assert settled["status"] == ("canceled" if canceled else "succeeded")
    assert euros(wire) == (before if canceled else before - 1_500)
    assert wire.get(f"/v1/charges/{charge}")["amount_refunded"] == (0 if canceled else 1_500)
    assert wire.ask("POST", "/_sandbox/act", {"action": "refund_settle", "refund": refund})[0] == 400


def test_an_inquiry_moves_nothing_until_it_becomes_a_dispute(wire: Wire) -> None:
    charge = act(wire, "charge", amount=5_000, currency="eur")["charges"][0]
    before = euros(wire)
    dispute = act(wire, "dispute", charge=charge, inquiry=True)["disputes"][0]
    asked = wire.get(f"/v1/disputes/{dispute}")
    assert (asked["status"], asked["balance_transactions"], asked["is_charge_refundable"]) == (
        "warning_needs_response",
        [],
        True,
    )
    assert (euros(wire), wire.get(f"/v1/charges/{charge}")["disputed"]) == (before, False)
    act(wire, "dispute_update", dispute=dispute, status="needs_response")
    assert (euros(wire), wire.get(f"/v1/charges/{charge}")["disputed"]) == (before - 5_000 - 2_000, True)
    act(wire, "dispute_update", dispute=dispute, status="under_review")
    act(wire, "dispute", dispute=dispute, outcome="won")
    assert euros(wire) == before
    assert wire.ask("POST", "/_sandbox/act", {"action": "dispute_update", "dispute": dispute, "status": "lost"})[0] == 400


# --- the balance


def test_money_held_in_reserve_stands_in_a_balance_of_its_own(wire: Wire) -> None:
    before = euros(wire)
    assert "risk_reserved" not in wire.get("/v1/balance")
    act(wire, "reserve_hold", label="hold", amount=4_000, currency="eur")
    reserve = wire.get("/v1/balance")["risk_reserved"]["available"]
    assert ([(money["amount"], money["currency"]) for money in reserve], euros(wire)) == ([(4_000, "eur")], before - 4_000)
    act(wire, "reserve_release", hold="hold", amount=1_500)
    (hold,) = wire.get("/v1/reserve/holds")["data"]
    assert (hold["amount"], hold["amount_releasable"], euros(wire)) == (4_000, 2_500, before - 2_500)
    assert wire.get(f"/v1/reserve/holds/{hold['id']}") == hold
    assert wire.ask("POST", "/_sandbox/act", {"action": "reserve_release", "hold": "hold", "amount": 2_501})[0] == 400
    assert told(wire, 2) == ["reserve.hold.updated", "reserve.release.created"]


def test_a_conversion_takes_from_one_balance_and_gives_to_another(wire: Wire) -> None:
    before = wire.get("/_sandbox/books")["balances"]
    act(wire, "convert", amount=10_000, currency="usd", to="eur", fee=50)
    after = wire.get("/_sandbox/books")["balances"]
    fee, bought, sold = wire.get("/v1/balance_transactions", limit=3)["data"]
    assert (sold["net"], sold["currency"], bought["currency"]) == (-10_000, "usd", "eur")
    assert (fee["type"], fee["net"]) == ("stripe_fx_fee", -50)
    assert bought["net"] == pytest.approx(9_200, abs=100)
    assert (after["usd"] - before["usd"], after["eur"] - before["eur"]) == (-10_000, bought["net"] - 50)


@pytest.mark.parametrize(("status", "moves"), [("succeeded", 3_000), ("failed", 0), ("canceled", 0)])
def test_a_pending_top_up_counts_when_it_has_arrived(wire: Wire, status: str, moves: int) -> None:
    before = euros(wire)
    topup = act(wire, "topup", amount=3_000, currency="eur", pending=True)["topups"][0]
    assert (wire.get(f"/v1/topups/{topup}")["balance_transaction"], euros(wire)) == (None, before)
    act(wire, "topup_end", topup=topup, status=status)
    assert (wire.get(f"/v1/topups/{topup}")["status"], euros(wire) - before) == (status, moves)
    assert told(wire, 1) == [f"topup.{status}"]
    assert topup in wire.ids("/v1/topups", status=status, amount=3_000)
    if status == "succeeded":
        act(wire, "topup_end", topup=topup, status="reversed")
        line = wire.get("/v1/balance_transactions", limit=1)["data"][0]
        assert (line["type"], line["source"], euros(wire)) == ("topup_reversal", topup, before)


def test_an_instant_payout_costs_a_fee_and_is_there_within_the_hour(wire: Wire) -> None:
    before = euros(wire)
    payout = act(wire, "payout", currency="eur", automatic=False, amount=5_000, instant=True)["payouts"][0]
    shown = wire.get(f"/v1/payouts/{payout}", **{"expand[]": "balance_transaction"})
    assert (shown["method"], shown["balance_transaction"]["fee"], shown["balance_transaction"]["net"]) == (
        "instant",
        50,
        -5_050,
    )
    wire.post("/_sandbox/advance", seconds=3_600)
    assert wire.get(f"/v1/payouts/{payout}")["status"] == "paid"
    assert before - euros(wire) == 5_050


def test_a_payout_can_be_called_off_before_it_leaves_and_only_then(wire: Wire) -> None:
    before = euros(wire)
    payout = act(wire, "payout", currency="eur", automatic=False, amount=5_000, pending=True)["payouts"][0]
    act(wire, "payout_cancel", payout=payout)
    shown = wire.get(f"/v1/payouts/{payout}", **{"expand[]": "failure_balance_transaction"})
    assert (shown["status"], shown["failure_balance_transaction"]["type"], euros(wire)) == ("canceled", "payout_cancel", before)
    wire.post("/_sandbox/advance", seconds=86_400)
    assert wire.get(f"/v1/payouts/{payout}")["status"] == "canceled"
    gone = act(wire, "payout", currency="eur", automatic=False, amount=5_000)["payouts"][0]
    assert wire.ask("POST", "/_sandbox/act", {"action": "payout_cancel", "payout": gone})[0] == 400


def test_a_debt_is_asked_of_the_bank_account(wire: Wire) -> None:
    act(wire, "transaction", type="stripe_fee", amount=-700, currency="sek")
    assert "payouts" not in act(wire, "payout", currency="sek")
    payout = act(wire, "payout", currency="sek", debit=True)["payouts"][0]
    shown = wire.get(f"/v1/payouts/{payout}", **{"expand[]": "balance_transaction"})
    assert (shown["amount"], shown["automatic"], shown["balance_transaction"]["net"]) == (-700, True, 700)
    assert wire.get("/_sandbox/books")["balances"]["sek"] == 0
    members = wire.get("/v1/balance_transactions", payout=payout)["data"]
    assert sorted(line["net"] for line in members) == [-700, 700]


def test_a_payout_that_arrived_can_be_fetched_back(wire: Wire) -> None:
    before = euros(wire)
    payout = act(wire, "payout", currency="eur", automatic=False, amount=5_000)["payouts"][0]
    wire.post("/_sandbox/advance", seconds=3 * 3_600 + 2 * 86_400)
    made = act(wire, "payout_reverse", label="back", payout=payout)["payouts"][0]
    assert wire.get(f"/v1/payouts/{payout}")["reversed_by"] == made
    assert (wire.get(f"/v1/payouts/{made}")["amount"], wire.get(f"/v1/payouts/{made}")["original_payout"]) == (-5_000, payout)
    lines = [line["net"] for id in (payout, made) for line in wire.get("/v1/balance_transactions", source=id)["data"]]
    assert lines == [-5_000, 5_000]
    assert before > 0


# --- customers


def test_a_deleted_customer_is_left_out_of_lists_and_known_by_id_alone(wire: Wire) -> None:
    customer = act(wire, "customer", label="leaver", name="Example Leaver", email="leaver@example.com")["customers"][0]
    charge = act(wire, "charge", customer="leaver", amount=900, currency="eur")["charges"][0]
    act(wire, "subscription", customer="leaver", label="s", amount=500, currency="eur")
    act(wire, "customer_delete", customer=customer)
    assert wire.get(f"/v1/customers/{customer}") == {"id": customer, "object": "customer", "deleted": True}
    assert customer not in wire.ids("/v1/customers", limit=100)
    assert wire.ids("/v1/customers", email="leaver@example.com") == []
    shown = wire.get(f"/v1/charges/{charge}", **{"expand[]": "customer"})
    assert shown["customer"] == {"id": customer, "object": "customer", "deleted": True}
    events = wire.get("/v1/events", limit=2)["data"]
    assert [event["type"] for event in events] == ["customer.deleted", "customer.subscription.deleted"]
    assert events[0]["data"]["object"]["email"] == "leaver@example.com"
    assert refusal(wire, f"/v1/customers?starting_after={customer}", 400)["code"] == "resource_missing"
    assert wire.ask("POST", "/_sandbox/act", {"action": "customer_delete", "customer": customer})[0] == 400


# --- a world without a wire


def test_nobody_can_bring_back_what_never_left() -> None:
    world = World("quiet")
    world.act(GiveRefund(world.clock, "r", world.charges.rows[0].id, 10))
    world.act(FailRefund(world.clock, "r"))
    with pytest.raises(ValueError, match="cannot fail any more"):
        world.act(FailRefund(world.clock, "r"))
