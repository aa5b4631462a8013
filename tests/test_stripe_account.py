"""Stripe's account: whose key it is, what it may read, what its balance is, and a connected account read by its platform."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from stripe_vendor import NOON, URL, Body, answers, at_noon, listed, opened, walked

from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson
from syncjob.gateways.stripe import SETTINGS, VERSION, Stripe, connect
from syncjob.gateways.stripe.event_types import HANDLED
from syncjob.money import Money
from syncjob.ports import Balance, Balances, Identity, Options


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.mark.parametrize("key", ["pk_" + "live_x", "whsec_" + "x", "x", "sk_" + "nowhere_x"])
def test_what_is_no_key_is_refused_before_any_request(key: str) -> None:
    with pytest.raises(Misconfigured, match="no secret or restricted key of Stripe") as wrong:
        opened(key)
    assert key not in str(wrong.value)


def test_without_a_key_the_cure_is_named() -> None:
    with pytest.raises(Misconfigured, match="add a line key: env:STRIPE_KEY"):
        connect(Options("shop", Path("."), {}), at_noon())


def test_the_balance_is_summed_by_bucket_and_what_overlaps_is_left_out(vendor: responses.RequestsMock) -> None:
    balance = {
        "object": "balance",
        "livemode": True,
        "available": [{"amount": 100, "currency": "eur"}, {"amount": 0, "currency": "usd"}, {"amount": 700, "currency": "isk"}],
        "pending": [{"amount": -30, "currency": "eur"}, {"amount": 5, "currency": "jpy"}],
        "instant_available": [{"amount": 99, "currency": "eur"}],
        "connect_reserved": [{"amount": 12, "currency": "eur"}],
        "issuing": {"available": [{"amount": 4, "currency": "eur"}]},
        "refund_and_dispute_prefunding": {
            "available": [{"amount": 1, "currency": "eur"}],
            "pending": [{"amount": 2, "currency": "eur"}],
        },
    }
    answers(vendor, "/v1/balance", balance)
    stripe = opened("rk_" + "live_Example")
    assert isinstance(stripe, Balances)
    assert stripe.balances(None) == [
        Balance("connect_reserved", Money(12, "EUR"), NOON),
        Balance("issuing", Money(4, "EUR"), NOON),
        Balance("payments", Money(70, "EUR"), NOON),
        Balance("payments", Money(7, "ISK"), NOON),
        Balance("payments", Money(5, "JPY"), NOON),
        Balance("payments", Money(0, "USD"), NOON),
        Balance("refund_and_dispute_prefunding", Money(3, "EUR"), NOON),
    ]


def test_a_secret_live_key_is_warned_about_since_it_could_move_money(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance", {"object": "balance", "available": [], "pending": []})
    vendor.add(responses.GET, re.compile(f"{URL}/v1/.*"), json=listed())
    (problem,) = opened("sk_" + "live_Example").check()
    assert str(problem) == (
        "shop: the key: it is a secret key, which may also move money; "
        "use a restricted key that only reads (docs/connectors/stripe.md lists its rights)"
    )


def test_the_settings_are_those_that_the_configuration_may_hold() -> None:
    assert set(SETTINGS) == {"account", "base_url"}


def test_the_connectors_page_names_every_setting_feed_and_event_type_that_is_read() -> None:
    page = (Path(__file__).parent.parent / "docs/connectors/stripe.md").read_text(encoding="utf-8")
    for name in (*SETTINGS, *HANDLED, *(feed.name for feed in Stripe.feeds)):
        assert f"`{name}`" in page, name


# ---------------------------------------------------------------- event types that nobody has decided about


def test_a_type_of_event_that_is_new_is_listed_and_known_ones_are_not(vendor: responses.RequestsMock) -> None:
    types = ["charge.failed", "payout.created", "charge.teleported", "crystal.updated", "crystal.updated"]
    rows = [{"id": f"evt_{n}", "object": "event", "type": type} for n, type in enumerate(types)]
    answers(vendor, "/v1/events", listed(*rows), asked={"limit": "100"})
    answers(vendor, "/v1/balance", {"object": "balance", "available": [], "pending": []})
    vendor.add(responses.GET, re.compile(f"{URL}/v1/.*"), json=listed())
    teleported, crystal = opened().check()
    assert (teleported.what, crystal.what) == ("event type charge.teleported", "event type crystal.updated")
    assert "nobody has decided whether it matters here" in crystal.why
    asked = [str(call.request.url) for call in vendor.calls]
    assert "types" not in next(url for url in asked if "/v1/events" in url)
    assert len(asked) == len(set(asked)) == 14  # one for each right


# ---------------------------------------------------------------- connected accounts


CLOSED = {
    "error": {
        "code": "account_invalid",
        "message": "The provided key 'rk_test_****' does not have access to account 'acct_1Other' (or it does not exist).",
        "type": "invalid_request_error",
    }
}


def test_a_connected_account_is_asked_for_in_every_request(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance", {"object": "balance", "available": [], "pending": []})
    vendor.add(responses.GET, re.compile(f"{URL}/v1/.*"), json=listed())
    stripe = opened(account="acct_1Other")
    for feed in stripe.feeds:
        walked(stripe, feed.name)
    assert stripe.check() == []
    assert {call.request.headers["Stripe-Account"] for call in vendor.calls} == {"acct_1Other"}


def test_without_the_setting_no_account_is_named(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed())
    walked(opened(), "events")
    assert "Stripe-Account" not in vendor.calls[0].request.headers


def test_the_identity_is_the_connected_accounts(vendor: responses.RequestsMock) -> None:
    account = {"id": "acct_1Other", "object": "account", "settings": {"dashboard": {"display_name": "Other Example"}}}
    answers(vendor, "/v1/account", account)
    assert opened(account="acct_1Other").identity() == Identity("acct_1Other", "test", "Other Example")
    with pytest.raises(ConnectorDown, match="Stripe answers for acct_1Other, but acct_1Third was asked for"):
        opened(account="acct_1Third").identity()


def test_a_connected_account_that_may_be_read_but_not_asked_about_is_known_by_its_setting(
    vendor: responses.RequestsMock,
) -> None:
    answers(vendor, "/v1/account", {"error": {"message": "Having the 'rak_account_read' permission would help."}}, 403)
    assert opened(account="acct_1Other").identity() == Identity("acct_1Other", "test")


def test_a_platform_that_may_not_read_the_account_is_told_so_in_one_sentence(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/account", CLOSED, 403)
    (problem,) = opened("sk_" + "live_Example", account="acct_1Other").check()
    assert problem.what == "account acct_1Other"
    assert "does not have access to account" in problem.why
    assert problem.cure.startswith("look at account: in syncjob.yaml")
    assert len(vendor.calls) == 1
    with pytest.raises(NeedsPerson, match="whether the account is still connected"):
        opened(account="acct_1Other").identity()


@pytest.mark.parametrize("account", ["1Other", "acct-1", "acct_", "acct_1 Other", "ca_1"])
def test_what_is_no_account_is_refused_before_any_request(account: str) -> None:
    with pytest.raises(Misconfigured, match="no id of a connected account; write acct_"):
        opened(account=account)


def test_events_of_the_connected_account_are_its_own(vendor: responses.RequestsMock) -> None:
    shown: Body = {"id": "ch_1", "object": "charge", "created": 5}
    told: Body = {"object": "event", "created": 9, "data": {"object": shown}, "api_version": VERSION}
    rows = [told | {"id": f"evt_{n}", "account": account} for n, account in enumerate(("acct_1Other", "acct_1Third"))]
    answers(vendor, "/v1/events", listed(*rows))
    (page,) = walked(opened(account="acct_1Other"), "events")
    assert [one.id for one in page.records] == ["evt_0", "ch_1"]
