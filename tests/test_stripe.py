"""Stripe: what a walk brings, how it survives what goes wrong on the way, and what it refuses to believe."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from responses.matchers import query_param_matcher

from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, RecordRefused
from syncjob.gateways.stripe import EVENTS, SETTINGS, VERSION, Stripe, connect
from syncjob.http import Http, Meter
from syncjob.landing import land
from syncjob.mapping import load_gateway
from syncjob.model import Raw, canonical
from syncjob.moment import Window, from_seconds
from syncjob.money import Money
from syncjob.ports import Balance, Balances, Feed, Identity, Options, Page
from syncjob.redact import Secret, has_card
from syncjob.sandbox import actions as do
from syncjob.sandbox.stripe import LIMITED_KEY, RESTRICTED_KEY, running
from syncjob.sandbox.world import World

URL = "https://api.stripe.com"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
NOON_SECONDS = int(NOON.timestamp())
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TEST_KEY = "rk_" + "test_Example"
Body = dict[str, Any]


def opened(key: str = TEST_KEY, meter: Meter | None = None, **settings: str) -> Stripe:
    http = Http(
        URL, sleep=lambda _: None, monotonic=lambda: 0.0, now=lambda: NOON, random=lambda: 0.0, meter=meter or Meter()
    )
    return connect(Options("shop", Path("."), settings, Secret(key)), http)


def walked(stripe: Stripe, feed: str, window: Window | None = None, resume: str | None = None) -> list[Page]:
    return list(stripe.pages(feed_of(stripe, feed), window or Window(LONG_AGO), resume))


def feed_of(stripe: Stripe, name: str) -> Feed:
    return next(feed for feed in stripe.feeds if feed.name == name)


def records(pages: Sequence[Page], type: str | None = None) -> list[Raw]:
    return [one for page in pages for one in page.records if type in (None, one.type)]


# ---------------------------------------------------------------- a scripted Stripe


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def transaction(number: int, source: object = None, created: int = NOON_SECONDS - 600, **more: object) -> Body:
    row = {"id": f"txn_{number}", "object": "balance_transaction", "created": created, "source": source, "amount": 100}
    return {**row, **more}


def charge(number: int, **more: object) -> Body:
    body = {"id": f"ch_{number}", "object": "charge", "created": NOON_SECONDS - 700, "livemode": False}
    return {**body, "payment_intent": f"pi_{number}", **more}


def event(number: int, shown: Body, type: str = "charge.updated", version: str = VERSION) -> Body:
    data = {"object": shown, "previous_attributes": {"description": "old"}}
    row = {"id": f"evt_{number}", "object": "event", "type": type, "created": NOON_SECONDS - 300, "data": data}
    return {**row, "api_version": version, "livemode": False}


def listed(*rows: Body, more: bool = False) -> Body:
    return {"object": "list", "data": list(rows), "has_more": more, "url": "/v1/x"}


def answers(
    vendor: responses.RequestsMock,
    path: str,
    body: Body,
    status: int = 200,
    asked: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    matchers = [query_param_matcher(dict(asked), strict_match=False)] if asked is not None else []
    vendor.add(
        responses.GET,
        f"{URL}{path}",
        json=body,
        status=status,
        headers={"Date": "Tue, 03 Nov 2026 12:00:00 GMT", "Stripe-Version": VERSION, **(headers or {})},
        match=matchers,
    )


def gone(id: str) -> Body:
    error = {"code": "resource_missing", "message": f"No such object: '{id}'", "param": "starting_after"}
    return {"error": {**error, "type": "invalid_request_error"}}


def test_a_movement_and_the_object_behind_it_come_as_two_records_of_one_subject(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1, charge(1))))
    (page,) = walked(opened(), "balance_transactions")
    movement, origin = page.records
    assert (movement.type, movement.id, movement.subject) == ("balance_transaction", "txn_1", "payment:pi_1")
    assert movement.body == transaction(1, "ch_1")
    assert (movement.occurred, movement.as_of) == (from_seconds(NOON_SECONDS - 600), NOON)
    assert origin == Raw("charge", "ch_1", from_seconds(NOON_SECONDS - 700), NOON, "payment:pi_1", charge(1))
    assert page.resume is None
    assert page.cursor == page.ceiling == NOON - timedelta(seconds=60)
    url = str(vendor.calls[0].request.url)
    assert "created%5Bgte%5D=1577836800" in url
    assert "expand%5B%5D=data.source" in url
    assert "limit=100" in url
    assert vendor.calls[0].request.headers["Stripe-Version"] == VERSION


@pytest.mark.parametrize(
    ("shown", "subject"),
    [
        ({"object": "charge", "id": "py_1", "payment_intent": None}, "payment:py_1"),
        ({"object": "charge", "id": "ch_1", "payment_intent": {"id": "pi_9"}}, "payment:pi_9"),
        ({"object": "refund", "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"}, "payment:pi_1"),
        ({"object": "refund", "id": "re_1", "payment_intent": None, "charge": "ch_1"}, "payment:ch_1"),
        ({"object": "dispute", "id": "du_1", "payment_intent": None, "charge": {"id": "ch_1"}}, "payment:ch_1"),
        ({"object": "payout", "id": "po_1"}, "payout:po_1"),
        ({"object": "topup", "id": "tu_1"}, "topup:tu_1"),
        ({"object": "transfer", "id": "tr_1"}, "transfer:tr_1"),
    ],
)
def test_a_movement_belongs_to_what_its_source_is_about(vendor: responses.RequestsMock, shown: Body, subject: str) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1, shown)))
    assert {one.subject for one in records(walked(opened(), "balance_transactions"))} == {subject}


def test_a_movement_without_a_source_is_a_subject_of_its_own(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1, None), transaction(2, "unseen_1")))
    found = records(walked(opened(), "balance_transactions"))
    assert [one.subject for one in found] == ["fee:txn_1", "balance_transaction:txn_2"]


def test_pages_follow_each_other_and_only_the_last_one_carries_the_cursor(vendor: responses.RequestsMock) -> None:
    path = "/v1/balance_transactions"
    answers(vendor, path, listed(transaction(3), transaction(2), more=True))
    later = {"Date": "Tue, 03 Nov 2026 13:00:00 GMT"}
    answers(vendor, path, listed(transaction(1)), asked={"starting_after": "txn_2"}, headers=later)
    first, last = walked(opened(), "balance_transactions")
    assert first.cursor is None
    assert json.loads(first.resume or "") == {"after": "txn_2", "ceiling": NOON_SECONDS - 60}
    assert last.cursor == first.ceiling == last.ceiling == NOON - timedelta(seconds=60)  # fixed by the first answer
    assert last.seen_at == NOON + timedelta(hours=1)


def test_a_killed_walk_goes_on_where_it_was_with_its_old_ceiling(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1)), asked={"starting_after": "txn_2"})
    resume = json.dumps({"after": "txn_2", "ceiling": NOON_SECONDS - 9999})
    (page,) = walked(opened(), "balance_transactions", resume=resume)
    assert page.cursor == NOON - timedelta(seconds=9999)


@pytest.mark.parametrize("resume", ["", "{}", "[]", "nonsense", '{"after": 1, "ceiling": 2}', '{"after": "txn_1"}'])
def test_progress_that_cannot_be_read_means_from_the_top(vendor: responses.RequestsMock, resume: str) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1)))
    (page,) = walked(opened(), "balance_transactions", resume=resume)
    assert page.cursor == NOON - timedelta(seconds=60)
    assert "starting_after" not in str(vendor.calls[0].request.url)


def test_a_window_with_an_end_asks_for_no_more_and_promises_no_more_than_has_settled(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(), asked={"created[lt]": str(NOON_SECONDS - 86_400)})
    (page,) = walked(opened(), "balance_transactions", Window(LONG_AGO, NOON - timedelta(days=1)))
    assert page.cursor == NOON - timedelta(days=1)
    answers(vendor, "/v1/balance_transactions", listed(), asked={"created[lt]": str(NOON_SECONDS + 86_400)})
    (page,) = walked(opened(), "balance_transactions", Window(LONG_AGO, NOON + timedelta(days=1)))
    assert page.cursor == NOON - timedelta(seconds=60)


def test_rows_above_the_ceiling_are_shown_anyway(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1, created=NOON_SECONDS - 5)))
    assert len(records(walked(opened(), "balance_transactions"))) == 1


def test_when_the_row_to_go_on_after_is_gone_the_window_is_read_from_its_top(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", gone("txn_9"), 400, asked={"starting_after": "txn_9"})
    answers(vendor, "/v1/balance_transactions", listed(transaction(1)))
    resume = json.dumps({"after": "txn_9", "ceiling": NOON_SECONDS - 9999})
    (page,) = walked(opened(), "balance_transactions", resume=resume)
    assert [one.id for one in page.records] == ["txn_1"]
    assert page.cursor == NOON - timedelta(seconds=9999)


def test_a_row_that_vanishes_again_and_again_ends_the_walk(vendor: responses.RequestsMock) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        if "starting_after" in request.url:
            return 400, {}, json.dumps(gone("txn_1"))
        return 200, {}, json.dumps(listed(transaction(1), more=True))

    vendor.add_callback(responses.GET, f"{URL}/v1/balance_transactions", answer, content_type="application/json")
    with pytest.raises(ConnectorDown, match="vanished 4 times"):
        walked(opened(), "balance_transactions")


def test_a_list_that_is_refused_says_why(vendor: responses.RequestsMock) -> None:
    error = {"message": "Array types exceeded maximum 20 allowed elements.", "type": "invalid_request_error"}
    answers(vendor, "/v1/events", {"error": error}, 400)
    with pytest.raises(ConnectorDown, match="shop: Stripe refuses to list events: Array types exceeded"):
        walked(opened(), "events")


@pytest.mark.parametrize(
    "pages",
    [
        [listed(more=True)],
        [listed(transaction(1), more=True), listed(transaction(1), more=True)],
        [listed(transaction(2), transaction(1), more=True), listed(transaction(1), transaction(2), more=True)],
        [listed(transaction(n), more=True) for n in (1, 2, 1)],
    ],
    ids=["nothing, and more", "the same page", "the same rows in another order", "round and round"],
)
def test_a_list_without_end_is_left_and_moves_no_cursor(vendor: responses.RequestsMock, pages: list[Body]) -> None:
    for page in pages:
        answers(vendor, "/v1/balance_transactions", page)
    stripe = opened()
    seen: list[Page] = []
    with pytest.raises(ConnectorDown, match="goes round in circles"):
        seen.extend(stripe.pages(stripe.feeds[0], Window(LONG_AGO), None))
    assert all(page.cursor is None for page in seen)


def test_a_row_shown_once_more_at_the_top_of_the_next_page_comes_once(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(3), transaction(2), more=True))
    answers(vendor, "/v1/balance_transactions", listed(transaction(2), transaction(1)))
    assert [one.id for one in records(walked(opened(), "balance_transactions"))] == ["txn_3", "txn_2", "txn_1"]


def test_progress_never_stands_on_an_id_that_holds_a_card_number(vendor: responses.RequestsMock) -> None:
    rows = [transaction(2), transaction(4242424242424242)]
    answers(vendor, "/v1/balance_transactions", listed(*rows, more=True))
    answers(vendor, "/v1/balance_transactions", listed(transaction(1)), asked={"starting_after": "txn_4242424242424242"})
    first, _ = walked(opened(), "balance_transactions")
    assert json.loads(first.resume or "")["after"] == "txn_2"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"object": "list", "data": [], "has_more": "no"}, "no list"),
        ({"object": "list", "data": {}, "has_more": False}, "no list"),
        ([], "no list"),
        (listed({"object": "charge"}), "has no id"),
        (listed({"id": "txn_1"}), "without its kind"),
        (listed(transaction(1, charge(1, livemode=True))), "charge ch_1 has livemode True, but the key is a test key"),
    ],
)
def test_what_is_no_list_of_ours_is_not_believed(vendor: responses.RequestsMock, body: Body, sentence: str) -> None:
    answers(vendor, "/v1/balance_transactions", body)
    with pytest.raises(ConnectorDown, match=sentence):
        walked(opened(), "balance_transactions")


def test_an_answer_in_another_api_version_is_not_believed(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(), headers={"Stripe-Version": "2019-01-01"})
    with pytest.raises(ConnectorDown, match="API version 2019-01-01"):
        walked(opened(), "balance_transactions")


def test_an_odd_time_in_one_row_does_not_stop_the_page(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/balance_transactions", listed(transaction(1, charge(1, created="yesterday")), transaction(2)))
    assert [one.id for one in records(walked(opened(), "balance_transactions"))] == ["txn_1", "ch_1", "txn_2"]


# ---------------------------------------------------------------- events


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
    names = re.findall(r"types%5B%5D=([a-z_.]+)", str(vendor.calls[0].request.url))
    assert tuple(names) == EVENTS
    assert len(names) <= 20


def test_of_several_events_about_one_object_the_newest_shows_it(vendor: responses.RequestsMock) -> None:
    new, old = charge(1, description="new"), charge(1, description="old")
    answers(vendor, "/v1/events", listed(event(3, new), event(2, old), more=True))
    answers(vendor, "/v1/events", listed(event(1, charge(1, description="older"))))
    pages = walked(opened(), "events")
    assert [one.body["description"] for one in records(pages, "charge")] == ["new"]
    assert len(records(pages, "event")) == 3


def test_an_event_in_another_api_version_is_a_hint_to_read_its_object_again(vendor: responses.RequestsMock) -> None:
    old = charge(1, invoice="in_1")
    answers(vendor, "/v1/events", listed(event(2, old, version="2023-08-16"), event(1, old, version="2023-08-16")))
    answers(vendor, "/v1/charges/ch_1", charge(1))
    (shown,) = records(walked(opened(), "events"), "charge")
    assert shown.body == charge(1)
    assert shown.as_of == NOON
    assert len(vendor.calls) == 2


def test_an_object_that_is_gone_leaves_only_its_event(vendor: responses.RequestsMock) -> None:
    customer = {"id": "cus_1", "object": "customer", "created": 5}
    answers(vendor, "/v1/events", listed(event(1, customer, version="2023-08-16"), event(2, charge(1), version="2023-08-16")))
    answers(vendor, "/v1/customers/cus_1", {"id": "cus_1", "object": "customer", "deleted": True})
    answers(vendor, "/v1/charges/ch_1", gone("ch_1"), 404)
    assert [one.type for one in records(walked(opened(), "events"))] == ["event", "event"]


def test_an_event_about_something_without_an_id_is_passed_over(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, {"object": "invoice", "created": 5})))
    assert records(walked(opened(), "events")) == []


def link(number: int, invoice: object = "in_1") -> Body:
    body = {"id": f"inpay_{number}", "object": "invoice_payment", "created": NOON_SECONDS - 900 - number, "invoice": invoice}
    return {**body, "payment": {"type": "payment_intent", "payment_intent": f"pi_{number}"}}


def test_a_paid_invoice_is_read_with_its_number_as_its_event_has_only_its_id(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(event(1, link(1), "invoice_payment.paid")))
    whole = link(1, {"id": "in_1", "object": "invoice", "number": "INV-1"})
    answers(vendor, "/v1/invoice_payments/inpay_1", whole, asked={"expand[]": "invoice"})
    (shown,) = records(walked(opened(), "events"), "invoice_payment")
    assert shown.body == whole
    assert (shown.subject, shown.as_of) == ("payment:pi_1", NOON)


def test_many_paid_invoices_are_found_in_one_list_and_the_rest_one_by_one(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/events", listed(*(event(n, link(n), "invoice_payment.paid") for n in range(1, 6))))
    bounds = {"created[gte]": str(NOON_SECONDS - 905), "created[lte]": str(NOON_SECONDS - 901), "expand[]": "data.invoice"}
    answers(vendor, "/v1/invoice_payments", listed(link(9), *(link(n, {"id": "in_1"}) for n in range(1, 5))), asked=bounds)
    answers(vendor, "/v1/invoice_payments/inpay_5", link(5, {"id": "in_1"}))
    found = records(walked(opened(), "events"), "invoice_payment")
    assert sorted(one.id for one in found) == [f"inpay_{n}" for n in range(1, 6)]
    assert all(isinstance(one.body["invoice"], dict) for one in found)
    assert len(vendor.calls) == 3


# ---------------------------------------------------------------- account, rights, balance


@pytest.mark.parametrize("key", ["pk_" + "live_x", "whsec_" + "x", "x", "sk_" + "nowhere_x"])
def test_what_is_no_key_is_refused_before_any_request(key: str) -> None:
    with pytest.raises(Misconfigured, match="no secret or restricted key of Stripe") as wrong:
        opened(key)
    assert key not in str(wrong.value)


def test_without_a_key_the_cure_is_named() -> None:
    with pytest.raises(Misconfigured, match="add a line key: env:STRIPE_KEY"):
        connect(Options("shop", Path("."), {}), opened()._http)


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
    vendor.add(responses.GET, re.compile(f"{URL}/v1/.*"), json=listed())
    (problem,) = opened("sk_" + "live_Example").check()
    assert str(problem) == (
        "shop: the key: it is a secret key, which may also move money; "
        "use a restricted key that only reads (docs/connectors/stripe.md lists its rights)"
    )


# ---------------------------------------------------------------- the simulator


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
        events = records(walked(stripe, "events"), "event")
    assert {one.id for one in movements} == {row.id for row in world.ledger.movements.rows}
    assert sum(one.body["net"] for one in movements if one.body["currency"] == "eur") == world.balances()["eur"]  # type: ignore[misc]
    kept = world.clock - 30 * 86_400
    assert {one.id for one in events} == {row.id for row in world.events.rows if row.type in EVENTS and row.created >= kept}


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


def test_the_connector_says_of_its_settings_what_the_configuration_may_hold() -> None:
    assert set(SETTINGS) == {"base_url"}


def test_one_feed_posts_and_the_other_forgets_after_thirty_days() -> None:
    assert [(feed.name, feed.posts, feed.retention) for feed in Stripe.feeds] == [
        ("balance_transactions", True, None),
        ("events", False, timedelta(days=30)),
    ]
