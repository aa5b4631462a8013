"""Stripe: what a walk brings, and what it refuses to believe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
from stripe_vendor import (
    LONG_AGO,
    NOON,
    NOON_SECONDS,
    URL,
    Body,
    answers,
    charge,
    gone,
    listed,
    opened,
    records,
    transaction,
    walked,
)

from syncjob.errors import ConnectorDown
from syncjob.gateways.stripe import VERSION
from syncjob.model import Raw
from syncjob.moment import Window, from_seconds
from syncjob.ports import Page


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


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
