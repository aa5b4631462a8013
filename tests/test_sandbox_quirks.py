"""Misfortunes on demand: what each does to an answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from sandbox_wire import Wire, wired

from syncjob.sandbox.world import World


@pytest.fixture(name="wire")
def _wire() -> Iterator[Wire]:
    with wired(World("tidy")) as wire:
        yield wire


def test_too_many_requests_with_and_without_a_time_to_wait(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="429", retry_after=3, path="/v1/charges")
    wire.post("/_sandbox/quirks", name="500", times=2, path="/v1/events")
    status, headers, body = wire.ask("GET", "/v1/charges")
    assert (status, headers["Retry-After"], json.loads(body)["error"]["code"]) == (429, "3", "rate_limit")
    assert wire.ask("GET", "/v1/charges")[0] == 200
    assert [wire.ask("GET", "/v1/events")[0] for _ in range(3)] == [500, 500, 200]
    wire.post("/_sandbox/quirks", name="429", times=None)
    assert "Retry-After" not in wire.ask("GET", "/v1/charges")[1]
    wire.ask("DELETE", "/_sandbox/quirks")
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_a_cut_answer_is_no_json(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="truncated")
    status, headers, body = wire.ask("GET", "/v1/charges")
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_a_connection_breaks_in_the_middle_of_a_body(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="reset")
    with pytest.raises(ConnectionResetError):
        wire.ask("GET", "/v1/charges?limit=100")
    wire.connection.close()
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_an_answer_can_come_too_late(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="timeout", seconds=0.3)
    wire.connection.close()
    wire.connection.timeout = 0.05
    with pytest.raises(TimeoutError):
        wire.ask("GET", "/v1/charges")
    wire.connection.close()
    wire.connection.timeout = 10
    assert wire.ask("GET", "/v1/charges")[0] == 200


def test_the_last_row_of_a_page_can_come_again(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="duplicate_rows")
    first = wire.ids("/v1/charges", limit=5)
    second = wire.ids("/v1/charges", limit=5, starting_after=first[-1])
    assert second[0] == first[-1]
    assert len(wire.ids("/v1/charges", limit=1, starting_after=first[-1])) == 2
    assert len(wire.everything("/v1/charges")) == 45


def test_young_rows_can_stay_out_of_sight_for_a_while(wire: Wire) -> None:
    wire.post("/_sandbox/act", action="charge", amount=100, currency="eur")
    wire.post("/_sandbox/quirks", name="late_rows", seconds=60, path="/v1/events")
    seen = wire.ids("/v1/events", limit=1)
    wire.post("/_sandbox/advance", seconds=59)
    assert wire.ids("/v1/events", limit=1) == seen
    wire.post("/_sandbox/advance", seconds=1)
    assert wire.ids("/v1/events", limit=1) != seen


def test_people_type_card_numbers_into_everything(wire: Wire) -> None:
    clean = wire.ask("GET", "/v1/charges?limit=100")[2]
    wire.post("/_sandbox/quirks", name="card_numbers")
    text = wire.ask("GET", "/v1/charges?limit=100")[2].decode()
    events = wire.ask("GET", "/v1/events?limit=100&type=charge.*")[2].decode()
    for sign in ("4242 4242 4242 4242", "4242-4242-4242-4242", "\uff14\uff12" * 8, '\\"number\\": \\"4242424242424242'):
        assert sign in text
        assert sign in events
    wire.ask("DELETE", "/_sandbox/quirks")
    assert wire.ask("GET", "/v1/charges?limit=100")[2] == clean


def test_a_card_number_can_stand_in_an_id(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="card_in_id")
    assert wire.ids("/v1/balance_transactions", limit=1) == ["txn_4242424242424242"]
    assert wire.ask("POST", "/_sandbox/quirks", {"name": "gremlins"})[0] == 400
    assert wire.ask("POST", "/_sandbox/quirks", {"name": "429", "colour": 1})[0] == 400


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "endless", "how": "sideways"},
        {"name": "malformed_json", "how": 1},
        {"name": "oversized", "megabytes": 5_000},
        {"name": "gzip_bomb", "megabytes": -1},
        {"name": "event_retention", "days": 1.5},
        {"name": "same_second", "count": True},
        {"name": "drip", "megabytes": 1},
    ],
)
def test_a_misfortune_that_nobody_understands_is_refused(wire: Wire, wish: dict[str, object]) -> None:
    status, _, body = wire.ask("POST", "/_sandbox/quirks", wish)
    assert (status, wish["name"] in json.loads(body)["error"]) == (400, True)


def test_when_misfortunes_end_everything_is_as_it_was(wire: Wire) -> None:
    calm = [wire.ask("GET", f"/v1/{path}?limit=100")[2] for path in ("events", "charges", "customers")]
    for quirk in ({"name": "event_retention", "days": 1}, {"name": "mixed_versions"}, {"name": "card_numbers"}):
        wire.post("/_sandbox/quirks", **quirk)
    wire.post("/_sandbox/quirks", name="endless", path="/v1/customers")
    rough = [wire.ask("GET", f"/v1/{path}?limit=100")[2] for path in ("events", "charges", "customers")]
    assert not set(calm) & set(rough)
    wire.ask("DELETE", "/_sandbox/quirks")
    assert [wire.ask("GET", f"/v1/{path}?limit=100")[2] for path in ("events", "charges", "customers")] == calm


def test_a_misfortune_strikes_as_often_as_it_was_told(wire: Wire) -> None:
    wire.post("/_sandbox/quirks", name="wrong_content_type", times=2, path="/v1/charges")
    types = [wire.ask("GET", path)[1]["Content-Type"] for path in ("/v1/events", *("/v1/charges",) * 3)]
    assert types == ["application/json", "text/html", "text/html", "application/json"]


def test_what_is_too_long_or_packed_to_burst_is_still_the_right_answer(wire: Wire) -> None:
    """So a client that has no bound gets what it asked for, and only its memory suffers."""
    right = wire.get("/v1/charges")
    wire.post("/_sandbox/quirks", name="oversized", megabytes=2)
    status, headers, body = wire.ask("GET", "/v1/charges")
    assert (status, int(headers["Content-Length"]), len(body) > 2 * 1_048_576) == (200, len(body), True)
    assert {name: value for name, value in json.loads(body).items() if name != "padding"} == right
    wire.post("/_sandbox/quirks", name="gzip_bomb", megabytes=8)
    status, headers, packed = wire.ask("GET", "/v1/charges")
    assert (headers["Content-Encoding"], len(packed) < 50_000) == ("gzip", True)
    assert {name: value for name, value in json.loads(gzip.decompress(packed)).items() if name != "padding"} == right


def test_events_are_forgotten_as_early_as_a_test_wishes(wire: Wire) -> None:
    oldest = wire.everything("/v1/events")[-1]["id"]
    wire.post("/_sandbox/quirks", name="event_retention", days=2)
    clock = wire.get("/_sandbox/clock")["clock"]
    kept = wire.everything("/v1/events")
    assert 0 < len(kept) < 20
    assert min(event["created"] for event in kept) >= clock - 2 * 86_400
    assert wire.ask("GET", f"/v1/events/{oldest}")[0] == 404
    assert wire.ask("GET", f"/v1/events?starting_after={oldest}")[0] == 400


def test_an_event_of_the_old_version_names_what_is_no_longer_named() -> None:
    with wired(World("whole")) as wire:
        wire.post("/_sandbox/quirks", name="mixed_versions")
        old = [event["data"]["object"] for event in wire.everything("/v1/events") if event["api_version"] == "2023-08-16"]
        again = [event for event in wire.everything("/v1/events") if event["api_version"] == "2023-08-16"]
    kinds = {row["object"] for row in old}
    assert {"charge", "invoice", "subscription", "payment_intent", "credit_note"} <= kinds
    assert len(old) == len(again)
    for row in old:
        if row["object"] == "invoice":
            assert ("parent" in row, row["paid"], "subscription" in row) == (False, row["status"] == "paid", True)
        if row["object"] == "subscription":
            assert row["current_period_end"] > row["current_period_start"]
            assert "current_period_end" not in row["items"]["data"][0]
    assert {row["paid"] for row in old if row["object"] == "invoice"} == {True, False}
    assert [row["charge"] for row in old if row["object"] == "invoice" and row["paid"] and row["payment_intent"]]
    assert [row["invoice"] for row in old if row["object"] == "charge" and row["invoice"]]
