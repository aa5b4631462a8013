"""A platform and its connected accounts: each account is a world of its own behind one key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sandbox_wire import Wire, refusal, sdk, stripe, wired

from syncjob.sandbox.stripe import LIMITED_KEY
from syncjob.sandbox.world import World


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("quiet")) as wire:
        yield wire


def do(wire: Wire, whose: Mapping[str, str], **wish: object) -> dict[str, list[str]]:
    status, _, body = wire.ask("POST", "/_sandbox/act", wish, **whose)
    assert status == 200, body
    created: dict[str, list[str]] = json.loads(body)["created"]
    return created


def connect(wire: Wire, label: str = "shop") -> dict[str, str]:
    made = do(wire, {}, action="account", label=label, name="Example Shop")
    return {"Stripe-Account": made["accounts"][0]}


def net(wire: Wire, whose: Mapping[str, str], currency: str = "eur") -> int:
    lines = wire.everything("/v1/balance_transactions", whose, currency=currency)
    balance = wire.get("/v1/balance", whose)
    told = sum(it["amount"] for part in ("available", "pending") for it in balance[part] if it["currency"] == currency)
    assert told == sum(line["net"] for line in lines)
    return int(told)


def test_a_new_account_is_empty_and_shares_nothing_but_the_time(wire: Wire) -> None:
    shop = connect(wire)
    assert wire.ids("/v1/charges")
    for path in ("charges", "events", "customers", "payouts", "balance_transactions"):
        assert wire.get(f"/v1/{path}", shop)["data"] == []
    mine = do(wire, shop, action="charge", amount=1_000, currency="eur")["charges"][0]
    assert [row["id"] for row in wire.get("/v1/charges", shop)["data"]] == [mine]
    assert refusal(wire, f"/v1/charges/{mine}", 404)["code"] == "resource_missing"
    assert wire.get(f"/v1/charges/{mine}", shop)["amount"] == 1_000
    clock = wire.post("/_sandbox/advance", seconds=3 * 86_400)["clock"]
    assert wire.ask("GET", "/v1/charges", **shop)[1]["Date"] == wire.ask("GET", "/v1/charges")[1]["Date"]
    assert wire.get("/v1/balance", shop)["pending"][0]["amount"] == 0
    assert clock > 0


def test_the_header_says_whose_account_v1_account_is(wire: Wire) -> None:
    shop = connect(wire)
    own = wire.get("/v1/account")["id"]
    theirs = wire.get("/v1/account", shop)
    assert (theirs["id"], theirs["business_profile"]["name"]) == (shop["Stripe-Account"], "Example Shop")
    assert wire.get("/v1/account", {"Stripe-Account": own})["id"] == own
    assert wire.get(f"/v1/accounts/{theirs['id']}") == theirs
    assert [row["id"] for row in wire.get("/v1/accounts")["data"]] == [theirs["id"]]
    assert wire.ask("GET", "/v1/charges", **shop)[1]["Stripe-Account"] == theirs["id"]


def test_an_account_that_is_unknown_or_has_left_is_refused_as_stripe_does(wire: Wire) -> None:
    shop = connect(wire)
    error = refusal(wire, "/v1/charges", 403, **{"Stripe-Account": "acct_1Nobody"})
    assert (error["code"], error["type"]) == ("account_invalid", "invalid_request_error")
    assert error["message"].startswith("The provided key 'sk_test_***dbox' does not have access to account 'acct_1Nobody'")
    do(wire, {}, action="account_disconnect", account="shop")
    assert refusal(wire, "/v1/charges", 403, **shop)["code"] == "account_invalid"
    assert wire.get("/v1/accounts")["data"] == []


def test_a_key_that_may_not_read_events_may_not_read_those_of_an_account_either(wire: Wire) -> None:
    shop = connect(wire)
    error = refusal(wire, "/v1/events", 403, Authorization=f"Bearer {LIMITED_KEY}", **shop)
    assert "rak_event_read" in error["message"]


def test_a_share_leaves_the_payment_there_and_arrives_here(wire: Wire) -> None:
    shop, before = connect(wire), net(wire, {})
    made = do(wire, shop, action="charge", amount=10_000, currency="eur", application_fee=900)
    charge = wire.get(f"/v1/charges/{made['charges'][0]}", shop, **{"expand[]": "balance_transaction"})
    parts = {part["type"]: part["amount"] for part in charge["balance_transaction"]["fee_details"]}
    assert parts == {"stripe_fee": 175, "application_fee": 900}
    fee = wire.get(f"/v1/application_fees/{charge['application_fee']}", **{"expand[]": "balance_transaction"})
    assert (fee["account"], fee["charge"], fee["amount"]) == (shop["Stripe-Account"], charge["id"], 900)
    assert (fee["balance_transaction"]["type"], fee["balance_transaction"]["reporting_category"]) == (
        "application_fee",
        "platform_earning",
    )
    assert (net(wire, {}) - before, net(wire, shop)) == (900, 10_000 - 175 - 900)
    assert wire.get("/v1/events", limit=1)["data"][0]["type"] == "application_fee.created"
    do(wire, {}, action="application_fee_refund", share=fee["id"], amount=400)
    assert (net(wire, {}) - before, net(wire, shop)) == (500, 10_000 - 175 - 500)
    again = wire.get(f"/v1/application_fees/{fee['id']}")
    assert (again["amount_refunded"], again["refunded"], again["refunds"]["data"][0]["amount"]) == (400, False, 400)


def test_a_transfer_is_a_payment_there_and_its_reversal_a_refund(wire: Wire) -> None:
    shop, before = connect(wire), net(wire, {})
    transfer = do(wire, {}, action="transfer", account="shop", amount=5_000, currency="eur", group="G1")["transfers"][0]
    payment = wire.get(f"/v1/transfers/{transfer}")["destination_payment"]
    arrived = wire.get(f"/v1/charges/{payment}", shop)
    assert (arrived["amount"], arrived["source_transfer"], payment.startswith("py_")) == (5_000, transfer, True)
    assert (net(wire, {}) - before, net(wire, shop)) == (-5_000, 5_000)
    made = do(wire, {}, action="transfer_reversal", transfer=transfer, amount=2_000)
    assert (net(wire, {}) - before, net(wire, shop)) == (-3_000, 3_000)
    shown = wire.get(f"/v1/transfers/{transfer}")
    assert (shown["amount_reversed"], shown["reversed"]) == (2_000, False)
    assert [one["id"] for one in shown["reversals"]["data"]] == made["transfer_reversals"]
    (refund,) = wire.get("/v1/refunds", shop)["data"]
    assert (refund["charge"], refund["id"]) == (payment, shown["reversals"]["data"][0]["destination_payment_refund"])
    lines = wire.get("/v1/balance_transactions", limit=2, **{"expand[]": "data.source"})["data"]
    assert [(line["type"], line["reporting_category"], line["source"]["object"]) for line in lines] == [
        ("transfer_refund", "transfer_reversal", "transfer_reversal"),
        ("transfer", "transfer", "transfer"),
    ]
    assert wire.get("/v1/transfers", destination=shop["Stripe-Account"], transfer_group="G1")["data"][0]["id"] == transfer
    assert wire.get("/v1/transfers", transfer_group="G2")["data"] == []


@pytest.mark.parametrize(
    ("whose", "wish"),
    [
        ("platform", {"action": "charge", "amount": 100, "currency": "eur", "application_fee": 10}),
        ("shop", {"action": "account", "label": "inner", "name": "Example Inner"}),
        ("platform", {"action": "transfer", "account": "acct_1Nobody", "amount": 100, "currency": "eur"}),
    ],
)
def test_what_only_the_other_side_can_do_is_refused(wire: Wire, whose: str, wish: dict[str, Any]) -> None:
    shop = connect(wire)
    before = net(wire, {})
    assert wire.ask("POST", "/_sandbox/act", wish, **(shop if whose == "shop" else {}))[0] in {400, 404}
    assert net(wire, {}) == before


def test_what_an_account_that_left_can_no_longer_give_back_moves_nothing_here_either(wire: Wire) -> None:
    shop = connect(wire)
    do(wire, shop, action="charge", amount=10_000, currency="eur", application_fee=900, label="sale")
    do(wire, {}, action="transfer", label="sent", account="shop", amount=1_000, currency="eur")
    do(wire, {}, action="account_disconnect", account="shop")
    before = net(wire, {})
    for wish in (
        {"action": "transfer_reversal", "label": "", "transfer": "sent"},
        {"action": "application_fee_refund", "share": "sale"},
    ):
        assert wire.ask("POST", "/_sandbox/act", wish)[0] == 404
    assert net(wire, {}) == before


def test_the_vendors_library_reads_an_account_by_its_header() -> None:
    world = World("whole")
    account = next(iter(world.connected))
    with sdk(world) as client:
        asked = {"stripe_account": account}
        ids = [one.id for one in client.v1.charges.list({"limit": 2}, asked).auto_paging_iter()]
        assert ids == [row.id for row in reversed(world.connected[account].charges.rows)]
        with pytest.raises(stripe.PermissionError):
            client.v1.charges.list({}, {"stripe_account": "acct_1Nobody"})


def test_payouts_of_an_account_arrive_when_the_platforms_time_has_come(wire: Wire) -> None:
    shop = connect(wire)
    do(wire, shop, action="charge", amount=9_000, currency="eur")
    wire.post("/_sandbox/advance", seconds=3 * 86_400)
    payout = do(wire, shop, action="payout", currency="eur")["payouts"][0]
    assert wire.get(f"/v1/payouts/{payout}", shop)["status"] == "in_transit"
    wire.post("/_sandbox/advance", seconds=3 * 86_400)
    assert wire.get(f"/v1/payouts/{payout}", shop)["status"] == "paid"
    members = wire.get("/v1/balance_transactions", shop, payout=payout)["data"]
    assert sum(line["net"] for line in members) == 0
