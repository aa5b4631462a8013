"""What Stripe's objects tell besides movements of money: failed payments, disputes, payouts, subscriptions, and who paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from stripe_objects import (
    DAY,
    MORNING,
    SHOP,
    STRIPE,
    SUBJECT,
    at,
    charge,
    customer,
    dispute,
    euro,
    landed,
    movement,
    payout,
    read,
    subscription,
)

from syncjob.model import Address, Fact, FactKind, Person, digest

# ---------------------------------------------------------------- facts


FAILED = charge(status="failed", balance_transaction=None, failure_code="card_declined", failure_message="Declined.")


def facts(*bodies: dict[str, Any]) -> tuple[Fact, ...]:
    reading = read(*bodies)
    assert reading.problems == ()
    return reading.facts


def test_a_failed_payment_is_a_fact_with_its_reason():
    (one,) = facts(FAILED)
    assert one == Fact(
        stream=SHOP,
        id="ch_1Example",
        kind=FactKind.PAYMENT_FAILED,
        subject=SUBJECT,
        occurred=at(MORNING - 60),
        amount=euro(10_000),
        customer="cus_1Example",
        reason="Declined.",
        detail={"code": "card_declined"},
    )


def test_a_payment_that_failed_late_failed_when_we_were_told():
    (one,) = facts(charge(status="failed", failure_message="Returned."))
    assert one.occurred == at(MORNING + 600)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("needs_response", FactKind.DISPUTE_OPEN),
        ("under_review", FactKind.DISPUTE_OPEN),
        ("won", FactKind.DISPUTE_WON),
        ("lost", FactKind.DISPUTE_LOST),
        ("warning_needs_response", None),
        ("warning_closed", None),
        ("prevented", None),
    ],
)
def test_a_dispute_tells_where_it_stands_and_an_inquiry_tells_nothing(status: str, kind: FactKind | None):
    found = facts(dispute(status=status), charge())
    assert [one.kind for one in found] == ([kind] if kind else [])
    for one in found:
        assert (one.id, one.amount, one.due, one.customer) == (
            "du_1Example",
            euro(10_000),
            at(MORNING + 14 * DAY),
            "cus_1Example",
        )
        assert one.occurred == at(MORNING + 600 if status in ("won", "lost") else MORNING - 60)


def test_a_payout_arrives_on_its_day_and_a_failed_one_tells_why():
    (paid,) = facts(payout(status="paid"))
    assert (paid.kind, paid.occurred, paid.amount) == (
        FactKind.PAYOUT_PAID,
        at(MORNING - MORNING % DAY + 2 * DAY),
        euro(50_000),
    )
    (failed,) = facts(payout(status="failed", failure_message="The account is closed."))
    assert (failed.kind, failed.reason) == (FactKind.PAYOUT_FAILED, "The account is closed.")
    assert facts(payout(status="canceled"))[0].kind is FactKind.PAYOUT_FAILED
    assert facts(payout(), payout(id="po_2", status="pending")) == ()


@pytest.mark.parametrize(
    ("more", "kind", "occurred"),
    [
        ({}, FactKind.SUBSCRIPTION_STARTED, MORNING),
        ({"status": "past_due"}, FactKind.SUBSCRIPTION_CHANGED, MORNING + 600),
        ({"status": "canceled", "ended_at": MORNING + 5}, FactKind.SUBSCRIPTION_CANCELLED, MORNING + 5),
        ({"status": "incomplete"}, None, 0),
    ],
)
def test_a_subscription_tells_where_it_stands(more: dict[str, Any], kind: FactKind | None, occurred: int):
    found = [(one.kind, one.occurred, one.amount) for one in facts(subscription(**more))]
    assert found == ([(kind, at(occurred), euro(5_800))] if kind else [])


@pytest.mark.parametrize(
    "items",
    [
        [{"quantity": 1, "price": {"unit_amount": None, "currency": "eur"}}],
        [{"quantity": None, "price": {"unit_amount": 5, "currency": "eur"}}],
        [{"quantity": 1, "price": {"unit_amount": price, "currency": "eur"}} for price in (5, None)],
        [{"quantity": 1, "price": {"unit_amount": 5, "currency": code}} for code in ("eur", "usd")],
        [],
    ],
)
def test_a_subscription_without_one_certain_price_shows_none(items: list[dict[str, Any]]):
    (one,) = facts(subscription(items={"data": items}))
    assert one.amount is None


def test_a_state_that_nobody_listed_is_held():
    (one,) = read(dispute(status="escalated")).problems
    assert (one.type, one.id) == ("dispute", "du_1Example")
    assert one.problem.why == "status is 'escalated', which mappings/gateways/stripe.yaml does not list"


# ---------------------------------------------------------------- people


BAKERY = Person(
    stream=SHOP,
    id="cus_1Example",
    as_of=at(MORNING + 600),
    name="Example Bakery",
    email="bakery@example.com",
    country="DE",
    address=Address(line1="1 Example Street", city="Example City", country="DE"),
)


def test_who_paid_is_read_from_the_charge():
    assert read(charge()).people == (BAKERY,)


def test_the_customer_record_knows_better_than_the_charge():
    (one,) = read(charge(), customer()).people
    assert (one.email, one.company, one.phone) == ("accounts@example.com", "Example Bakery Ltd", "+49 30 000000")


def test_of_two_charges_the_newer_one_says_who_it_was():
    old = landed(charge(), as_of=MORNING)
    new = landed(charge(id="ch_2", billing_details={"name": "Example Bakery Ltd"}), as_of=MORNING + 1)
    for records in ([*new, *old], [*old, *new]):
        assert [one.name for one in STRIPE.read(SHOP, SUBJECT, records).people] == ["Example Bakery Ltd"]


def test_a_guest_is_known_by_the_id_under_which_landing_keeps_them():
    records = landed(movement("charge", 10_000, source="ch_1Example"), charge(customer=None))
    reading = STRIPE.read(SHOP, SUBJECT, records)
    guest = records[1].person
    assert guest.startswith("guest-")
    assert reading.people == (replace(BAKERY, id=guest),)
    assert [one.customer for one in reading.transactions] == [guest]
    forgotten = [replace(record, personal={}) for record in records]
    assert [one.customer for one in STRIPE.read(SHOP, SUBJECT, forgotten).transactions] == [guest]


def test_a_guest_that_was_landed_without_an_id_gets_one_from_account_email_and_name():
    (record,) = landed(charge(customer=None))
    (one,) = STRIPE.read(SHOP, SUBJECT, [replace(record, person="")]).people
    assert one.id == "guest-" + digest("shop", "bakery@example.com", "Example Bakery")


def test_somebody_without_an_email_address_is_nobody_before_and_after_they_are_forgotten():
    nameless = charge(customer=None, billing_details={"name": "Example"})
    records = landed(movement("charge", 10_000, source="ch_1Example"), nameless)
    for known in (records, [replace(record, personal={}) for record in records]):
        reading = STRIPE.read(SHOP, SUBJECT, known)
        assert (reading.people, reading.transactions[0].customer) == ((), "")
