"""What every target promises, whoever wrote it: each module under accounting/ and crm/ is found by itself.

A connector brings its examples, `tests/fixtures/<name>/puts.json`: its settings, and waves of documents, where a link names the
key of a document of an earlier wave. It is spoken to if it is `embedded` (needs no network), or if a `stand_in.py` beside the
examples has `http(folder)`, which gives what its `connect` takes as `http`; otherwise only what needs no answer is asked.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from syncjob import accounting, crm
from syncjob.deliver import checked
from syncjob.errors import RecordRefused
from syncjob.model import Action, DocumentKind, Json, Remote, digest
from syncjob.money import Money
from syncjob.ports import Absent, Call, Delivered, Member, Options, Outcome, Present, Put, Refused, TargetClass

TESTS = Path(__file__).parent
PAGES = TESTS.parent / "docs" / "connectors"
FAMILIES: Mapping[ModuleType, frozenset[DocumentKind]] = {
    accounting: frozenset(list(DocumentKind)[: list(DocumentKind).index(DocumentKind.CUSTOMER) + 1]),
    crm: frozenset(list(DocumentKind)[list(DocumentKind).index(DocumentKind.CONTACT) :]),
}
FOUND = [(family, one.name) for family in FAMILIES for one in pkgutil.iter_modules(family.__path__)]


class Connector:
    """One target with its examples, in an empty home."""

    def __init__(self, family: ModuleType, name: str, home: Path) -> None:
        self.family, self.name, self.home = family, name, home
        self.module = importlib.import_module(f"{family.__name__}.{name}")
        self.folder = TESTS / "fixtures" / name
        assert (self.folder / "puts.json").exists(), f"{name} needs its examples in tests/fixtures/{name}/puts.json"
        self.examples = json.loads((self.folder / "puts.json").read_text(encoding="utf-8"))
        options = Options("example", home, self.examples["settings"])
        self.target: Any = self.module.connect(options, stand_in(self.folder, home))

    def ready(self) -> None:
        """What a run does before it sends."""
        if hasattr(self.target, "provision"):
            assert self.target.provision() == []

    def waves(self) -> Iterator[list[Put]]:
        """Each wave of examples, with links to what `send` has delivered before."""
        self.delivered: dict[str, Remote] = {}
        for wave in self.examples["waves"]:
            yield [self.put(row) for row in wave]

    def put(self, row: Mapping[str, Any], action: Action = Action.CREATE, revision: int = 1) -> Put:
        """One example as a Put."""
        body: Mapping[str, Json] = row["body"]
        links = {role: self.delivered.get(key, Remote(key)) for role, key in row.get("links", {}).items()}
        day = date.fromisoformat(str(body["date"])) if "date" in body else None
        kind = DocumentKind(row["kind"])
        expected = self.delivered.get(row["key"])
        return Put(row["key"], kind, action, revision, 1, digest(row["key"]), body, links, expected, day)

    def send(self, puts: list[Put]) -> tuple[list[Call], dict[str, Outcome]]:
        """Prepare and send; every document must be delivered."""
        calls = list(self.target.prepare(puts))
        outcomes = {outcome.key: outcome for call in calls for outcome in self.target.send(call)}
        for one in puts:
            outcome = outcomes[one.key]
            assert isinstance(outcome, Delivered), outcome
            self.delivered[one.key] = outcome.remote
        return calls, outcomes

    def send_all(self) -> tuple[list[Put], list[Call], dict[str, Outcome]]:
        """All waves one after the other."""
        self.ready()
        puts, calls, outcomes = [], [], {}
        for wave in self.waves():
            sent = self.send(wave)
            puts += wave
            calls += sent[0]
            outcomes |= sent[1]
        return puts, calls, outcomes


def stand_in(folder: Path, home: Path) -> object | None:
    path = folder / "stand_in.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"stand_in_{folder.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: object = module.http(home)
    return made


def speaks(name: str) -> bool:
    folder = TESTS / "fixtures" / name
    if (folder / "stand_in.py").exists():
        return True
    examples = folder / "puts.json"
    return examples.exists() and json.loads(examples.read_text(encoding="utf-8")).get("embedded", False) is True


@pytest.fixture
def connector(request: pytest.FixtureRequest, tmp_path: Path) -> Connector:
    family, name = request.param
    return Connector(family, name, tmp_path)


every = pytest.mark.parametrize("connector", FOUND, ids=[name for _, name in FOUND], indirect=True)
SPEAKING = [one for one in FOUND if speaks(one[1])]
speaking = pytest.mark.parametrize("connector", SPEAKING, ids=[name for _, name in SPEAKING], indirect=True)


def files(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_the_embedded_targets_are_found() -> None:
    assert {"beancount", "sqlite"} <= {name for _, name in SPEAKING}


@every
def test_a_connector_explains_itself_and_its_settings(connector: Connector) -> None:
    settings, page = connector.module.SETTINGS, PAGES / f"{connector.name}.md"
    assert connector.module.__doc__
    assert page.exists(), f"write docs/connectors/{connector.name}.md"
    text = page.read_text(encoding="utf-8")
    for name, sentence in settings.items():
        assert sentence.endswith("."), f"{name} is not explained in a sentence"
        assert f"`{name}`" in text, f"docs/connectors/{connector.name}.md does not explain the setting {name}"
    assert set(connector.examples["settings"]) <= set(settings)


@every
def test_its_promises_can_be_kept(connector: Connector) -> None:
    promises = connector.target.promises
    assert connector.target.name == "example"
    assert promises.batch > 0
    assert promises.parallel > 0
    assert promises.kinds
    assert set(promises.kinds) <= FAMILIES[connector.family]
    if promises.grade is TargetClass.B:
        assert promises.key_lifetime.total_seconds() > 0


@every
def test_the_examples_show_every_family_of_documents_it_takes(connector: Connector) -> None:
    shown = {row["kind"] for wave in connector.examples["waves"] for row in wave}
    assert shown <= set(connector.target.promises.kinds)
    if connector.family is crm:
        assert shown == set(connector.target.promises.kinds)


@every
def test_prepare_is_pure_and_holds_each_document_once(connector: Connector) -> None:
    for wave in connector.waves():
        before = repr(wave)
        calls = list(connector.target.prepare(wave))
        checked(calls, wave)
        assert calls == list(connector.target.prepare(wave))
        assert all(call.request for call in calls)
        assert repr(wave) == before
    assert files(connector.home) == {}


@every
def test_nothing_to_do_is_no_call(connector: Connector) -> None:
    assert list(connector.target.prepare([])) == []


@speaking
def test_a_kind_it_does_not_take_is_refused_and_holds_up_nobody(connector: Connector) -> None:
    connector.ready()
    strange = next(kind for kind in DocumentKind if kind not in connector.target.promises.kinds)
    wave = next(connector.waves())
    odd = Put("example:odd", strange, Action.CREATE, 1, 1, digest("example:odd"), {"date": "2026-11-03"}, {}, None, None)
    try:
        calls = list(connector.target.prepare([odd, *wave]))
    except RecordRefused:
        return
    checked(calls, [odd, *wave])
    outcomes = {outcome.key: outcome for call in calls for outcome in connector.target.send(call)}
    refused = outcomes.pop(odd.key)
    assert isinstance(refused, Refused)
    assert strange in str(refused.problem)
    assert all(isinstance(outcome, Delivered) for outcome in outcomes.values())


@speaking
def test_it_is_well_and_says_whose_it_is(connector: Connector) -> None:
    assert connector.target.check() == []
    connector.ready()
    connector.ready()
    assert connector.target.check() == []
    identity = connector.target.identity()
    assert identity.account
    assert identity.mode in ("live", "test")
    connector.send_all()
    assert connector.target.check() == []
    assert connector.target.identity() == identity


@speaking
def test_what_was_sent_is_found_and_what_was_not_is_absent(connector: Connector) -> None:
    connector.ready()
    for wave in connector.waves():
        before = {found.key: type(found) for found in connector.target.find(wave)}
        assert before == {one.key: Absent for one in wave}
        connector.send(wave)
        after = {found.key: found for found in connector.target.find(wave)}
        for one in wave:
            found = after[one.key]
            assert isinstance(found, Present), found
            assert found.remotes == (connector.delivered[one.key],)


@speaking
def test_the_echo_is_what_was_sent(connector: Connector) -> None:
    puts, _, outcomes = connector.send_all()
    for one in puts:
        outcome = outcomes[one.key]
        assert isinstance(outcome, Delivered)
        if outcome.echo is not None:
            shared = outcome.echo.keys() & one.body.keys()
            assert shared
            assert {name: outcome.echo[name] for name in shared} == {name: one.body[name] for name in shared}


@speaking
def test_sent_twice_is_sent_once(connector: Connector) -> None:
    puts, calls, outcomes = connector.send_all()
    if connector.target.promises.grade not in (TargetClass.A, TargetClass.B):
        return  # such a Call is never sent again: `find` decides
    found, kept = connector.target.find(puts), files(connector.home)
    again = {outcome.key: outcome for call in calls for outcome in connector.target.send(call)}
    assert again == outcomes
    assert connector.target.find(puts) == found
    if connector.examples.get("embedded"):
        assert {name: text for name, text in files(connector.home).items() if not name.endswith(".sqlite")} == {
            name: text for name, text in kept.items() if not name.endswith(".sqlite")
        }


@speaking
def test_an_undone_document_is_absent(connector: Connector) -> None:
    connector.send_all()
    rows = [row for wave in connector.examples["waves"] for row in wave]
    voids = [connector.put(row, Action.VOID, 2) for row in reversed(rows)]
    calls, _ = connector.send(voids)
    assert [type(found) for found in connector.target.find(voids)] == [Absent] * len(voids)
    assert [member.revision for call in calls for member in call.members] == [2] * len(voids)


@speaking
def test_one_answer_for_each_member(connector: Connector) -> None:
    _, calls, _ = connector.send_all()
    for call in calls:
        answers = connector.target.send(call)
        assert sorted(answer.key for answer in answers) == sorted(member.key for member in call.members)
        assert all(isinstance(member, Member) for member in call.members)


@speaking
def test_books_hold_what_was_sent_to_them(connector: Connector) -> None:
    puts, _, _ = connector.send_all()
    if connector.family is not accounting:
        return
    lines: list[Any] = [line for one in puts for line in cast(list[Json], one.body.get("postings", []))]
    sums: dict[tuple[str, str], Money] = {}
    for line in lines:
        place, amount = (line["account"], line["currency"]), Money.of(line["amount"], line["currency"])
        sums[place] = sums[place] + amount if place in sums else amount
    accounts = {line["account"] for line in lines}
    held = connector.target.balances(sorted(accounts), date(2026, 12, 31))
    assert {(one.place, one.amount.currency): one.amount for one in held if one.amount.minor} == {
        place: amount for place, amount in sums.items() if amount.minor
    }
    assert connector.target.balances(sorted(accounts), date(2020, 1, 1)) == []
    assert isinstance(connector.target.locks(), list)
    assert all(page.cursor for page in connector.target.mirror(None))
