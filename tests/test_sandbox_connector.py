"""What our own Stripe connector makes of each misfortune: everything arrives once, or it says what is wrong."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
import requests

from syncjob.errors import ConnectorDown, SyncjobError
from syncjob.gateways.stripe import Stripe, connect
from syncjob.http import Http, Meter
from syncjob.model import Raw
from syncjob.moment import Window, from_seconds
from syncjob.ports import Options, Page
from syncjob.redact import Secret
from syncjob.sandbox import actions as do
from syncjob.sandbox.stripe import RESTRICTED_KEY, running
from syncjob.sandbox.world import World

MEGABYTE = 1_048_576
FEED = "balance_transactions"
Quirk = Callable[..., None]


@contextmanager
def opened(world: World, ticks: float = 0.0) -> Iterator[tuple[Stripe, Quirk, Meter]]:
    """Our connector, the switch for misfortunes, and the count of what was asked; each look at its clock may take `ticks`."""
    meter, looks = Meter(), count()
    http = Http(
        "https://api.stripe.com",
        sleep=lambda _: None,
        monotonic=(lambda: ticks * next(looks)) if ticks else monotonic,
        now=lambda: from_seconds(world.clock),
        random=lambda: 0.0,
        meter=meter,
    )
    with running(world) as url, requests.Session() as session:
        session.trust_env = False

        def quirk(name: str, **details: object) -> None:
            answer = session.post(f"{url}/_sandbox/quirks", json={"name": name, **details}, timeout=10)
            assert answer.status_code == 200, answer.text

        yield connect(Options("shop", Path("."), {"base_url": url}, Secret(RESTRICTED_KEY)), http), quirk, meter


def walked(stripe: Stripe, feed: str = FEED, since: int = 0) -> list[Page]:
    found = next(one for one in stripe.feeds if one.name == feed)
    return list(stripe.pages(found, Window(from_seconds(since)), None))


def records(pages: list[Page], type: str) -> list[Raw]:
    return [one for page in pages for one in page.records if one.type == type]


def movements(pages: list[Page]) -> list[str]:
    return [one.id for one in records(pages, "balance_transaction")]


def truth(world: World) -> set[str]:
    return {row.id for row in world.ledger.movements.rows}


@pytest.mark.parametrize(
    "quirk",
    [
        {"name": "429"},
        {"name": "500"},
        {"name": "reset"},
        {"name": "truncated"},
        {"name": "malformed_json"},
        {"name": "malformed_json", "how": "duplicate_key"},
        {"name": "malformed_json", "how": "not_a_number"},
        {"name": "malformed_json", "how": "not_utf8"},
        {"name": "malformed_json", "how": "too_deep"},
        {"name": "wrong_content_type"},
        {"name": "wrong_content_type", "how": "login_page"},
        {"name": "slow", "ms": 1},
        {"name": "duplicate_rows"},
    ],
)
def test_everything_arrives_once_all_the_same(quirk: dict[str, object]) -> None:
    world = World("bulk", charges=150)
    with opened(world) as (stripe, switch, meter):
        switch(**quirk)
        found = movements(walked(stripe))
        assert len(found) == len(set(found))
        assert set(found) == truth(world)
        assert meter.total().retries == (0 if quirk["name"] in {"slow", "duplicate_rows"} else 1)


def test_an_answer_that_is_wrong_each_time_is_told_and_not_believed() -> None:
    with opened(World("tidy")) as (stripe, switch, _):
        switch("malformed_json", how="duplicate_key", times=None)
        with pytest.raises(SyncjobError, match="amount"):
            walked(stripe)


@pytest.mark.parametrize("quirk", [{"name": "oversized", "megabytes": 96}, {"name": "gzip_bomb", "megabytes": 96}])
def test_an_answer_without_end_is_refused_before_it_fills_the_memory(quirk: dict[str, object]) -> None:
    with opened(World("tidy")) as (stripe, switch, _):
        switch(**quirk)
        tracemalloc.start()
        try:
            with pytest.raises(ConnectorDown, match="longer than"):
                walked(stripe)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 80 * MEGABYTE


@pytest.mark.parametrize("how", ["repeat", "empty"])
def test_a_list_that_never_ends_is_told_and_not_followed(how: str) -> None:
    with opened(World("bulk", charges=150)) as (stripe, switch, meter):
        switch("endless", how=how)
        with pytest.raises(ConnectorDown, match="goes round in circles"):
            walked(stripe)
        assert meter.total().requests < 10


def test_what_comes_in_the_second_that_was_just_read_comes_with_the_next_reading() -> None:
    world = World("tidy")
    with opened(world) as (stripe, switch, _):
        switch("same_second", count=25, path="/v1/balance_transactions")
        first = walked(stripe)
        cursor = first[-1].cursor
        world.advance(3_600)
        second = list(stripe.pages(stripe.feeds[0], Window(cursor), None))  # type: ignore[arg-type]
        assert set(movements(first)) | set(movements(second)) == truth(world)


def test_what_is_hidden_for_a_minute_is_not_passed_by() -> None:
    world = World("tidy")
    with opened(world) as (stripe, switch, _):
        switch("late_rows", seconds=60)
        world.act(do.Pay(world.clock, "hidden", None, 5_000, "eur"))
        world.advance(10)
        first = walked(stripe)
        world.advance(3_600)
        second = list(stripe.pages(stripe.feeds[0], Window(first[-1].cursor), None))  # type: ignore[arg-type]
        hidden = world.charges.get(world.known("hidden")).balance_transaction
        assert hidden not in movements(first)
        assert hidden in movements(second)


def test_an_event_of_an_older_version_is_a_hint_and_its_object_is_asked_for() -> None:
    world = World("tidy")
    with opened(world) as (stripe, _, _):
        calm = {(one.type, one.id): one.body for one in _objects(walked(stripe, "events"))}
    with opened(world) as (stripe, switch, _):
        switch("mixed_versions")
        pages = walked(stripe, "events")
        versions = {one.body["api_version"] for one in records(pages, "event")}
        mixed = {(one.type, one.id): one.body for one in _objects(pages)}
    assert versions == {"2023-08-16", "2026-10-28.endive"}
    assert mixed.keys() == calm.keys()
    assert not [key for key, body in mixed.items() if "current_period_end" in body or "paid_out_of_band" in body]


def _objects(pages: list[Page]) -> list[Raw]:
    return [one for page in pages for one in page.records if one.type != "event"]


def test_an_answer_that_drips_is_given_up_as_a_whole_and_asked_for_again() -> None:
    """A minute is all that one answer may take; the clock of this test makes five seconds of each look at it."""
    world = World("tidy")
    with opened(world, ticks=5.0) as (stripe, switch, meter):
        switch("drip", seconds=0.4)
        assert set(movements(walked(stripe))) == truth(world)
        assert meter.total().retries == 1


def test_when_the_row_to_go_on_from_is_gone_nobody_else_is_lost() -> None:
    world = World("bulk", charges=600)
    everybody = {row.id for row in world.customers.rows}
    with opened(world) as (stripe, switch, _):
        switch("object_deleted")
        found = {one.id for one in records(walked(stripe, "customers"), "customer")}
    assert len(world.customers.gone) == 1
    assert found == everybody


def test_what_was_edited_between_two_pages_comes_with_its_event() -> None:
    world = World("bulk", charges=600)
    with opened(world) as (stripe, switch, _):
        switch("object_edited")
        listed = records(walked(stripe, "customers"), "customer")
        told = records(walked(stripe, "billing_events", world.clock - 1), "customer")
    (edited,) = [one for one in told if one.body["email"] == "edited@example.com"]
    (stale,) = [one for one in listed if one.id == edited.id]
    assert stale.body["email"] != edited.body["email"]
    assert edited.as_of >= stale.as_of


def test_the_lists_that_make_up_for_forgotten_events_show_what_those_told() -> None:
    world = World("tidy")
    world.act(do.UpdateCustomer(world.clock, "choir", email="new@choir.example.org"))
    world.advance(9 * 86_400)
    with opened(world) as (stripe, switch, _):
        switch("event_retention", days=7)
        feeds = {one.name: one for one in stripe.feeds}
        told = {one.id for one in records(walked(stripe, "billing_events"), "customer")}
        listed = {one.id: one.body["email"] for one in records(walked(stripe, "customers"), "customer")}
    choir = world.known("choir")
    assert choir not in told
    assert listed[choir] == "new@choir.example.org"
    assert feeds[feeds["customers"].fills].retention is not None


def test_a_card_number_in_an_id_is_never_progress() -> None:
    world = World("bulk", charges=150)
    with opened(world) as (stripe, switch, _):
        switch("card_in_id")
        pages = walked(stripe)
        assert not [page for page in pages if page.resume and "4242424242424242" in page.resume]
        assert len(movements(pages)) == len(world.ledger.movements)
