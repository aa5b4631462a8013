"""Stripe's object lists, which make up for events that are no longer kept, and what is left of deleted objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import responses
from stripe_vendor import NOON, NOON_SECONDS, Body, answers, charge, feed_of, gone, link, listed, opened, records, walked

from syncjob.errors import RecordRefused
from syncjob.gateways.stripe import Stripe
from syncjob.http import Meter
from syncjob.model import Raw
from syncjob.moment import Window, from_seconds
from syncjob.sandbox.stripe import RESTRICTED_KEY, running
from syncjob.sandbox.world import World

LISTS = {
    "customers": "billing_events",
    "subscriptions": "billing_events",
    "invoices": "billing_events",
    "invoice_payments": "billing_events",
    "credit_notes": "billing_events",
    "charges": "events",
    "refunds": "events",
    "disputes": "events",
    "payouts": "events",
    "topups": "events",
}


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def test_one_feed_posts_two_forget_after_thirty_days_and_lists_make_up_for_them() -> None:
    assert [(feed.name, feed.posts, feed.retention) for feed in Stripe.feeds if not feed.fills] == [
        ("balance_transactions", True, None),
        ("billing_events", False, timedelta(days=30)),
        ("events", False, timedelta(days=30)),
    ]
    assert {feed.name: feed.fills for feed in Stripe.feeds if feed.fills} == LISTS


def test_a_list_goes_as_far_back_as_its_objects_still_change() -> None:
    days = {feed.name: feed.lookback.days for feed in Stripe.feeds if feed.fills}
    assert days["customers"] == days["subscriptions"] > 15 * 365
    assert days["invoices"] == days["invoice_payments"] == days["credit_notes"] == days["disputes"] == 365
    assert days["charges"] >= 90 <= days["refunds"]
    for feed in Stripe.feeds:
        assert (NOON - feed.lookback).year > 1970, "no window begins before there was time"


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_asked_for_a_window_and_gives_records_of_its_type(vendor: responses.RequestsMock, name: str) -> None:
    type = feed_of(opened(), name).type
    rows: list[Body] = [{"id": f"x_{n}", "object": type, "created": NOON_SECONDS - n} for n in range(3)]
    bounds = {"created[gte]": str(NOON_SECONDS - 3_600), "created[lt]": str(NOON_SECONDS), "limit": "100"}
    also = {"subscriptions": {"status": "all"}, "invoice_payments": {"expand[]": "data.invoice"}}.get(name, {})
    answers(vendor, f"/v1/{name}", listed(*rows[:2], more=True), asked=bounds | also)
    answers(vendor, f"/v1/{name}", listed(rows[2]), asked=bounds | also | {"starting_after": "x_1"})
    first, last = walked(opened(), name, Window(NOON - timedelta(hours=1), NOON))
    assert [one.type for one in first.records] == [type, type]
    assert [one.id for one in (*first.records, *last.records)] == ["x_0", "x_1", "x_2"]
    assert (first.cursor, last.cursor) == (None, NOON - timedelta(seconds=60))
    assert len(vendor.calls) == 2


def test_a_listed_link_comes_with_its_invoice_and_needs_no_further_request(vendor: responses.RequestsMock) -> None:
    whole = link(1, {"id": "in_1", "object": "invoice", "number": "INV-1"})
    answers(vendor, "/v1/invoice_payments", listed(whole))
    (found,) = records(walked(opened(), "invoice_payments"))
    assert (found.subject, found.body["invoice"]["number"]) == ("payment:pi_1", "INV-1")  # type: ignore[index, call-overload]
    assert len(vendor.calls) == 1


# ---------------------------------------------------------------- what is gone


def test_a_deleted_customer_is_a_tombstone(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    body: Body = {"id": "cus_1", "object": "customer", "deleted": True}
    assert opened().fetch("customer", "cus_1") == Raw("customer", "cus_1", NOON, NOON, "customer:cus_1", body)


def test_a_draft_invoice_that_is_not_found_any_more_was_deleted(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/invoices/in_1", gone("in_1"), 404)
    found = opened().fetch("invoice", "in_1")
    assert found.body == {"id": "in_1", "object": "invoice", "deleted": True}


def test_what_can_only_be_voided_shows_its_state(vendor: responses.RequestsMock) -> None:
    body = {"id": "cn_1", "object": "credit_note", "created": 5, "status": "void", "invoice": "in_1"}
    answers(vendor, "/v1/credit_notes/cn_1", body)
    assert opened().fetch("credit_note", "cn_1").body["status"] == "void"


@pytest.mark.parametrize("kind", ["charge", "refund", "credit_note", "subscription", "payout"])
def test_what_cannot_be_deleted_and_is_not_found_is_refused(vendor: responses.RequestsMock, kind: str) -> None:
    answers(vendor, f"/v1/{kind}s/x_1", gone("x_1"), 404)
    with pytest.raises(RecordRefused, match="404: No such object: 'x_1'"):
        opened().fetch(kind, "x_1")


@pytest.mark.parametrize(
    "error",
    [
        {"code": "resource_missing", "message": "No such invoice: 'in_1'; a similar object exists in live mode"},
        {"message": "Unrecognized request URL (GET: /v1/invoices/in_1)."},
    ],
    ids=["the key of the other mode", "another address"],
)
def test_not_found_is_not_believed_where_it_may_mean_something_else(vendor: responses.RequestsMock, error: Body) -> None:
    answers(vendor, "/v1/invoices/in_1", {"error": error}, 404)
    with pytest.raises(RecordRefused, match="invoice in_1 was answered with 404"):
        opened().fetch("invoice", "in_1")


def test_an_old_record_that_is_still_there_is_read_as_it_is(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/charges/ch_1", charge(1))
    known = Raw("charge", "ch_1", from_seconds(NOON_SECONDS - 700), NOON, "payment:pi_1", charge(1))
    assert opened().fetch("charge", "ch_1") == known


# ---------------------------------------------------------------- the simulator


def test_the_lists_bring_everything_in_the_fewest_requests() -> None:
    world = World("bulk", charges=250)
    shelves = {
        "customers": world.customers,
        "subscriptions": world.subscriptions,
        "invoices": world.invoices,
        "invoice_payments": world.invoice_payments,
        "charges": world.charges,
        "refunds": world.refunds,
        "disputes": world.disputes,
        "payouts": world.payouts,
        "topups": world.topups,
    }
    with running(world) as url:
        for name, shelf in shelves.items():
            meter = Meter()
            found = records(walked(opened(RESTRICTED_KEY, meter, base_url=url), name))
            assert {one.id for one in found} == {row.id for row in shelf.rows}, name  # type: ignore[attr-defined]
            assert meter.total().requests == max(1, -(-len(shelf) // 100)), name  # type: ignore[arg-type]


def test_a_quiet_tick_is_one_request_for_each_feed() -> None:
    world = World("tidy")
    meter = Meter()
    with running(world) as url:
        stripe = opened(RESTRICTED_KEY, meter, base_url=url)
        for feed in stripe.feeds:
            if not feed.fills:
                walked(stripe, feed.name, Window(from_seconds(world.clock)))
    assert meter.total().requests == 3
