"""Stripe against its simulator: whole walks, misfortunes on the way, kills between pages."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from stripe_vendor import LONG_AGO, Body, opened, records, walked

from syncjob.errors import NeedsPerson, RecordRefused
from syncjob.gateways.stripe import Stripe
from syncjob.gateways.stripe.event_types import HANDLED
from syncjob.http import Meter
from syncjob.landing import land
from syncjob.mapping import load_gateway
from syncjob.model import canonical
from syncjob.moment import Window, from_seconds
from syncjob.money import Money
from syncjob.ports import Identity, Page
from syncjob.redact import has_card
from syncjob.sandbox import actions as do
from syncjob.sandbox.stripe import LIMITED_KEY, RESTRICTED_KEY, running
from syncjob.sandbox.world import World


@contextmanager
def sandbox(world: World, key: str = RESTRICTED_KEY) -> Iterator[tuple[Stripe, Meter]]:
    meter = Meter()
    with running(world) as url:
        yield opened(key, meter, base_url=url), meter


@pytest.fixture(scope="module")
def world() -> World:
    return World("tidy")


def test_a_walk_brings_every_movement_and_every_event_of_ours(world: World) -> None:
    with sandbox(world) as (stripe, _):
        movements = records(walked(stripe, "balance_transactions"), "balance_transaction")
        events = records([*walked(stripe, "events"), *walked(stripe, "billing_events")], "event")
    assert {one.id for one in movements} == {row.id for row in world.ledger.movements.rows}
    assert sum(one.body["net"] for one in movements if one.body["currency"] == "eur") == world.balances()["eur"]  # type: ignore[misc]
    kept = world.clock - 30 * 86_400
    assert {one.id for one in events} == {row.id for row in world.events.rows if row.type in HANDLED and row.created >= kept}


def test_everything_about_one_payment_is_found_by_one_key() -> None:
    world = World("tidy")
    world.act(do.Pay(world.clock, "p", None, 5000, "eur", "Example order", {}))
    world.advance(3600)
    world.act(do.GiveRefund(world.clock, "", "p", 1000))
    world.advance(3600)
    charge = world.charges.get(world.known("p"))
    with sandbox(world) as (stripe, _):
        found = records(walked(stripe, "balance_transactions") + walked(stripe, "events"))
    of_it = {one.type for one in found if one.subject == f"payment:{charge.payment_intent}"}
    assert of_it == {"charge", "refund", "balance_transaction", "event"}


def test_identity_balance_and_rights_of_a_key_that_may_read_all(world: World) -> None:
    with sandbox(world) as (stripe, _):
        assert stripe.identity() == Identity(world.account, "test", "Sandbox Example")
        assert stripe.check() == []
        balances = {one.amount.currency: one.amount for one in stripe.balances(None) if one.place == "payments"}
        assert balances["EUR"] == Money(world.balances()["eur"], "EUR")
        assert stripe.balances(None)[0].as_of == from_seconds(world.clock)


def test_a_key_that_may_not_read_all_is_told_which_rights_to_click(world: World) -> None:
    with sandbox(world, LIMITED_KEY) as (stripe, _):
        assert stripe.identity() == Identity("", "test")
        account, events = stripe.check()
        assert account.cure.startswith("give the restricted key Read on Accounts")
        assert events.cure == "give the restricted key Read on Events"
        assert "rak_event_read" in events.why
        with pytest.raises(NeedsPerson, match="the right rak_event_read"):
            walked(stripe, "events")


def test_a_revoked_key_is_one_problem_not_one_per_right(world: World) -> None:
    with sandbox(world, "rk_" + "test_revoked") as (stripe, meter):
        (problem,) = stripe.check()
        assert "renew it (key: of shop in syncjob.yaml)" in problem.why
        assert meter.total().requests == 1


def test_one_object_is_read_again_by_its_id(world: World) -> None:
    movement = next(row for row in world.ledger.movements.rows if row.source)
    with sandbox(world) as (stripe, _):
        again = stripe.fetch("balance_transaction", movement.id)
        assert (again.id, again.body["source"]) == (movement.id, movement.source)
        with pytest.raises(RecordRefused, match="No such charge"):
            stripe.fetch("charge", "ch_../balance")
        with pytest.raises(RecordRefused, match="cannot be read by its id here"):
            stripe.fetch("source", "src_1")


def walk_with(world: World, *quirks: Body) -> tuple[list[Page], Meter]:
    """A walk through the movements while the simulator has these misfortunes."""
    with serving(world) as (url, disturb):
        for quirk in quirks:
            disturb(quirk)
        meter = Meter()
        return walked(opened(RESTRICTED_KEY, meter, base_url=url), "balance_transactions"), meter


@contextmanager
def serving(world: World) -> Iterator[tuple[str, Callable[[Body], None]]]:
    with running(world) as url:

        def disturb(quirk: Body) -> None:
            request = urllib.request.Request(f"{url}/_sandbox/quirks", json.dumps(quirk).encode(), method="POST")  # noqa: S310
            with urllib.request.urlopen(request):  # noqa: S310 - the simulator on this machine
                pass

        yield url, disturb


@pytest.mark.parametrize("misfortune", ["429", "500", "reset", "truncated", "duplicate_rows"])
def test_misfortunes_on_the_way_change_nothing_of_what_arrives(misfortune: str) -> None:
    quirk = {"name": misfortune}
    world = World("bulk", charges=250)
    calm, _ = walk_with(world)
    rough, meter = walk_with(world, quirk)
    assert [one.id for one in records(rough, "balance_transaction")] == [one.id for one in records(calm, "balance_transaction")]
    assert meter.total().retries == (0 if quirk["name"] == "duplicate_rows" else 1)


def test_a_walk_killed_after_any_page_is_finished_by_the_next_run_and_misses_nothing() -> None:
    world = World("bulk", charges=250)
    whole, _ = walk_with(world)
    assert len(whole) >= 3
    with sandbox(world) as (stripe, _):
        for killed_after in range(1, len(whole)):
            walk = stripe.pages(stripe.feeds[0], Window(LONG_AGO), None)
            before = [next(walk) for _ in range(killed_after)]
            walk.close()  # type: ignore[attr-defined]
            rest = walked(stripe, "balance_transactions", resume=before[-1].resume)
            assert {one.id for one in records(before + rest)} == {one.id for one in records(whole)}
            assert rest[-1].cursor == whole[-1].cursor


def test_payments_made_while_a_walk_was_killed_belong_to_the_next_window() -> None:
    world = World("bulk", charges=250)
    with running(world) as url:
        stripe = opened(RESTRICTED_KEY, base_url=url)
        first = next(stripe.pages(stripe.feeds[0], Window(LONG_AGO), None))
        world.advance(600)
        world.act(do.Pay(world.clock, "late", None, 5000, "eur", "Late example", {}))
        late = world.charges.get(world.known("late")).id
        world.advance(600)
        rest = walked(stripe, "balance_transactions", resume=first.resume)
        assert late not in {one.id for one in records(rest)}
        cursor = rest[-1].cursor
        assert isinstance(cursor, datetime)
        assert late in {one.id for one in records(walked(stripe, "balance_transactions", Window(cursor)))}


def test_rows_that_become_visible_late_are_below_the_next_window_with_its_overlap() -> None:
    world = World("tidy")
    world.act(do.Pay(world.clock, "late", None, 5000, "eur", "Late example", {}))
    late = world.charges.get(world.known("late")).id
    with serving(world) as (url, disturb):
        stripe = opened(RESTRICTED_KEY, base_url=url)
        disturb({"name": "late_rows", "seconds": 50})
        pages = walked(stripe, "balance_transactions")
        assert late not in {one.id for one in records(pages)}
        world.advance(120)
        cursor = pages[-1].cursor
        assert isinstance(cursor, datetime)
        assert late in {one.id for one in records(walked(stripe, "balance_transactions", Window(cursor)))}


def test_a_card_number_in_an_id_stands_in_no_progress() -> None:
    world = World("bulk", charges=99)
    with serving(world) as (url, disturb):
        disturb({"name": "card_in_id"})
        pages = walked(opened(RESTRICTED_KEY, base_url=url), "balance_transactions")
    assert any(has_card(one.id) for one in records(pages))
    assert not any(has_card(page.resume or "") for page in pages)


def test_card_numbers_that_people_typed_never_arrive_and_ids_and_amounts_do() -> None:
    world = World("bulk", charges=250)
    keep = load_gateway("stripe").keep
    with serving(world) as (url, disturb):
        stripe = opened(RESTRICTED_KEY, base_url=url)
        clean = {one.id: one for one in land(records(walked(stripe, "balance_transactions")), keep)}
        disturb({"name": "card_numbers"})
        spoilt = records(walked(stripe, "balance_transactions"))
    landed = {one.id: one for one in land(spoilt, keep)}
    assert sum(has_card(canonical(one.body)) for one in spoilt) > 200
    assert not any(has_card(canonical([one.body, one.personal])) for one in landed.values())
    assert landed.keys() == clean.keys()
    assert all(one.problem is None and one.body["amount"] == clean[id].body["amount"] for id, one in landed.items())
