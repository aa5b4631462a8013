"""Stripe with at least one of everything: each line of the balance is read or refused with a reason, and nothing is lost."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from stripe_objects import MORNING, SHOP, STRIPE, SUBJECT, at, charge, customer, euro, invoice_payment, movement, read
from stripe_vendor import opened, records, walked

from syncjob.gateways.stripe import Stripe
from syncjob.http import Meter
from syncjob.landing import land
from syncjob.model import Fact, FactKind, Kind, Raw, Reading, Record, Refusal
from syncjob.sandbox.stripe import RESTRICTED_KEY, running
from syncjob.sandbox.world import World

DAY = 86_400
# What is really refused: each stands under refuse: in the map with its reason.
REFUSED = {
    *("advance", "advance_funding", "anticipation_repayment", "obligation", "tax_fund"),
    *("financing_paydown", "financing_paydown_reversal", "financing_payout", "financing_payout_reversal"),
    *("issuing_authorization_hold", "issuing_authorization_release", "issuing_transaction", "issuing_dispute"),
    *("issuing_dispute_provisional_credit", "issuing_dispute_provisional_credit_reversal"),
}


@contextmanager
def serving(world: World, *, mixed: bool = False, **settings: str) -> Iterator[tuple[Stripe, Meter]]:
    """The simulator; `mixed` has every second event show an older API version."""
    meter = Meter()
    with running(world) as url:
        if mixed:
            quirk = json.dumps({"name": "mixed_versions"}).encode()
            request = urllib.request.Request(f"{url}/_sandbox/quirks", quirk, method="POST")  # noqa: S310
            with urllib.request.urlopen(request):  # noqa: S310 - the simulator on this machine
                pass
        yield opened(RESTRICTED_KEY, meter, base_url=url, **settings), meter


def polled(stripe: Stripe) -> list[Raw]:
    """What a tick reads; the lists are for gaps."""
    return [one for feed in stripe.feeds if not feed.fills for one in records(walked(stripe, feed.name))]


@cache
def world() -> World:
    whole = World("whole")
    whole.advance(10 * DAY)  # so that what was begun has ended
    return whole


@cache
def everything() -> tuple[Raw, ...]:
    with serving(world()) as (stripe, _):
        return tuple(one for feed in stripe.feeds for one in records(walked(stripe, feed.name)))


def readings(raws: Sequence[Raw]) -> list[Reading]:
    by_subject: dict[str, list[Record]] = {}
    for one in land(raws, STRIPE.keep):
        assert one.problem is None, one.problem
        by_subject.setdefault(one.subject, []).append(one)
    return [STRIPE.read(SHOP, subject, found) for subject, found in by_subject.items()]


def newest(raws: Sequence[Raw], type: str) -> dict[str, Any]:
    found: dict[str, Raw] = {}
    for one in raws:
        if one.type == type and (one.id not in found or found[one.id].as_of <= one.as_of):
            found[one.id] = one
    return {id: one.body for id, one in found.items()}


def test_each_line_of_the_balance_is_read_or_refused_with_its_reason() -> None:
    read_ids: set[str] = set()
    refused: dict[str, Refusal] = {}
    for reading in readings(everything()):
        read_ids.update(one.id for one in reading.transactions)
        refused.update({one.id: one for one in reading.problems})
    lines = {row.id: row for row in world().ledger.movements.rows}
    assert read_ids | refused.keys() == lines.keys()
    words = {word for id in refused for word in (lines[id].type, lines[id].category)}
    assert words >= REFUSED
    for id, one in refused.items():
        assert REFUSED & {lines[id].type, lines[id].category}, one.problem
        assert "refuses: " in one.problem.why
        assert one.net is not None
        assert one.net.minor == lines[id].net


def test_every_sort_of_fee_is_named_and_comes_to_the_fee() -> None:
    sorts = {fee.type for reading in readings(everything()) for one in reading.transactions for fee in one.fees}
    assert sorts == {"stripe_fee", "tax", "payment_method_passthrough_fee", "withheld_tax"}


def test_payouts_by_hand_at_once_failed_called_off_fetched_back_and_the_other_way_round() -> None:
    moved: dict[str, list[tuple[Kind, int]]] = {}
    states: dict[str, FactKind] = {}
    for reading in readings(everything()):
        for one in reading.transactions:
            if one.kind in (Kind.PAYOUT, Kind.PAYOUT_FAILURE):
                moved.setdefault(one.origin, []).append((one.kind, one.gross.minor))
        states.update({fact.id: fact.kind for fact in reading.facts})
    known = {label: world().known(label) for label in ("by hand", "instant", "bouncing", "called off", "fetched back", "debit")}
    assert {label: (moved[id], states[id]) for label, id in known.items()} == {
        "by hand": ([(Kind.PAYOUT, -10_000)], FactKind.PAYOUT_PAID),
        "instant": ([(Kind.PAYOUT, -20_000)], FactKind.PAYOUT_PAID),
        "bouncing": ([(Kind.PAYOUT_FAILURE, 5_000), (Kind.PAYOUT, -5_000)], FactKind.PAYOUT_FAILED),
        "called off": ([(Kind.PAYOUT_FAILURE, 6_000), (Kind.PAYOUT, -6_000)], FactKind.PAYOUT_FAILED),
        "fetched back": ([(Kind.PAYOUT, 10_000)], FactKind.PAYOUT_PAID),
        "debit": ([(Kind.PAYOUT, 900)], FactKind.PAYOUT_PAID),
    }


# ---------------------------------------------------------------- links, in both shapes


def links(raws: Sequence[Raw]) -> dict[str, tuple[str, str]]:
    found: dict[str, Any] = {one.id: (one.subject, one.body["invoice"]) for one in raws if one.type == "invoice_payment"}
    return {id: (subject, invoice["number"]) for id, (subject, invoice) in found.items()}


@pytest.mark.parametrize("mixed", [False, True], ids=["one version", "two versions"])
def test_every_payment_of_stripes_invoices_is_linked_whatever_version_the_event_was_made_in(*, mixed: bool) -> None:
    expected = {
        row.id: (f"payment:{row.payment_intent}", world().invoices.get(row.invoice).number)
        for row in world().invoice_payments.rows
        if row.status == "paid"
    }
    since = world().clock - 30 * DAY
    lately = {row.id for row in world().invoice_payments.rows if row.created >= since}
    with serving(world(), mixed=mixed) as (stripe, _):
        found = links(polled(stripe))
    assert {id: found[id] for id in lately if id in expected} == {id: expected[id] for id in lately if id in expected}
    assert found.items() <= expected.items()


def test_hints_are_read_in_one_list_of_each_kind_and_a_page_of_our_version_needs_none() -> None:
    with serving(world()) as (stripe, meter):
        polled(stripe)
        pages = meter.total().requests
    with serving(world(), mixed=True) as (stripe, meter):
        kinds = {one.type for one in polled(stripe)} - {"event", "balance_transaction"}
        assert meter.total().requests <= pages + len(kinds)


def test_a_payment_without_an_intent_is_linked_by_its_charge() -> None:
    link = invoice_payment("SI-17") | {"payment": {"charge": "ch_1Example", "type": "charge"}}
    reading = read(movement("charge", 10_000, source="ch_1Example"), charge(payment_intent=None), link)
    (one,) = reading.transactions
    assert [reference.text for reference in one.references] == ["SI-17"]


# ---------------------------------------------------------------- what was deleted or given up


@pytest.mark.parametrize("mixed", [False, True], ids=["one version", "two versions"])
def test_deletions_and_voids_at_the_gateway_are_seen(*, mixed: bool) -> None:
    young = World("whole")  # the events of all this are still kept
    with serving(young, mixed=mixed) as (stripe, _):
        raws = polled(stripe)
    assert newest(raws, "customer")[young.known("leaver")] == {
        "id": young.known("leaver"),
        "object": "customer",
        "deleted": True,
    }
    invoices = newest(raws, "invoice")
    assert invoices[young.known("thrown away")]["deleted"] is True
    assert invoices[young.known("void")]["status"] == "void"
    assert invoices[young.known("bad debt")]["status"] == "uncollectible"
    assert newest(raws, "credit_note")[young.known("mistaken")]["status"] == "void"
    subjects = {one.subject for one in raws if one.type in ("invoice", "credit_note")}
    assert all(subject.startswith("billing:in_") for subject in subjects)


def test_what_the_lists_no_longer_show_is_found_deleted_when_asked_for() -> None:
    with serving(world()) as (stripe, _):
        for name, kind, label in (("customers", "customer", "leaver"), ("invoices", "invoice", "thrown away")):
            id = world().known(label)
            assert id not in {one.id for one in records(walked(stripe, name))}
            assert stripe.fetch(kind, id).body == {"id": id, "object": kind, "deleted": True}


def test_a_deleted_customer_is_no_refusal_and_nobody_new_so_that_the_contact_stays_as_it_was() -> None:
    known = customer()
    gone: dict[str, Any] = {"id": "cus_1Example", "object": "customer", "deleted": True}
    before = land([Raw("customer", "cus_1Example", at(MORNING), at(MORNING), SUBJECT, known)], STRIPE.keep)
    after = land([Raw("customer", "cus_1Example", at(MORNING), at(MORNING + 60), SUBJECT, gone)], STRIPE.keep)
    assert [one.name for one in STRIPE.read(SHOP, SUBJECT, before).people] == ["Example Bakery"]
    assert STRIPE.read(SHOP, SUBJECT, [*before, *after]) == Reading()
    assert after[0].body == {"deleted": True, "id": "cus_1Example"}


def test_an_invoice_whose_day_has_passed_is_told_once_with_its_customer_and_amount() -> None:
    invoice: dict[str, Any] = {"id": "in_1", "object": "invoice", "number": "SI-12", "customer": "cus_1Example"}
    invoice |= {"created": MORNING - 9 * DAY, "due_date": MORNING - DAY, "total": 3_300, "currency": "eur"}
    event = {"id": "evt_1", "object": "event", "type": "invoice.overdue", "created": MORNING}
    event |= {"data": {"object": {"id": "in_1"}}}
    other = event | {"id": "evt_2", "type": "invoice.paid"}
    assert read(invoice, event, other).facts == (
        Fact(
            stream=SHOP,
            id="evt_1",
            kind=FactKind.INVOICE_OVERDUE,
            subject=SUBJECT,
            occurred=at(MORNING),
            amount=euro(3_300),
            customer="cus_1Example",
            due=at(MORNING - DAY),
            reason="SI-12",
        ),
    )


# ---------------------------------------------------------------- connected accounts


def test_a_connected_account_is_read_by_its_platforms_key_and_nothing_of_others_with_it() -> None:
    shop = world().account_of("shop one")
    with serving(world(), account=shop.account) as (stripe, _):
        assert stripe.identity().account == shop.account
        assert stripe.check() == []
        raws = polled(stripe)
    assert {one.id for one in raws if one.type == "balance_transaction"} == {row.id for row in shop.ledger.movements.rows}
    found = readings(raws)
    assert not [problem for reading in found for problem in reading.problems]
    fees = {fee.type for reading in found for one in reading.transactions for fee in one.fees}
    assert "application_fee" in fees


def test_an_account_that_has_left_the_platform_is_told_in_one_sentence() -> None:
    with serving(world(), account=world().known("left")) as (stripe, meter):
        (problem,) = stripe.check()
        assert problem.what == f"account {world().known('left')}"
        assert meter.total().requests == 1
