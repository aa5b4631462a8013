"""What every target promises, whoever wrote it: each document once, found again, corrected, undone, and summed to the cent."""

# ruff: noqa: S101 - a test asserts

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from syncjob.contract import cases
from syncjob.contract.cases import Example, TargetCase, files
from syncjob.contract.wire import Reply, Request, Silence, Vendor
from syncjob.deliver import checked
from syncjob.errors import EXIT_OK, OutcomeUnknown, RecordRefused, SyncjobError
from syncjob.mapping import load_target
from syncjob.model import Action, DocumentKind, Invoice, Json, digest
from syncjob.money import Money
from syncjob.ports import (
    Absent,
    Call,
    Changes,
    Delivered,
    Foreign,
    MirrorPage,
    Outcome,
    Present,
    Put,
    Refused,
    TargetClass,
    Unknown,
    Unsent,
)
from syncjob.reconcile import edited

FAMILIES: Mapping[str, frozenset[DocumentKind]] = {
    "accounting": frozenset(list(DocumentKind)[: list(DocumentKind).index(DocumentKind.CUSTOMER) + 1]),
    "crm": frozenset(list(DocumentKind)[list(DocumentKind).index(DocumentKind.CONTACT) :]),
}
_LAST_DAY = date(2099, 12, 31)
Test = TypeVar("Test", bound=Callable[..., None])


def ask(who: Callable[[Example], bool]) -> Callable[[Test], Test]:
    """A test is for these targets only; without it, for all that answer."""

    def marked(test: Test) -> Test:
        vars(test)["asked"] = who
        return test

    return marked


def anybody(_: Example) -> bool:
    """Also one that nobody plays."""
    return True


def answering(one: Example) -> bool:
    """One that answers by itself, or through its stand-in."""
    return one.speaks()


def wired(one: Example) -> bool:
    """One behind a wire that can break."""
    return one.stand_in() is not None


def books(one: Example) -> bool:
    """Books that answer."""
    return one.group == "accounting" and one.speaks()


def searchable(one: Example) -> bool:
    """All but class D."""
    return one.speaks() and one.module.PROMISES.grade is not TargetClass.D


def replayed(one: Example) -> bool:
    """Classes A and B."""
    return one.speaks() and one.module.PROMISES.grade in (TargetClass.A, TargetClass.B)


def correcting(one: Example) -> bool:
    """One in which a document may be changed."""
    return one.speaks() and one.module.PROMISES.corrects_by == "update"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each target that is asked: the one that was named, or all that have examples here."""
    if "target" in metafunc.fixturenames:
        found = cases.found(tuple(FAMILIES), metafunc.config.rootpath, metafunc.config.getoption("connector", None))
        asked = getattr(metafunc.function, "asked", answering)
        metafunc.parametrize("target", [one for one in found if asked(one)], ids=str, indirect=True)


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> TargetCase:
    """A target in an empty home."""
    return TargetCase(request.param, tmp_path)


# ---------------------------------------------------------------- what it says of itself


@ask(anybody)
def test_a_target_explains_itself_and_its_settings(target: TargetCase) -> None:
    """People read its page, and every setting stands there."""
    module, page = target.example.module, target.example.project / "docs" / "connectors" / f"{target.example.name}.md"
    assert module.__doc__
    assert page.exists(), f"write docs/connectors/{page.name}"
    text = page.read_text(encoding="utf-8")
    for name, sentence in module.SETTINGS.items():
        assert sentence.endswith("."), f"{name} is not explained in a sentence"
        assert f"`{name}`" in text, f"docs/connectors/{page.name} does not explain the setting {name}"
    assert set(target.examples["settings"]) <= set(module.SETTINGS)


@ask(anybody)
def test_its_promises_can_be_kept(target: TargetCase) -> None:
    """A class, a batch and kinds of its own family; a key that is remembered where a key is the promise."""
    promises = target.target.promises
    assert target.target.name == "example"
    assert promises == target.example.module.PROMISES
    assert promises.batch > 0
    assert promises.parallel > 0
    assert promises.kinds
    assert set(promises.kinds) <= FAMILIES[target.example.group]
    if promises.grade is TargetClass.B:
        assert promises.key_lifetime.total_seconds() > 0


@ask(anybody)
def test_its_map_and_schema_fit_each_other(target: TargetCase) -> None:
    """The map of every kind that it takes is read whole."""
    found = load_target("accounting" if target.example.group == "accounting" else "crm", target.example.name)
    assert found.name == target.example.name
    assert found.digest


@ask(anybody)
def test_the_examples_show_every_family_of_documents_it_takes(target: TargetCase) -> None:
    """A kind without an example is a kind that nobody tried."""
    shown = {row["kind"] for row in target.rows()}
    assert shown <= set(target.target.promises.kinds)
    if target.example.group == "crm":
        assert shown == set(target.target.promises.kinds)


# ---------------------------------------------------------------- preparing


@ask(anybody)
def test_prepare_is_pure_and_holds_each_document_once(target: TargetCase) -> None:
    """The same Puts give the same bytes, nothing is asked or written, and no document is lost or doubled."""
    for wave in target.waves():
        before = repr(wave)
        calls = list(target.target.prepare(wave))
        checked(calls, wave)
        assert calls == list(target.target.prepare(wave))
        assert all(call.request for call in calls)
        assert repr(wave) == before
    assert files(target.home) == {}
    assert target.wire is None or target.wire.requests == []


@ask(wired)
def test_no_secret_stands_in_what_is_stored(target: TargetCase) -> None:
    """A Call is kept in the state: the key goes on the wire only."""
    stand_in = target.example.stand_in()
    assert stand_in is not None
    for wave in target.waves():
        for call in target.target.prepare(wave):
            assert stand_in.SECRET.encode() not in call.request


@ask(anybody)
def test_every_call_has_a_key_of_its_own(target: TargetCase) -> None:
    """Another revision or generation is another request."""
    row = target.rows()[0]
    keys = [
        call.key
        for revision, action in ((1, Action.CREATE), (2, Action.UPDATE), (3, Action.UPDATE))
        for call in target.target.prepare([target.put(row, action, revision)])
    ]
    assert len(set(keys)) == 3


def test_one_document_that_cannot_be_written_keeps_no_other_back(target: TargetCase) -> None:
    """Held alone, and named."""
    target.ready()
    wave = next(target.waves())
    first = target.examples["waves"][0][0]
    strange = next(kind for kind in DocumentKind if kind not in target.target.promises.kinds)
    odd = target.put({**first, "key": f"{first['key']}:odd", "kind": strange.value})
    try:
        calls = list(target.target.prepare([odd, *wave]))
    except RecordRefused:
        pytest.fail("prepare refused the whole batch because of one document")
    checked(calls, [odd, *wave])
    outcomes = {outcome.key: outcome for call in calls for outcome in target.target.send(call)}
    refused = outcomes.pop(odd.key)
    assert isinstance(refused, Refused)
    assert strange in str(refused.problem)
    assert all(isinstance(outcome, Delivered) for outcome in outcomes.values()), outcomes


# ---------------------------------------------------------------- delivering


def test_it_is_well_and_says_whose_it_is(target: TargetCase) -> None:
    """Asking writes nothing, and making ready twice is making ready once."""
    assert target.target.check() == []
    assert target.wire is None or target.wire.writes(target.example.stand_in()) == []
    target.ready()
    target.ready()
    assert target.target.check() == []
    identity = target.target.identity()
    assert identity.account
    assert identity.mode in ("live", "test")
    target.send_all()
    assert target.target.check() == []
    assert target.target.identity() == identity


@ask(searchable)
def test_what_was_sent_is_found_and_what_was_not_is_absent(target: TargetCase) -> None:
    """By reference, once, under the id that sending gave."""
    target.ready()
    for wave in target.waves():
        before = {found.key: type(found) for found in target.target.find(wave)}
        assert before == {one.key: Absent for one in wave}
        target.send(wave)
        _found_once(target, wave)


def test_the_echo_is_what_was_sent(target: TargetCase) -> None:
    """What a target says it holds has the names and values of the body."""
    puts, _, outcomes = target.send_all()
    for one in puts:
        outcome = outcomes[one.key]
        assert isinstance(outcome, Delivered)
        if outcome.echo is not None:
            shared = outcome.echo.keys() & one.body.keys()
            assert shared
            assert {name: outcome.echo[name] for name in shared} == {name: one.body[name] for name in shared}


@ask(replayed)
def test_sent_twice_is_sent_once(target: TargetCase) -> None:
    """Classes A and B absorb the very same Call; no Call of the others is ever sent again, since `find` decides."""
    puts, calls, outcomes = target.send_all()
    found, kept = target.target.find(puts), files(target.home)
    again = {outcome.key: outcome for call in calls for outcome in target.target.send(call)}
    assert again == outcomes
    assert target.target.find(puts) == found
    _found_once(target, puts)
    if target.examples.get("embedded"):
        assert {name: text for name, text in files(target.home).items() if not name.endswith(".sqlite")} == {
            name: text for name, text in kept.items() if not name.endswith(".sqlite")
        }


def test_one_answer_for_each_member(target: TargetCase) -> None:
    """By key, whatever the vendor's order."""
    target.ready()
    for wave in target.waves():
        for call in target.target.prepare(wave):
            answers = target.target.send(call)
            assert Counter(answer.key for answer in answers) == Counter(member.key for member in call.members)
            for answer in answers:
                assert isinstance(answer, Delivered), answer
                target.delivered[answer.key] = answer.remote


@ask(correcting)
def test_a_document_that_changes_and_changes_back_ends_as_it_began(target: TargetCase) -> None:
    """From A to B to A are three requests, and the last one counts."""
    name, other = _changeable(target)
    target.send_all()
    row = target.rows()[0]
    for revision, change in ((2, {name: other}), (3, {})):
        one = target.put(row, Action.UPDATE, revision, **change)
        _, outcomes = target.send([one])
        outcome = outcomes[one.key]
        assert isinstance(outcome, Delivered)
        assert outcome.echo is None or outcome.echo.get(name, one.body[name]) == one.body[name]
    if searchable(target.example):
        (found,) = target.target.find([target.put(row, Action.UPDATE, 3)])
        assert isinstance(found, Present)
        assert len(found.remotes) == 1
        assert found.echo is None or found.echo.get(name, row["body"][name]) == row["body"][name]


def test_an_undone_document_is_absent(target: TargetCase) -> None:
    """Voided, in the opposite order."""
    target.send_all()
    voids = [target.put(row, Action.VOID, 2) for row in reversed(target.rows())]
    calls, _ = target.send(voids)
    if searchable(target.example):
        assert [type(found) for found in target.target.find(voids)] == [Absent] * len(voids)
    assert [member.revision for call in calls for member in call.members] == [2] * len(voids)


def test_what_was_undone_is_sent_again_as_a_new_object(target: TargetCase) -> None:
    """Under a reference of its own: the void one is none of the answer."""
    target.send_all()
    target.send([target.put(row, Action.VOID, 2) for row in reversed(target.rows())])
    for wave in target.waves():
        again = [replace(one, revision=3, generation=2, reference=digest(one.key, "1")) for one in wave]
        target.send(again)
        if searchable(target.example):
            for found in target.target.find(again):
                assert isinstance(found, Present), found
                assert len(found.remotes) == 1


# ---------------------------------------------------------------- what can go wrong on the way


@ask(wired)
def test_an_answer_that_is_lost_is_unknown_and_what_was_done_is_there_once(target: TargetCase) -> None:
    """The vendor did it and the line broke: nobody may say delivered, refused or not sent."""
    wire = target.wire
    assert wire is not None
    target.ready()
    wave = next(target.waves())
    calls = list(target.target.prepare(wave))
    whole, wire.vendor = wire.vendor, _losing(wire.vendor)
    for call in calls:
        assert {type(one) for one in _sent(target, call)} == {Unknown}
    wire.vendor = whole
    if replayed(target.example):
        for call in calls:
            assert {type(one) for one in target.target.send(call)} == {Delivered}
    if searchable(target.example):
        for found in target.target.find(wave):
            assert isinstance(found, Present), found
            assert len(found.remotes) == 1, "one document became two objects"


@ask(wired)
def test_a_server_in_trouble_is_never_taken_for_success(target: TargetCase) -> None:
    """A 500, half an answer, or an answer about nothing: unknown, or certainly not sent."""
    wire = target.wire
    assert wire is not None
    target.ready()
    wave = next(target.waves())
    calls = list(target.target.prepare(wave))
    for trouble in (Reply(500, {}), Reply(200, b'{"half": '), Reply(200, b"{}"), Reply(200, b"[]")):
        wire.vendor = lambda _, trouble=trouble: trouble  # type: ignore[misc]
        for call in calls:
            assert {type(one) for one in _sent(target, call)} <= {Unknown, Unsent}, trouble


@ask(wired)
def test_a_key_that_is_refused_is_a_problem_for_a_person_and_shown_nowhere(target: TargetCase) -> None:
    """The key itself stands in no message."""
    wire, stand_in = target.wire, target.example.stand_in()
    assert wire is not None
    assert stand_in is not None
    wire.vendor = lambda _: Reply(401, {"error": {"message": "the key is wrong"}})
    try:
        told = [str(problem) for problem in target.target.check()]
    except SyncjobError as wrong:
        told = [str(wrong)]
    assert told
    assert not [text for text in (*told, repr(target.target)) if stand_in.SECRET in text]


# ---------------------------------------------------------------- a whole night


def test_a_night_brings_everything_to_it_once(target: TargetCase) -> None:
    """What the map makes of payments, refunds, a dispute and a payout is taken, proven to the cent, and sent only once."""
    from syncjob.contract import night  # the store's library takes its time: only this test needs it

    with night.of_target(target) as (job, _):
        first = night.run(job)
        assert [str(problem) for problem in first.problems] == []
        assert first.exit == EXIT_OK
        assert first.counts["example: delivered"] > 0
        written = target.wire.writes(target.example.stand_in()) if target.wire is not None else []
        second = night.run(job)
        assert second.exit == EXIT_OK
        assert second.counts.get("example: delivered", 0) == 0
        assert target.wire is None or target.wire.writes(target.example.stand_in()) == written


# ---------------------------------------------------------------- books


@ask(books)
def test_books_hold_what_was_sent_to_them(target: TargetCase) -> None:
    """Per account and currency to the cent at the end of time, and nothing before the first day."""
    puts, _, _ = target.send_all()
    sums = _sums(puts)
    accounts = sorted({account for account, _ in sums})
    held = target.target.balances(accounts, _LAST_DAY)
    assert {(one.place, one.amount.currency): one.amount for one in held if one.amount.minor} == sums
    assert [one for one in target.target.balances(accounts, date(2020, 1, 1)) if one.amount.minor] == []
    # The books as of each day hold what was dated up to that day, that day included.
    for day in sorted({one.date for one in puts if one.date is not None}):
        held = target.target.balances(accounts, day)
        until = _sums([one for one in puts if one.date is not None and one.date <= day])
        assert {(one.place, one.amount.currency): one.amount for one in held if one.amount.minor} == until, day
    assert isinstance(target.target.locks(), list)


@ask(books)
def test_books_that_show_their_documents_show_them_as_they_were_sent(target: TargetCase) -> None:
    """Each once, with the version that they gave it, its day, its lines and its payee; and no entry of anybody else."""
    books = target.target
    puts, _, outcomes = target.send_all()
    if not isinstance(books, Changes):
        return
    sent = {one.key: one for one in puts if one.body.get("postings")}
    versions = list(books.versions())
    assert len(versions) == len(dict(versions))
    given = {key: one.remote.version for key, one in outcomes.items() if isinstance(one, Delivered)}
    assert {key: version for key, version in versions if key in sent} == {key: given[key] for key in sent}
    shown = {one.key: one for one in books.standing(sent)}
    assert shown.keys() == sent.keys()
    for key, one in shown.items():
        assert one.place
        assert (one.day, one.version) == (sent[key].date, given[key])
        assert edited(key, one.day, _lines(sent[key]), [one], cast("str | None", sent[key].body.get("payee"))) is None
    assert not isinstance(books, Foreign) or [*books.foreign({line[0] for put in puts for line in _lines(put)})] == []


@ask(books)
def test_the_mirror_of_invoices_goes_on_from_its_cursor(target: TargetCase) -> None:
    """All of them once, and from the last cursor nothing that is already known changes."""
    target.ready()
    pages: list[MirrorPage] = cases.ended(target.target.mirror(None))
    invoices: list[Invoice] = [invoice for page in pages for invoice in page.invoices]
    assert len({invoice.id for invoice in invoices}) == len(invoices)
    for invoice in invoices:
        assert invoice.target == "example"
        assert invoice.number
        assert invoice.open.currency == invoice.total.currency
        assert invoice.as_of.utcoffset() == UTC.utcoffset(None)
    assert target.wire is None or invoices, "show an invoice that is open"
    if pages:
        assert pages[-1].cursor
        known = {invoice.id: invoice.open for invoice in invoices}
        again = [invoice for page in cases.ended(target.target.mirror(pages[-1].cursor)) for invoice in page.invoices]
        assert {invoice.id: invoice.open for invoice in again}.items() <= known.items()
        for page in pages[:-1]:  # cut after any page, the rest still comes
            rest = [invoice for later in cases.ended(target.target.mirror(page.cursor)) for invoice in later.invoices]
            seen = [invoice.id for before in pages[: pages.index(page) + 1] for invoice in before.invoices]
            assert set(seen) | {invoice.id for invoice in rest} == known.keys()


# ---------------------------------------------------------------- small parts


def _found_once(case: TargetCase, puts: Sequence[Put]) -> None:
    after = {found.key: found for found in case.target.find(puts)}
    for one in puts:
        found = after[one.key]
        assert isinstance(found, Present), found
        assert [remote.id for remote in found.remotes] == [case.delivered[one.key].id]


def _sent(case: TargetCase, call: Call) -> Sequence[Outcome]:
    """What a run makes of sending: an unknown outcome for each member where the connector says that nobody knows."""
    try:
        outcomes: Sequence[Outcome] = case.target.send(call)
    except OutcomeUnknown as wrong:
        return [Unknown(member.key, str(wrong)) for member in call.members]
    except SyncjobError as wrong:
        return [Unsent(member.key, str(wrong)) for member in call.members]
    return outcomes


def _losing(vendor: Vendor) -> Vendor:
    def answer(request: Request) -> Reply:
        vendor(request)
        raise Silence("the answer was lost")

    return answer


def _changeable(case: TargetCase) -> tuple[str, str]:
    """A text of the first example that may become another one."""
    body: Mapping[str, Any] = case.rows()[0]["body"]
    for name in ("narration", "name", "description", "text", "title", "memo"):
        if isinstance(body.get(name), str):
            return name, f"{body[name]} (corrected)"
    return pytest.fail("the first example needs a name, a description or another text that can be corrected")


def _lines(put: Put) -> list[tuple[str, Money]]:
    lines: list[Any] = cast(list[Json], put.body.get("postings", []))
    return [(line["account"], Money.of(line["amount"], line["currency"])) for line in lines]


def _sums(puts: Sequence[Put]) -> dict[tuple[str, str], Money]:
    lines: list[Any] = [line for one in puts for line in cast(list[Json], one.body.get("postings", []))]
    sums: dict[tuple[str, str], Money] = {}
    for line in lines:
        place, amount = (line["account"], line["currency"]), Money.of(line["amount"], line["currency"])
        sums[place] = sums[place] + amount if place in sums else amount
    return {place: amount for place, amount in sums.items() if amount.minor}


__all__ = [name for name in dir() if name.startswith(("test_", "pytest_")) or name == "target"]
