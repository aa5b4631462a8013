"""What every gateway promises, whoever wrote it: nothing is lost, doubled or written, and all money is exact."""

# ruff: noqa: S101 - a test asserts

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncjob.contract import cases
from syncjob.contract.cases import GatewayCase, everything, records
from syncjob.contract.wire import Reply, Request, Silence, Vendor
from syncjob.errors import EXIT_OK, ConnectorDown, RecordRefused, SyncjobError, TryLater
from syncjob.model import Raw, Record, Transaction, canonical
from syncjob.moment import Window, iso
from syncjob.money import Money, totals
from syncjob.ports import Balances, Gateway, Page
from syncjob.posting import post
from syncjob.redact import has_card

CARD = "4242 4242 4242 4242"
STRANGE = "example_mystery"
SIZES = (1, 2, 3, 7)
_ZERO = timedelta(0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each gateway: the one that was named, or all that have examples here."""
    if "gateway" in metafunc.fixturenames:
        found = cases.found(("gateways",), metafunc.config.rootpath, metafunc.config.getoption("connector", None))
        metafunc.parametrize("gateway", found, ids=str, indirect=True)


@pytest.fixture
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> GatewayCase:
    """A gateway with the vendor that its stand-in plays."""
    return GatewayCase(request.param, tmp_path)


# ---------------------------------------------------------------- what it says of itself


def test_a_gateway_explains_itself_and_its_settings(gateway: GatewayCase) -> None:
    """People read its page, and every setting stands there."""
    module, page = gateway.example.module, gateway.example.project / "docs" / "connectors" / f"{gateway.example.name}.md"
    assert module.__doc__
    assert page.exists(), f"write docs/connectors/{page.name}"
    text = page.read_text(encoding="utf-8")
    for name, sentence in module.SETTINGS.items():
        assert sentence.endswith("."), f"{name} is not explained in a sentence"
        assert f"`{name}`" in text, f"docs/connectors/{page.name} does not explain the setting {name}"
    assert set(gateway.stand_in.SETTINGS) <= set(module.SETTINGS)
    for feed in gateway.opened()[0].feeds:
        assert f"`{feed.name}`" in text, f"docs/connectors/{page.name} does not name the feed {feed.name}"


def test_its_feeds_make_sense(gateway: GatewayCase) -> None:
    """A feed re-reads less often than it looks back, and some feed posts."""
    opened, _ = gateway.opened()
    assert opened.name == "example"
    names = [feed.name for feed in opened.feeds]
    assert names
    assert len(set(names)) == len(names)
    assert any(feed.posts for feed in opened.feeds), "no feed posts: money would never arrive"
    for feed in opened.feeds:
        assert feed.settling >= _ZERO
        assert _ZERO <= feed.overlap <= feed.lookback or feed.fills
        assert feed.retention is None or feed.retention > feed.overlap, f"{feed.name} forgets before it is read again"
        assert feed.cap is None or feed.cap > feed.overlap, f"a window of {feed.name} could never move on"
        assert not feed.fills or (feed.fills in names and feed.fills != feed.name), f"{feed.name} fills no feed of ours"
        assert not (feed.fills and feed.posts), f"{feed.name} posts and fills at once"


def test_each_kind_of_movement_is_posted_by_one_feed(gateway: GatewayCase) -> None:
    """Two feeds that both post a payment would book it twice."""
    posted: dict[str, str] = {}
    others: set[str] = set()
    for feed in gateway.opened()[0].feeds:
        found, _ = gateway.meaning(gateway.landed(records(gateway.walk(feed))))
        if not feed.posts:
            others |= found.keys()
            continue
        for kind in {one.kind.value for one in found.values()}:
            assert posted.setdefault(kind, feed.name) == feed.name, f"{kind} is posted by {posted[kind]} and {feed.name}"
    assert posted, "the examples show no movement"
    assert others <= movements(gateway).keys(), "a feed that does not post shows a movement of its own"


# ---------------------------------------------------------------- reading


def test_only_the_last_page_of_a_window_carries_the_cursor(gateway: GatewayCase) -> None:
    """The cursor says that all before it was seen: on an earlier page it would be a lie."""
    for feed in gateway.opened()[0].feeds:
        pages = gateway.walk(feed, rows_per_page=2)
        assert pages
        assert [page.cursor is not None for page in pages] == [False] * (len(pages) - 1) + [True], f"{feed.name}: cursors"
        assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [True], f"{feed.name}: resumes"
        assert len({page.ceiling for page in pages}) == 1, f"{feed.name}: the ceiling moves inside a window"
        assert pages[-1].cursor == pages[-1].ceiling
        for page in pages:
            assert _is_utc(page.seen_at)
            if feed.axis == "time":
                assert isinstance(page.ceiling, datetime)
                assert _is_utc(page.ceiling)
                assert page.ceiling <= page.seen_at - feed.settling, f"{feed.name} promises what has not settled"
    assert any(len(gateway.walk(feed, rows_per_page=2)) > 2 for feed in gateway.opened()[0].feeds), "show at least 5 rows"


def test_a_walk_that_is_cut_anywhere_goes_on_without_loss_or_double(gateway: GatewayCase) -> None:
    """Whatever page was the last one landed, the rest is what an undisturbed walk would have brought."""
    for feed in gateway.opened()[0].feeds:
        whole = gateway.walk(feed, rows_per_page=2)
        for cut in range(1, len(whole)):
            rest = gateway.walk(feed, whole[cut - 1].resume, rows_per_page=2)
            seen = records([*whole[:cut], *rest])
            assert set(map(_key, seen)) == set(map(_key, records(whole))), f"{feed.name}, cut after page {cut}"
            if feed.posts:
                assert Counter(map(_key, seen)) == Counter(map(_key, records(whole))), f"{feed.name}, cut after page {cut}"
            assert rest[-1].cursor == whole[-1].cursor, f"{feed.name}: after a cut the cursor is another one"


def test_any_size_of_pages_brings_the_same(gateway: GatewayCase) -> None:
    """Where a page ends is the vendor's business."""
    known = movements(gateway).keys()
    for feed in gateway.opened()[0].feeds:
        wanted = {_key(one): canonical(one.body) for one in records(gateway.walk(feed))}
        for size in SIZES:
            found = records(gateway.walk(feed, rows_per_page=size))
            assert {_key(one): canonical(one.body) for one in found} == wanted
            times = Counter(one.id for one in found if one.id in known)
            assert not [id for id, count in times.items() if count > 1], f"{feed.name} shows a movement on two pages"


def test_a_window_with_nothing_in_it_is_one_empty_page_with_its_cursor(gateway: GatewayCase) -> None:
    """A quiet night moves the cursor as well."""
    for feed in gateway.opened()[0].feeds:
        end = gateway.walk(feed)[-1].cursor
        assert end is not None
        opened, _ = gateway.opened()
        (page,) = opened.pages(feed, Window(end), None)
        assert records([page]) == []
        assert page.resume is None
        assert page.cursor is not None
        assert type(page.cursor) is type(end)


def test_reading_writes_nothing(gateway: GatewayCase) -> None:
    """A gateway is read only, down to the method of each request."""
    opened, wire = gateway.opened()
    assert opened.check() == []
    identity = opened.identity()
    assert identity.account
    assert identity.mode in ("live", "test")
    for feed in opened.feeds:
        assert cases.ended(opened.pages(feed, everything(feed), None))
    assert wire.writes(gateway.stand_in) == []


def test_an_object_is_read_again_by_its_id(gateway: GatewayCase) -> None:
    """One of each type: itself, a tombstone, or a refusal in a sentence."""
    opened, _ = gateway.opened()
    again = 0
    for type, id in {one.type: one.id for one in everything_of(gateway)}.items():
        found = _fetched(opened, type, id)
        if found is not None:
            assert (found.type, found.id) == (type, id)
            again += 1
        unknown = _fetched(opened, type, "unknown_example")
        assert unknown is None or unknown.body.get("deleted") is True
    assert again, "no object can be read again"


def test_the_balance_is_the_sum_of_all_movements(gateway: GatewayCase) -> None:
    """Where a gateway states its balance, the examples tie to the cent in every bucket."""
    opened, _ = gateway.opened()
    if not isinstance(opened, Balances):
        return
    stated = {(one.place, one.amount.currency): one.amount for one in opened.balances(None) if one.amount.minor}
    sums: dict[tuple[str, str], Money] = {}
    for bucket in {one.bucket for one in movements(gateway).values()}:
        of_bucket = [one.net for one in movements(gateway).values() if one.bucket == bucket]
        sums |= {(bucket, currency): amount for currency, amount in totals(of_bucket).items() if amount.minor}
    assert stated == sums
    assert all(_is_utc(one.as_of) for one in opened.balances(None))


# ---------------------------------------------------------------- what can go wrong on the way


def test_what_fails_in_passing_changes_nothing_of_what_arrives(gateway: GatewayCase) -> None:
    """Each request is answered with 503 first, or not at all."""
    for trouble in (Reply(503, {}), Silence("reset by the test")):
        for feed in gateway.opened()[0].feeds:
            wanted = list(map(_key, records(gateway.walk(feed, rows_per_page=2))))
            opened, _ = gateway.opened(_first(trouble, gateway.stand_in.vendor(2)))
            assert list(map(_key, records(cases.ended(opened.pages(feed, everything(feed), None))))) == wanted


@pytest.mark.parametrize("body", [b"", b'{"half": ', b"<html>welcome</html>", b"[]", b"{}", b"17", b'"text"'])
def test_an_answer_that_makes_no_sense_moves_no_cursor(gateway: GatewayCase, body: bytes) -> None:
    """A proxy's page or half an answer must never look like an empty list."""
    opened, _ = gateway.opened(lambda _: Reply(200, body))
    for feed in opened.feeds:
        seen: list[Page] = []
        with pytest.raises((ConnectorDown, TryLater)):
            seen.extend(cases.ended(opened.pages(feed, everything(feed), None)))
        assert seen == []


def test_a_key_that_is_refused_is_a_problem_for_a_person_and_shown_nowhere(gateway: GatewayCase) -> None:
    """The key itself stands in no message."""
    opened, _ = gateway.opened(lambda _: Reply(401, {"error": {"message": "the key is wrong"}}))
    try:
        told = [str(problem) for problem in opened.check()]
    except SyncjobError as wrong:
        told = [str(wrong)]
    assert told
    with pytest.raises(SyncjobError) as refused:
        list(opened.pages(opened.feeds[0], everything(opened.feeds[0]), None))
    for text in (*told, str(refused.value), repr(opened)):
        assert gateway.secret not in text


# ---------------------------------------------------------------- what the records are and mean


def test_every_record_is_whole(gateway: GatewayCase) -> None:
    """Type, id and subject are there, times are UTC, and no number is a float."""
    found = everything_of(gateway)
    for one in found:
        assert one.type
        assert one.id
        assert ":" in one.subject, f"the subject of {one.type} {one.id} is {one.subject!r}, write KIND:ID"
        assert _is_utc(one.occurred)
        assert _is_utc(one.as_of)
        assert not [value for _, value in _leaves(one.body) if isinstance(value, float)]
        assert gateway.secret not in canonical(one.body)


def test_the_map_reads_every_record_and_every_movement_closes(gateway: GatewayCase) -> None:
    """Nothing of the examples is held, and gross less fees is net."""
    landed = gateway.landed(everything_of(gateway))
    assert [str(record.problem) for record in landed if record.problem is not None] == []
    found, held = gateway.meaning(landed)
    assert [str(one.problem) for one in held] == []
    assert found
    for one in found.values():
        total = one.gross - one.net
        assert sum(fee.amount.minor for fee in one.fees) == total.minor, one.id
        assert all(type(amount.minor) is int for amount in (one.gross, one.net, *(fee.amount for fee in one.fees)))
        assert one.bucket
        assert _is_utc(one.effective)


def test_the_examples_mean_what_somebody_has_read_and_found_right(gateway: GatewayCase, request: pytest.FixtureRequest) -> None:
    """expected.json beside the examples, if there is one, holds what they mean; a change of the map shows in it."""
    path = gateway.example.folder / "expected.json"
    meant = [_told(one) for one in movements(gateway).values()]
    if request.config.getoption("write_expected", False):
        path.write_text("[\n  " + ",\n  ".join(map(json.dumps, meant)) + "\n]\n", encoding="utf-8")
    if path.exists():
        assert meant == json.loads(path.read_text(encoding="utf-8")), "read the difference, then: --write-expected"


def test_the_same_records_read_twice_mean_the_same(gateway: GatewayCase) -> None:
    """In any order, and twice as many of them."""
    landed = gateway.landed(everything_of(gateway))
    wanted, _ = gateway.meaning(landed)
    assert gateway.meaning(landed[::-1])[0] == wanted
    assert gateway.meaning([*landed, *landed])[0] == wanted


def test_a_kind_of_movement_that_nobody_listed_is_refused_by_name(gateway: GatewayCase) -> None:
    """Every movement has a word that says what it is; a new one is never guessed."""
    landed = gateway.landed(everything_of(gateway))
    known = {record.id: record for record in landed}
    of_movements = [known[id] for id in movements(gateway) if id in known]
    assert of_movements, "a movement's id is that of its record"
    for record in of_movements:
        texts = [path for path, value in _leaves(record.body) if isinstance(value, str)]
        named = any(_names_it(gateway, landed, record, path) for path in texts)
        assert named, f"no field of {record.type} {record.id} is looked up: an unknown kind would be booked as a known one"


def test_a_card_number_that_somebody_typed_is_never_kept(gateway: GatewayCase) -> None:
    """Planted in every text of every record: the text is cleaned, or the record held without its content."""
    planted = 0
    for raw in everything_of(gateway):
        for path, value in _leaves(raw.body):
            if isinstance(value, str):
                planted += 1
                (record,) = gateway.landed([replace(raw, body=_with(raw.body, path, f"{value} {CARD}"))])
                kept = canonical({"body": record.body, "personal": record.personal})
                assert not has_card(kept), f"a card number in {'.'.join(map(str, path))} of {raw.type} would be kept"
    assert planted


def test_progress_never_stands_on_an_id_that_holds_a_card_number(gateway: GatewayCase) -> None:
    """Progress is kept on disk as it is; from such a page on, what is read again costs time and nothing else."""
    known = sorted(movements(gateway))
    for id in {known[0], known[len(known) // 2], known[-1]}:
        vendor = _renaming(gateway.stand_in.vendor(1), id, f"{id}_{CARD.replace(' ', '')}")
        for feed in gateway.opened()[0].feeds:
            opened, _ = gateway.opened(vendor)
            pages = cases.ended(opened.pages(feed, everything(feed), None))
            assert not [page.resume for page in pages if page.resume is not None and has_card(page.resume)]


# ---------------------------------------------------------------- a whole night


def test_every_movement_is_posted(gateway: GatewayCase) -> None:
    """The posting rules know its balance bucket, and an entry balances or is not made."""
    for one in movements(gateway).values():
        entry = post(one, UTC, "EUR")
        assert entry.lines or not one.gross.minor


def test_a_night_brings_the_examples_to_books_and_crm_and_proves_them(gateway: GatewayCase) -> None:
    """Nothing is held, gateway and books agree to the cent or the difference is named, and a second night adds nothing."""
    from syncjob.contract import night  # the store's library takes its time: only this test needs it

    with night.of_gateway(gateway) as (job, wire):
        first = night.run(job)
        assert [str(problem) for problem in first.problems] == []
        assert first.exit == EXIT_OK
        assert first.counts["books: delivered"] > 0
        second = night.run(job)
        assert second.exit == EXIT_OK
        assert [name for name in second.counts if name.endswith(": delivered") and second.counts[name]] == []
        assert wire.writes(gateway.stand_in) == []


# ---------------------------------------------------------------- small parts


def everything_of(gateway: GatewayCase) -> list[Raw]:
    """All records of all feeds."""
    return [one for feed in gateway.opened()[0].feeds for one in records(gateway.walk(feed))]


def movements(gateway: GatewayCase) -> dict[str, Transaction]:
    """All movements of the examples."""
    return gateway.meaning(gateway.landed(everything_of(gateway)))[0]


def _told(one: Transaction) -> dict[str, Any]:
    """A movement as a bookkeeper reads it."""
    told = {
        "id": one.id,
        "kind": one.kind.value,
        "effective": iso(one.effective),
        "gross": str(one.gross),
        "fees": [f"{fee.type} {fee.amount}" for fee in one.fees],
        "net": str(one.net),
        "presented": str(one.presented) if one.presented else None,
        "bucket": one.bucket,
        "subject": one.subject,
        "origin": one.origin,
        "reverses": one.reverses,
        "customer": one.customer,
        "references": [reference.text for reference in one.references],
    }
    return {name: value for name, value in told.items() if value}


def _fetched(opened: Gateway, type: str, id: str) -> Raw | None:
    try:
        return opened.fetch(type, id)
    except RecordRefused:
        return None


def _key(raw: Raw) -> tuple[str, str]:
    return raw.type, raw.id


def _is_utc(instant: object) -> bool:
    return isinstance(instant, datetime) and instant.tzinfo is not None and instant.utcoffset() == UTC.utcoffset(None)


def _first(trouble: Reply | Silence, vendor: Vendor) -> Vendor:
    """A vendor whose every other answer is trouble, beginning with the first."""
    count = iter(range(1_000_000))

    def answer(request: Request) -> Reply:
        if next(count) % 2:
            return vendor(request)
        if isinstance(trouble, Silence):
            raise trouble
        return trouble

    return answer


def _renaming(vendor: Vendor, id: str, other: str) -> Vendor:
    """The vendor, in whose answers an object has another id."""

    def answer(request: Request) -> Reply:
        asked = replace(
            request,
            path=request.path.replace(other, id),
            params={name: text.replace(other, id) for name, text in request.params.items()},
            body=request.body.replace(other.encode(), id.encode()),
            target=request.target.replace(other, id),
        )
        reply = vendor(asked)
        text = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return replace(reply, body=text.replace(f'"{id}"'.encode(), f'"{other}"'.encode()), headers=_without_length(reply))

    return answer


def _without_length(reply: Reply) -> dict[str, str]:
    return {name: text for name, text in reply.headers.items() if name.lower() != "content-length"}


def _names_it(gateway: GatewayCase, landed: list[Record], record: Record, path: tuple[Any, ...]) -> bool:
    """Whether a strange word in this field has the record held, with the word in the sentence."""
    changed = replace(record, body=_with(record.body, path, STRANGE))
    of_subject = [changed if one is record else one for one in landed if one.subject == record.subject]
    found, held = gateway.meaning(of_subject)
    return record.id not in found and any(one.id == record.id and STRANGE in str(one.problem) for one in held)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, (*path, name))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _leaves(one, (*path, place))
    else:
        yield path, value


def _with(body: Mapping[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The body with one field changed."""
    changed: dict[str, Any] = json.loads(json.dumps(body))
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


__all__ = [name for name in dir() if name.startswith(("test_", "pytest_")) or name == "gateway"]
