"""Invoices, credit notes and subscriptions of the simulated account: what each step asks for, shows and tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_wire import Wire, refusal, wired

from syncjob.sandbox.world import World


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("quiet")) as wire:
        act(wire, "customer", label="shopper", name="Example Shopper", email="shopper@example.com")
        yield wire


def act(wire: Wire, action: str, **wish: object) -> dict[str, list[str]]:
    created: dict[str, list[str]] = wire.post("/_sandbox/act", action=action, **wish)["created"]
    return created


def issue(wire: Wire, number: str = "SI-1", total: int = 10_000, **wish: object) -> str:
    told = {"label": number, "customer": "shopper", "currency": "eur", "description": "Goods"}
    return act(wire, "invoice", number=number, total=total, **told, **wish)["invoices"][0]


def events(wire: Wire, count: int) -> list[str]:
    return [event["type"] for event in wire.get("/v1/events", limit=count)["data"]][::-1]


def invoice(wire: Wire, id: str) -> dict[str, Any]:
    shown: dict[str, Any] = wire.get(f"/v1/invoices/{id}", **{"expand[]": "payments"})
    return shown


def test_part_payments_leave_an_invoice_open_until_nothing_is_left(wire: Wire) -> None:
    id = issue(wire)
    act(wire, "invoice_pay", stripe_invoice=id, amount=4_000)
    assert events(wire, 2) == ["invoice.updated", "invoice.payment_succeeded"]
    assert [invoice(wire, id)[name] for name in ("status", "amount_paid", "amount_remaining")] == ["open", 4_000, 6_000]
    act(wire, "invoice_pay", stripe_invoice=id)
    shown = invoice(wire, id)
    assert [shown[name] for name in ("status", "amount_paid", "amount_remaining")] == ["paid", 10_000, 0]
    assert [(link["amount_paid"], link["is_default"]) for link in shown["payments"]["data"]] == [(6_000, False), (4_000, True)]
    assert wire.ask("POST", "/_sandbox/act", {"action": "invoice_pay", "stripe_invoice": id})[0] == 400


def test_what_is_paid_too_much_shows_and_is_told(wire: Wire) -> None:
    id = issue(wire)
    act(wire, "invoice_pay", stripe_invoice=id, amount=10_700)
    assert [invoice(wire, id)[name] for name in ("status", "amount_paid", "amount_overpaid")] == ["paid", 10_700, 700]
    assert events(wire, 3) == ["invoice.paid", "invoice.overpaid", "invoice.payment_succeeded"]


def test_one_payment_for_several_invoices_has_a_link_to_each(wire: Wire) -> None:
    first, second = issue(wire, "SI-1", 1_000), issue(wire, "SI-2", 2_500)
    made = act(wire, "invoices_pay", label="both", stripe_invoices=[first, second])
    (charge,) = made["charges"]
    paid = wire.get(f"/v1/charges/{charge}")
    links = wire.get("/v1/invoice_payments", **{"payment[payment_intent]": paid["payment_intent"]})["data"]
    assert {(link["invoice"], link["amount_paid"]) for link in links} == {(first, 1_000), (second, 2_500)}
    assert (paid["amount"], len(made["invoice_payments"])) == (3_500, 2)


def test_a_payment_can_be_there_before_its_invoice(wire: Wire) -> None:
    charge = act(wire, "charge", customer="shopper", amount=10_000, currency="eur")["charges"][0]
    wire.post("/_sandbox/advance", seconds=86_400)
    id = issue(wire)
    made = act(wire, "invoice_attach", stripe_invoice=id, charge=charge)
    assert "charges" not in made
    link = wire.get(f"/v1/invoice_payments/{made['invoice_payments'][0]}", **{"expand[]": "payment.payment_intent"})
    assert link["payment"]["payment_intent"]["latest_charge"] == charge
    assert link["payment"]["payment_intent"]["created"] < invoice(wire, id)["created"]
    assert invoice(wire, id)["status"] == "paid"


@pytest.mark.parametrize(
    ("status", "field", "event"),
    [
        ("void", "voided_at", "invoice.voided"),
        ("uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible"),
    ],
)
def test_an_invoice_that_is_given_up_says_since_when(wire: Wire, status: str, field: str, event: str) -> None:
    id = issue(wire)
    act(wire, "invoice_overdue", stripe_invoice=id)
    assert events(wire, 1) == ["invoice.overdue"]
    act(wire, "invoice_end", stripe_invoice=id, status=status)
    shown = invoice(wire, id)
    assert (shown["status"], shown["status_transitions"][field]) == (status, wire.get("/_sandbox/clock")["clock"])
    assert events(wire, 2) == [event, "invoice.updated"]
    assert id in wire.ids("/v1/invoices", status=status)


def test_a_draft_has_no_number_and_a_deleted_one_is_nowhere(wire: Wire) -> None:
    kept, thrown = issue(wire, "SI-1", draft=True), issue(wire, "SI-2", draft=True)
    assert [invoice(wire, kept)[name] for name in ("status", "number")] == ["draft", None]
    act(wire, "invoice_finalize", stripe_invoice=kept, number="SI-1")
    assert [invoice(wire, kept)[name] for name in ("status", "number")] == ["open", "SI-1"]
    act(wire, "invoice_end", stripe_invoice=thrown, status="deleted")
    assert events(wire, 1) == ["invoice.deleted"]
    assert refusal(wire, f"/v1/invoices/{thrown}", 404)["code"] == "resource_missing"
    assert wire.ids("/v1/invoices") == [kept]
    assert wire.ask("POST", "/_sandbox/act", {"action": "invoice_end", "stripe_invoice": kept, "status": "deleted"})[0] == 400


def test_a_credit_note_on_an_open_invoice_lowers_what_is_due_until_it_is_voided(wire: Wire) -> None:
    id = issue(wire, total=11_900, tax=1_900)
    note = act(wire, "credit_note", label="cn", stripe_invoice=id, amount=2_380, memo="One was broken")["credit_notes"][0]
    shown = wire.get(f"/v1/credit_notes/{note}")
    assert (shown["type"], shown["number"], shown["total"], shown["subtotal"]) == ("pre_payment", "SI-1-CN-01", 2_380, 2_000)
    assert [invoice(wire, id)[name] for name in ("amount_due", "total")] == [9_520, 11_900]
    act(wire, "credit_note_void", credit_note=note)
    assert (wire.get(f"/v1/credit_notes/{note}")["status"], invoice(wire, id)["amount_due"]) == ("void", 11_900)
    assert events(wire, 2) == ["credit_note.voided", "invoice.updated"]
    act(wire, "credit_note", label="all", stripe_invoice=id, amount=11_900)
    assert invoice(wire, id)["status"] == "paid"
    assert wire.ids("/v1/credit_notes", invoice=id, limit=1) != [note]


@pytest.mark.parametrize("how", ["refund", "customer_balance", "out_of_band"])
def test_a_credit_note_on_a_paid_invoice_gives_the_money_back_in_one_of_three_ways(wire: Wire, how: str) -> None:
    id = issue(wire)
    act(wire, "invoice_pay", stripe_invoice=id)
    made = act(wire, "credit_note", label="", stripe_invoice=id, amount=3_000, how=how)
    note = wire.get(f"/v1/credit_notes/{made['credit_notes'][0]}")
    balance = wire.get(f"/v1/customers/{note['customer']}")["balance"]
    ways = (len(note["refunds"]), balance, note["out_of_band_amount"])
    assert (note["type"], ways) == (
        "post_payment",
        {"refund": (1, 0, None), "customer_balance": (0, -3_000, None), "out_of_band": (0, 0, 3_000)}[how],
    )
    assert ("refunds" in made) == (how == "refund")
    assert invoice(wire, id)["post_payment_credit_notes_amount"] == 3_000
    too_much = {"action": "credit_note", "label": "", "stripe_invoice": id, "amount": 7_001}
    assert wire.ask("POST", "/_sandbox/act", too_much)[0] == 400


def test_credit_of_a_customer_pays_the_next_invoice_first(wire: Wire) -> None:
    first = issue(wire)
    act(wire, "invoice_pay", stripe_invoice=first)
    act(wire, "credit_note", label="", stripe_invoice=first, amount=4_000, how="customer_balance")
    small, big = issue(wire, "SI-2", 1_000), issue(wire, "SI-3", 5_000)
    assert [invoice(wire, small)[name] for name in ("status", "amount_due", "ending_balance")] == ["paid", 0, -3_000]
    assert [invoice(wire, big)[name] for name in ("status", "amount_due", "ending_balance")] == ["open", 2_000, 0]
    act(wire, "invoice_pay", stripe_invoice=big)
    assert [invoice(wire, big)[name] for name in ("status", "amount_paid")] == ["paid", 2_000]


def subscribed(wire: Wire, **wish: object) -> str:
    made = act(wire, "subscription", label="plan", customer="shopper", amount=3_000, currency="eur", **wish)
    return made["subscriptions"][0]


def test_a_subscription_begins_renews_and_is_past_due_when_its_card_is_refused(wire: Wire) -> None:
    id = subscribed(wire)
    made = act(wire, "subscription_renew", label="", subscription=id, number="SI-1")
    first = invoice(wire, made["invoices"][0])
    assert (first["billing_reason"], first["status"], len(made["charges"])) == ("subscription_create", "paid", 1)
    wire.post("/_sandbox/advance", seconds=30 * 86_400)
    made = act(wire, "subscription_renew", label="", subscription=id, number="SI-2", fails=True)
    second = invoice(wire, made["invoices"][0])
    assert (second["billing_reason"], second["status"]) == ("subscription_cycle", "open")
    assert wire.get(f"/v1/subscriptions/{id}")["status"] == "past_due"
    assert {"invoice.payment_failed", "charge.failed", "customer.subscription.updated"} <= set(events(wire, 8))


def test_a_bigger_plan_asks_for_the_difference_and_a_smaller_one_leaves_credit(wire: Wire) -> None:
    id = subscribed(wire)
    act(wire, "subscription_renew", label="", subscription=id, number="SI-1")
    wire.post("/_sandbox/advance", seconds=15 * 86_400)
    up = invoice(wire, act(wire, "subscription_change", label="", subscription=id, amount=9_000, number="SI-2")["invoices"][0])
    lines = [(line["amount"], line["parent"]["subscription_item_details"]["proration"]) for line in up["lines"]["data"]]
    assert (up["billing_reason"], lines, up["status"]) == ("subscription_update", [(-1_500, True), (4_500, True)], "paid")
    assert wire.get(f"/v1/subscriptions/{id}")["items"]["data"][0]["price"]["unit_amount"] == 9_000
    down = invoice(
        wire, act(wire, "subscription_change", label="", subscription=id, amount=1_000, number="SI-3")["invoices"][0]
    )
    assert (down["total"], down["amount_due"], down["ending_balance"]) == (-4_000, 0, -4_000)
    assert down["payments"]["data"] == []
    assert wire.get(f"/v1/customers/{down['customer']}")["balance"] == -4_000


def test_a_subscription_cancelled_for_the_end_of_its_period_ends_by_itself(wire: Wire) -> None:
    id = subscribed(wire)
    act(wire, "subscription_cancel", subscription=id, at_period_end=True)
    shown = wire.get(f"/v1/subscriptions/{id}")
    assert (shown["status"], shown["cancel_at_period_end"], shown["ended_at"]) == ("active", True, None)
    wire.post("/_sandbox/advance", seconds=31 * 86_400)
    ended = wire.get(f"/v1/subscriptions/{id}")
    assert (ended["status"], ended["ended_at"]) == ("canceled", shown["cancel_at"])
    assert ended["canceled_at"] < ended["ended_at"]
    assert (wire.ids("/v1/subscriptions"), wire.ids("/v1/subscriptions", status="all")) == ([], [id])


def test_a_subscription_can_begin_with_days_for_nothing_and_be_paused(wire: Wire) -> None:
    id = subscribed(wire, trial_days=14)
    shown = wire.get(f"/v1/subscriptions/{id}")
    assert (shown["status"], shown["trial_end"] - shown["trial_start"]) == ("trialing", 14 * 86_400)
    act(wire, "subscription_status", subscription=id, status="paused")
    act(wire, "subscription_status", subscription=id, status="active")
    kinds = [kind.rpartition(".")[2] for kind in events(wire, 4)]
    assert kinds == ["paused", "updated", "resumed", "updated"]
