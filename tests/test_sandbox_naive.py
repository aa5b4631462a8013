"""Why each misfortune is there: what a plain loop over the API makes of it, and what would have been right.

The plain loop is what anybody writes in an afternoon: `requests.get`, `.json()`, `starting_after`, `has_more`. Each test shows
it going wrong: it crashes, loses, doubles, believes a wrong number, never ends, waits for ever or fills the memory.
"""

from __future__ import annotations

import tracemalloc
import unicodedata
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
import requests

from syncjob.sandbox.actions import IssueStripeInvoice, NewCustomer, Pay, UpdateCustomer
from syncjob.sandbox.quirks import TIMES
from syncjob.sandbox.stripe import SECRET_KEY, running
from syncjob.sandbox.world import World

PAGES_MAX = 200  # of a list of fifty rows: a loop that comes this far never ends
MEGABYTE = 1_048_576
SHOWN: set[str] = set()


class Endless(Exception):
    """The loop would still be running."""


class Naive:
    """The plain loop."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session = url, session
        self.timeout: float | None = None

    def get(self, path: str, **params: object) -> Any:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        return self.session.get(self.url + path, params=params, headers=headers, timeout=self.timeout).json()  # type: ignore[arg-type]

    def rows(self, path: str, **params: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            page = self.get(path, **{"limit": 10, **params})
            rows += page["data"]
            if not page["has_more"]:
                return rows
            params["starting_after"] = rows[-1]["id"]
        raise Endless

    def quirk(self, name: str, **details: object) -> None:
        """Switch a misfortune on (the one thing here that no real client can do)."""
        answer = self.session.post(self.url + "/_sandbox/quirks", json={"name": name, **details}, timeout=10)
        assert answer.status_code == 200, answer.text


@pytest.fixture(name="world")
def _world() -> World:
    return World("tidy")


@pytest.fixture(name="naive")
def _naive(world: World) -> Iterator[Naive]:
    with running(world) as url, requests.Session() as session:
        session.trust_env = False
        yield Naive(url, session)


def shows(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which misfortunes a test is about, so that none is left without one."""
    SHOWN.update(names)
    return lambda test: test


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def truth(shelf: Any) -> list[str]:
    return [row.id for place, row in enumerate(shelf.rows) if place not in shelf.gone][::-1]


def test_without_misfortunes_the_plain_loop_is_right(naive: Naive, world: World) -> None:
    assert ids(naive.rows("/v1/charges")) == truth(world.charges)
    assert ids(naive.rows("/v1/customers")) == truth(world.customers)


# --- answers that are none


@shows("429", "500")
@pytest.mark.parametrize("name", ["429", "500"])
def test_it_takes_an_error_for_a_page(naive: Naive, name: str) -> None:
    """Right: wait and ask again; the error's body has no `data`."""
    naive.quirk(name, path="/v1/charges")
    with pytest.raises(KeyError, match="data"):
        naive.rows("/v1/charges")


@shows("reset")
def test_it_dies_when_the_connection_breaks(naive: Naive) -> None:
    """Right: a read that broke off is read again."""
    naive.quirk("reset")
    with pytest.raises(requests.RequestException):
        naive.rows("/v1/charges", limit=100)


@shows("truncated", "malformed_json")
@pytest.mark.parametrize("quirk", [{"name": "truncated"}, {"name": "malformed_json"}])
def test_it_dies_of_json_that_is_none(naive: Naive, quirk: dict[str, str]) -> None:
    """Right: an answer that cannot be read is no answer, and is asked for again."""
    naive.quirk(**quirk)
    with pytest.raises(requests.JSONDecodeError):
        naive.rows("/v1/charges")


def test_it_believes_the_second_of_two_amounts(naive: Naive, world: World) -> None:
    """Right: an object that says two things under one name says nothing."""
    naive.quirk("malformed_json", how="duplicate_key")
    newest = naive.rows("/v1/charges")[0]
    assert newest["amount"] == 100 * world.charges.rows[-1].amount


def test_it_takes_not_a_number_for_an_amount(naive: Naive) -> None:
    """Right: JSON has no NaN; a sum with it in is no sum any more."""
    naive.quirk("malformed_json", how="not_a_number")
    try:
        total = sum(row["amount"] for row in naive.rows("/v1/charges"))
    except requests.JSONDecodeError:
        return  # `requests` reads with whichever library is there: one of them dies of it, as of any other bad JSON
    assert total != total


def test_it_reads_on_through_bytes_that_are_no_text(naive: Naive) -> None:
    """Right: what is not UTF-8 is not JSON, and nobody knows what else was damaged on the way."""
    naive.quirk("malformed_json", how="not_utf8")
    assert naive.rows("/v1/charges", limit=100)


def test_it_falls_into_a_pit_of_brackets(naive: Naive) -> None:
    """Right: a bound on how deep an answer may go."""
    naive.quirk("malformed_json", how="too_deep")
    with pytest.raises(RecursionError):
        naive.rows("/v1/charges")


@shows("wrong_content_type")
def test_it_garbles_names_when_the_header_says_html(naive: Naive, world: World) -> None:
    """Right: JSON is UTF-8 and says so in its header; anything else came from somebody else."""
    world.act(NewCustomer(world.clock, "cafe", "Café Beispiel", "kasse@cafe.example.com"))
    naive.quirk("wrong_content_type", path="/v1/customers")
    (name,) = {row["name"] for row in naive.rows("/v1/customers") if row["email"] == "kasse@cafe.example.com"}
    assert name != "Café Beispiel"
    assert name.encode("latin-1").decode() == "Café Beispiel"


def test_it_dies_of_a_login_page_of_the_network(naive: Naive) -> None:
    """Right: say that a proxy answered, and where to look."""
    naive.quirk("wrong_content_type", how="login_page")
    with pytest.raises(requests.JSONDecodeError):
        naive.rows("/v1/charges")


# --- answers that are too much


def peak(doing: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        doing()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@shows("oversized")
def test_it_takes_in_whatever_is_sent(naive: Naive) -> None:
    """Right: a bound on the bytes of an answer; a page of a hundred rows has some hundred kilobytes."""
    naive.quirk("oversized", megabytes=24)
    assert peak(lambda: naive.rows("/v1/charges", limit=100)) > 24 * MEGABYTE


@shows("gzip_bomb")
def test_a_few_kilobytes_fill_its_memory(naive: Naive) -> None:
    """Right: a bound on what comes out of the packing, too, and not only on what came over the wire."""
    naive.quirk("gzip_bomb", megabytes=24)
    answers: list[int] = []
    naive.session.hooks["response"].append(lambda it, **_: answers.append(int(it.headers["Content-Length"])))
    assert peak(lambda: naive.rows("/v1/charges", limit=100)) > 24 * MEGABYTE
    assert answers[0] < 100_000


@shows("endless")
@pytest.mark.parametrize("how", ["repeat", "empty"])
def test_it_never_ends_when_there_is_always_more(naive: Naive, how: str) -> None:
    """Right: a page that brings nothing new is an error of the list, not a reason to go on."""
    naive.quirk("endless", how=how)
    with pytest.raises(Endless):
        naive.rows("/v1/charges")


# --- answers that take their time


@shows("timeout")
def test_without_a_limit_it_waits_as_long_as_it_takes(naive: Naive) -> None:
    """Right: a limit on each answer, and the same question again."""
    naive.quirk("timeout", seconds=0.4)
    began = monotonic()
    naive.rows("/v1/charges", limit=100)
    assert monotonic() - began >= 0.4


@shows("drip")
def test_its_limit_never_strikes_while_something_drips(naive: Naive) -> None:
    """Right: a limit on the whole answer; `timeout=` only bounds the wait for the next drop."""
    naive.timeout = 0.25
    naive.quirk("drip", seconds=0.8)
    began = monotonic()
    naive.rows("/v1/charges", limit=100)
    assert monotonic() - began > 2 * naive.timeout


@shows("slow")
def test_a_night_of_slow_answers_has_no_end_in_sight_for_it(naive: Naive) -> None:
    """Right: a limit on the whole run, after which the next one goes on where this one stopped."""
    naive.quirk("slow", ms=60)
    naive.timeout = 0.5
    began = monotonic()
    pages = len(naive.rows("/v1/charges")) / 10
    assert monotonic() - began >= 0.06 * pages


# --- lists that move


@shows("duplicate_rows")
def test_it_counts_a_row_twice_that_came_twice(naive: Naive, world: World) -> None:
    """Right: a row is known by its id."""
    naive.quirk("duplicate_rows")
    rows = naive.rows("/v1/charges")
    assert len(rows) > len(world.charges) == len(set(ids(rows)))
    assert sum(row["amount"] for row in rows) > sum(row.amount for row in world.charges.rows)


def poll(naive: Naive, path: str, since: int) -> tuple[list[dict[str, Any]], int]:
    """What everybody does first: ask for what is newer than the newest that was seen."""
    rows = naive.rows(path, **{"created[gt]": since})
    return rows, max((row["created"] for row in rows), default=since)


@shows("late_rows")
def test_what_was_hidden_for_a_minute_is_lost_to_it_for_ever(naive: Naive, world: World) -> None:
    """Right: read no further than what has settled, or read the last minutes again each time."""
    naive.quirk("late_rows", seconds=60, path="/v1/charges")
    world.act(Pay(world.clock, "hidden", None, 5_000, "eur"))
    world.advance(10)
    asked_at = world.clock
    before = naive.rows("/v1/charges")
    world.advance(3_600)
    after = naive.rows("/v1/charges", **{"created[gte]": asked_at})  # whatever is new since it last asked
    hidden = world.known("hidden")
    assert hidden not in ids(before) + ids(after)
    assert hidden in ids(naive.rows("/v1/charges"))


@shows("same_second")
def test_what_came_in_the_second_that_it_had_just_read_is_lost_to_it(naive: Naive, world: World) -> None:
    """Right: ask for that second again and know rows by their ids; `gt` loses them, and `gte` alone counts others twice."""
    start = world.clock
    naive.quirk("same_second", count=25)
    first, newest = poll(naive, "/v1/charges", start - 1)
    second, _ = poll(naive, "/v1/charges", newest)
    in_that_second = [row.id for row in world.charges.rows if row.created == start]
    assert len(in_that_second) == 50
    assert len(first) + len(second) == 25
    again = naive.rows("/v1/charges", **{"created[gte]": newest})
    assert len(first) + len(again) == 75
    assert set(ids(first) + ids(again)) == set(in_that_second)


@shows("object_edited")
def test_it_keeps_what_was_edited_behind_its_back(naive: Naive, world: World) -> None:
    """Right: the list says what is; only the events say what has changed, and they are to be read after it."""
    naive.quirk("object_edited", path="/v1/customers")
    rows = naive.rows("/v1/customers")
    stale = [row for row in rows if row["email"] != world.customers.get(row["id"]).email]
    assert len(stale) == 1
    told = naive.rows("/v1/events", type="customer.updated", limit=1)[0]
    assert told["data"]["object"] == {**stale[0], "email": "edited@example.com"}


@shows("object_deleted")
@pytest.mark.parametrize("path", ["/v1/customers", "/v1/invoices"])
def test_it_dies_when_the_row_to_go_on_from_is_gone(naive: Naive, world: World, path: str) -> None:
    """Right: the window is read again from its top, or from the last row that is still there."""
    for number in range(14):
        world.act(IssueStripeInvoice(world.clock, "", "choir", "eur", 100 + number, "", "Goods", draft=True))
    naive.quirk("object_deleted", path=path)
    with pytest.raises(KeyError, match="data"):
        naive.rows(path)
    assert ids(naive.rows(path)) == truth(world.customers if path == "/v1/customers" else world.invoices)


# --- news


@shows("event_retention")
def test_after_a_long_holiday_it_never_hears_of_what_was_forgotten(naive: Naive, world: World) -> None:
    """Right: know how long the feed remembers, and make up for the gap from the lists."""
    _, newest = poll(naive, "/v1/events", 0)
    world.act(UpdateCustomer(world.clock, "choir", email="new@choir.example.org"))
    world.advance(9 * 86_400)
    naive.quirk("event_retention", days=7)
    news, _ = poll(naive, "/v1/events", newest)
    assert news
    assert "customer.updated" not in {event["type"] for event in news}
    changed = next(row for row in naive.rows("/v1/customers") if row["email"] == "new@choir.example.org")
    assert changed["id"] == world.known("choir")


@shows("mixed_versions")
def test_it_finds_old_and_new_objects_in_one_feed_and_understands_only_one_kind(naive: Naive) -> None:
    """Right: look at `api_version`, and ask for the object itself where it is another one than ours."""

    def period_end(event: dict[str, Any]) -> object:
        return event["data"]["object"]["items"]["data"][0]["current_period_end"]

    def of_subscription(event: dict[str, Any]) -> object:
        return event["data"]["object"]["parent"]

    world_of = {"customer.subscription.*": period_end, "invoice.*": of_subscription}
    naive.quirk("mixed_versions")
    versions = {event["api_version"] for event in naive.rows("/v1/events", limit=100)}
    assert versions == {"2023-08-16", "2026-10-28.endive"}
    broken = 0
    for kinds, understand in world_of.items():
        for event in naive.rows("/v1/events", type=kinds):
            if event["api_version"] == "2023-08-16":
                with pytest.raises(KeyError):
                    understand(event)
                broken += 1
            else:
                understand(event)
    assert broken >= 2


# --- numbers that nobody should keep


@shows("card_numbers")
def test_it_writes_down_card_numbers_that_people_typed(naive: Naive) -> None:
    """Right: redact before the first write."""
    naive.quirk("card_numbers")
    kept = unicodedata.normalize("NFKC", repr(naive.rows("/v1/charges")))
    assert "4242 4242 4242 4242" in kept
    assert "4242424242424242" in kept


@shows("card_in_id")
def test_it_keeps_a_card_number_as_its_cursor(naive: Naive) -> None:
    """Right: a cursor is written down, so it is never an id that holds a card number."""
    naive.quirk("card_in_id")
    assert naive.rows("/v1/balance_transactions", limit=1)[0]["id"] == "txn_4242424242424242"


# --- and none is forgotten


def test_every_misfortune_is_shown_by_a_test() -> None:
    assert set(TIMES) == SHOWN
