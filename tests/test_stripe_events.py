"""Stripe's events: what happened and to what, read as it stands in our version, and as a hint in any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest
import responses
from stripe import Event
from stripe import _event as stripe_event
from stripe._api_version import _ApiVersion
from stripe_vendor import (
    NOON,
    NOON_SECONDS,
    OLD,
    Body,
    answers,
    charge,
    event,
    gone,
    invoice,
    link,
    listed,
    opened,
    records,
    walked,
)

from syncjob.gateways.stripe import VERSION
from syncjob.gateways.stripe.event_types import BILLING_EVENTS, DELETIONS, HANDLED, NOT_NEEDED, PAYMENT_EVENTS
from syncjob.model import Raw
from syncjob.moment import from_seconds


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def test_an_event_and_its_object_as_it_was_come_as_two_records(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, charge(1))))
    told, shown = records(walked(opened(), "events"))
    at = from_seconds(NOON_SECONDS - 300)
    assert shown == Raw("charge", "ch_1", from_seconds(NOON_SECONDS - 700), at, "payment:pi_1", charge(1))
    assert (told.type, told.id, told.subject, told.as_of) == ("event", "evt_1", "payment:pi_1", at)
    assert told.body == {
        "id": "evt_1",
        "object": "event",
        "type": "charge.updated",
        "created": NOON_SECONDS - 300,
        "api_version": VERSION,
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }


def test_of_several_events_about_one_object_the_newest_shows_it(vendor: responses.RequestsMock) -> None:
    new, old = charge(1, description="new"), charge(1, description="old")
    answers(vendor, "/v1/events", listed(event(3, new), event(2, old), more=True))
    answers(vendor, "/v1/events", listed(event(1, charge(1, description="older"))))
    pages = walked(opened(), "events")
    assert [one.body["description"] for one in records(pages, "charge")] == ["new"]
    assert len(records(pages, "event")) == 3


def test_an_event_in_another_api_version_is_a_hint_to_read_its_object_again(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(2, charge(1), version=OLD), event(1, charge(1), version=OLD)))
    answers(vendor, "/v1/charges/ch_1", charge(1, description="as it is now"))
    (shown,) = records(walked(opened(), "events"), "charge")
    assert shown.body == charge(1, description="as it is now")
    assert shown.as_of == NOON
    assert len(vendor.calls) == 2


def test_many_hints_are_read_by_kind_in_one_list_each_and_what_a_list_passes_over_by_itself(
    vendor: responses.RequestsMock,
) -> None:
    subscriptions = [{"id": f"sub_{n}", "object": "subscription", "created": NOON_SECONDS - n} for n in range(50)]
    customers = [{"id": f"cus_{n}", "object": "customer", "created": NOON_SECONDS - n} for n in range(48)]
    rows = [event(n, shown, "customer.updated", OLD) for n, shown in enumerate([*subscriptions, *customers])]
    answers(vendor, "/v1/events", listed(*rows))
    bounds = {"created[gte]": str(NOON_SECONDS - 49), "created[lte]": str(NOON_SECONDS), "status": "all", "limit": "100"}
    answers(vendor, "/v1/subscriptions", listed(*subscriptions), asked=bounds)
    answers(vendor, "/v1/customers", listed(*(one for one in customers if one["id"] != "cus_7")))
    answers(vendor, "/v1/customers/cus_7", {"id": "cus_7", "object": "customer", "deleted": True})
    found = records(walked(opened(), "billing_events"))
    assert sum(one.type == "subscription" for one in found) == 50
    assert sum(one.type == "customer" for one in found) == 48
    assert [one.id for one in found if one.body.get("deleted")] == ["cus_7"]
    assert len(vendor.calls) == 4


def test_a_quiet_shops_hints_are_one_list_however_far_apart_they_lie(vendor: responses.RequestsMock) -> None:
    old = [charge(n, created=NOON_SECONDS - n * 30 * 86_400) for n in range(1, 5)]
    answers(vendor, "/v1/events", listed(*(event(n, one, version=OLD) for n, one in enumerate(old))))
    bounds = {"created[gte]": str(NOON_SECONDS - 120 * 86_400), "created[lte]": str(NOON_SECONDS - 30 * 86_400)}
    answers(vendor, "/v1/charges", listed(*old), asked=bounds)
    assert len(records(walked(opened(), "events"), "charge")) == 4
    assert len(vendor.calls) == 2


def test_how_long_a_page_reaches_is_learnt_so_that_no_list_is_asked_in_vain_twice(vendor: responses.RequestsMock) -> None:
    # A hundred other charges lie within two seconds, so no page can bring two of ours.
    wanted = [charge(n, created=NOON_SECONDS - n * 3_600) for n in range(6)]
    crowd = [charge(1_000 + n, created=NOON_SECONDS - n // 50) for n in range(99)]
    answers(vendor, "/v1/events", listed(*(event(n, one, version=OLD) for n, one in enumerate(wanted))))
    answers(vendor, "/v1/charges", listed(wanted[0], *crowd, more=True))
    for one in wanted[1:]:
        answers(vendor, f"/v1/charges/{one['id']}", one)
    assert len({one.id for one in records(walked(opened(), "events"), "charge")}) == 6
    assert len(vendor.calls) == 1 + 1 + 5


def test_more_than_a_page_of_one_second_ends_too(vendor: responses.RequestsMock) -> None:
    wanted = [charge(n) for n in range(3)]
    answers(vendor, "/v1/events", listed(*(event(n, one, version=OLD) for n, one in enumerate(wanted))))
    answers(vendor, "/v1/charges", listed(*(charge(100 + n) for n in range(100)), more=True))
    for one in wanted:
        answers(vendor, f"/v1/charges/{one['id']}", one)
    assert len(records(walked(opened(), "events"), "charge")) == 3
    assert len(vendor.calls) == 1 + 1 + 3


def test_what_is_deleted_leaves_a_tombstone_and_what_cannot_be_deleted_only_its_event(vendor: responses.RequestsMock) -> None:
    customer = {"id": "cus_1", "object": "customer", "created": 5}
    answers(vendor, "/v1/events", listed(event(1, customer, version=OLD), event(2, charge(1), version=OLD)))
    answers(vendor, "/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    answers(vendor, "/v1/charges/ch_1", gone("ch_1"), 404)
    assert [one.type for one in records(walked(opened(), "events"))] == ["event", "event", "customer"]


@pytest.mark.parametrize("version", [VERSION, OLD])
def test_the_event_of_a_deletion_shows_what_was_there_and_leaves_a_tombstone(
    vendor: responses.RequestsMock, version: str
) -> None:
    whole = {"id": "cus_1", "object": "customer", "created": 5, "email": "bakery@example.com"}
    rows = [event(2, whole, "customer.deleted", version), event(1, whole, "customer.updated", version)]
    answers(vendor, "/v1/events", listed(*rows))
    *events, tombstone = records(walked(opened(), "billing_events"))
    assert [one.type for one in events] == ["event", "event"]
    at = from_seconds(NOON_SECONDS - 300)
    body: Body = {"id": "cus_1", "object": "customer", "deleted": True}
    assert tombstone == Raw("customer", "cus_1", from_seconds(5), at, "customer:cus_1", body)


def test_the_event_of_another_account_is_passed_over(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, charge(1)) | {"account": "acct_2"}))
    assert records(walked(opened(), "events")) == []


def test_an_event_about_something_without_an_id_is_passed_over(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, {"object": "invoice", "created": 5})))
    assert records(walked(opened(), "events")) == []


def test_a_paid_invoice_is_read_with_its_number_as_its_event_has_only_its_id(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, link(1), "invoice_payment.paid")))
    whole = link(1, {"id": "in_1", "object": "invoice", "number": "INV-1"})
    answers(vendor, "/v1/invoice_payments/inpay_1", whole, asked={"expand[]": "invoice"})
    (shown,) = records(walked(opened(), "billing_events"), "invoice_payment")
    assert shown.body == whole
    assert (shown.subject, shown.as_of) == ("payment:pi_1", NOON)


def test_many_paid_invoices_are_found_in_one_list_and_the_rest_one_by_one(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(*(event(n, link(n), "invoice_payment.paid") for n in range(1, 6))))
    bounds = {"created[gte]": str(NOON_SECONDS - 905), "created[lte]": str(NOON_SECONDS - 901), "expand[]": "data.invoice"}
    answers(vendor, "/v1/invoice_payments", listed(link(9), *(link(n, {"id": "in_1"}) for n in range(1, 5))), asked=bounds)
    answers(vendor, "/v1/invoice_payments/inpay_5", link(5, {"id": "in_1"}))
    found = records(walked(opened(), "billing_events"), "invoice_payment")
    assert sorted(one.id for one in found) == [f"inpay_{n}" for n in range(1, 6)]
    assert all(isinstance(one.body["invoice"], dict) for one in found)
    assert len(vendor.calls) == 3


def test_an_invoice_that_the_same_page_shows_lends_its_number_to_its_payment(vendor: responses.RequestsMock) -> None:
    rows = [event(3, invoice(1), "invoice.paid"), event(2, link(1), "invoice_payment.paid")]
    for shown in (rows, rows[::-1]):
        answers(vendor, "/v1/events", listed(*shown))
        (found,) = records(walked(opened(), "billing_events"), "invoice_payment")
        assert found.body == link(1, invoice(1))
        assert (found.subject, found.as_of) == ("payment:pi_1", from_seconds(NOON_SECONDS - 300))
    assert len(vendor.calls) == 2


def test_an_invoice_paid_in_the_old_shape_brings_its_payments_in_the_new_one(vendor: responses.RequestsMock) -> None:
    old = [invoice(n, charge=f"ch_{n}", payment_intent=f"pi_{n}", paid=True) for n in range(4)]
    answers(vendor, "/v1/events", listed(*(event(n, one, "invoice.paid", OLD) for n, one in enumerate(old))))
    new = [invoice(n, payments=listed(link(n, f"in_{n}"))) for n in range(4)]
    answers(vendor, "/v1/invoices", listed(*new), asked={"expand[]": "data.payments"})
    pages = walked(opened(), "billing_events")
    assert {one.body["invoice"]["number"]: one.subject for one in records(pages, "invoice_payment")} == {  # type: ignore[index, call-overload]
        f"INV-{n}": f"payment:pi_{n}" for n in range(4)
    }
    assert [one.body for one in records(pages, "invoice")] == [invoice(n) for n in range(4)]
    assert len(vendor.calls) == 2


def test_a_charge_that_names_its_invoice_in_the_old_shape_brings_the_link_once(vendor: responses.RequestsMock) -> None:
    stripe = opened()
    answers(vendor, "/v1/events", listed(event(1, charge(1, invoice="in_1", status="succeeded"), version=OLD)))
    answers(vendor, "/v1/charges/ch_1", charge(1))
    answers(vendor, "/v1/invoices/in_1", invoice(1, payments=listed(link(1))), asked={"expand[]": "payments"})
    (found,) = records(walked(stripe, "events"), "invoice_payment")
    assert (found.subject, found.body["invoice"]) == ("payment:pi_1", invoice(1))
    assert len(vendor.calls) == 3
    assert records(walked(stripe, "events"), "invoice_payment") == []
    assert len(vendor.calls) == 5


def test_a_failed_charge_of_an_invoice_has_no_link_to_look_for(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, charge(1, invoice="in_1", status="failed"), "charge.failed", OLD)))
    answers(vendor, "/v1/charges/ch_1", charge(1, status="failed"))
    assert [one.type for one in records(walked(opened(), "events"))] == ["event", "charge"]


def test_an_invoice_with_very_many_payments_shows_them_all(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, invoice(1), "invoice.paid", OLD)))
    answers(vendor, "/v1/invoices/in_1", invoice(1, payments=listed(link(1), more=True)))
    answers(vendor, "/v1/invoice_payments", listed(link(1), link(2), more=True), asked={"invoice": "in_1", "limit": "100"})
    answers(vendor, "/v1/invoice_payments", listed(link(3)), asked={"invoice": "in_1", "starting_after": "inpay_2"})
    found = records(walked(opened(), "billing_events"), "invoice_payment")
    assert {one.id for one in found} == {"inpay_1", "inpay_2", "inpay_3"}
    assert all(one.body["invoice"] == invoice(1) for one in found)


# ---------------------------------------------------------------- every type has its place


@pytest.mark.parametrize(("feed", "types"), [("events", PAYMENT_EVENTS), ("billing_events", BILLING_EVENTS)])
def test_each_feed_of_events_is_one_request_with_no_more_names_than_stripe_takes(
    vendor: responses.RequestsMock, feed: str, types: tuple[str, ...]
) -> None:
    answers(vendor, "/v1/events", listed())
    walked(opened(), feed)
    names = re.findall(r"types%5B%5D=([a-z_.]+)", str(vendor.calls[0].request.url))
    assert tuple(names) == types
    assert len(names) <= 20
    assert len(vendor.calls) == 1


def test_every_type_that_the_vendors_own_library_knows_is_read_or_has_its_reason() -> None:
    known = {name for name in get_args(get_type_hints(Event, vars(stripe_event))["type"]) if isinstance(name, str)}
    assert len(known) > 250
    listed = HANDLED | NOT_NEEDED.keys()
    # An older or newer library than that of our version knows a few less or more; what is older is still all listed.
    if _ApiVersion.CURRENT == VERSION:
        assert listed == known
    elif _ApiVersion.CURRENT < VERSION:
        assert known <= listed
    else:
        assert len(listed - known) < 25
    assert not HANDLED & NOT_NEEDED.keys()
    assert not set(PAYMENT_EVENTS) & set(BILLING_EVENTS)
    assert all(len(why) > 20 for why in NOT_NEEDED.values())
    assert DELETIONS <= HANDLED


def test_one_kind_of_object_is_told_by_one_feed_only() -> None:
    """Of several events about an object the newest shows it: two feeds could not agree which that is."""
    kinds = [{name.rpartition(".")[0] for name in types} for types in (PAYMENT_EVENTS, BILLING_EVENTS)]
    assert not kinds[0] & kinds[1]
