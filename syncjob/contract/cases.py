"""Connectors and their examples, as the contract finds them: by name, or every one that has examples here.

A connector's examples stand in `tests/fixtures/NAME/`, in the project that pytest was started in or beside the connector's own
package: `stand_in.py` plays the vendor, `puts.json` holds a target's documents. Its page is `docs/connectors/NAME.md`.
"""

# ruff: noqa: S101 - what a case cannot go on without is asserted, as in the tests

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from syncjob import config
from syncjob.contract.wire import Vendor, Wire
from syncjob.errors import Misconfigured
from syncjob.landing import land
from syncjob.mapping import load_gateway
from syncjob.model import Action, DocumentKind, Json, Raw, Record, Refusal, Remote, Stream, Transaction, digest
from syncjob.moment import Window
from syncjob.ports import Call, Delivered, Feed, Gateway, Options, Outcome, Page, Put
from syncjob.redact import Secret

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_MODULE = "stand_in.py"
_PUTS = "puts.json"
_PARENTS_MAX = 4
_PAGES_MAX = 5_000
Some = TypeVar("Some")
ROWS_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Example:
    """One connector that can be tested: its family, its module, and the folder of its examples."""

    group: str  # gateways, accounting or crm
    name: str
    module: ModuleType
    folder: Path

    def __str__(self) -> str:
        """The name under which pytest shows it."""
        return self.name

    @property
    def project(self) -> Path:
        """The project that the examples stand in."""
        return self.folder.parent.parent.parent

    def stand_in(self) -> ModuleType | None:
        """The module that plays the vendor, fresh; None where there is none."""
        path = self.folder / _MODULE
        return loaded(path) if path.exists() else None

    def puts(self) -> Mapping[str, Any]:
        """The example documents of a target."""
        read: Mapping[str, Any] = json.loads((self.folder / _PUTS).read_text(encoding="utf-8"))
        return read

    def speaks(self) -> bool:
        """Whether there is anybody who answers: a stand-in, or the connector itself where it needs no network."""
        if (self.folder / _MODULE).exists():
            return True
        return (self.folder / _PUTS).exists() and self.puts().get("embedded") is True


def loaded(path: Path) -> ModuleType:
    """A module from its file, fresh each time."""
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def found(groups: Sequence[str], root: Path, name: str | None = None) -> list[Example]:
    """The connectors of these families with examples; by name, also where the examples are missing: then it is said."""
    examples = []
    for group in groups:
        for known, load in sorted(config.connectors(group).items()):
            if name not in (None, known):
                continue
            module = load()
            folder = _folder(group, known, module, root)
            if folder is not None:
                examples.append(Example(group, known, module, folder))
            elif name is not None:
                raise Misconfigured(f"{known} has no examples; write tests/fixtures/{known}/{_wanted(group)} in {root}")
    return examples


def _wanted(group: str) -> str:
    return _MODULE if group == "gateways" else _PUTS


def _folder(group: str, name: str, module: ModuleType, root: Path) -> Path | None:
    beside = Path(module.__file__).parents[:_PARENTS_MAX] if module.__file__ else ()
    for place in (root, *beside):
        folder = place / "tests" / "fixtures" / name
        if (folder / _wanted(group)).exists():
            return folder
    return None


# ---------------------------------------------------------------- gateways


class GatewayCase:
    """One gateway with its played vendor and its map."""

    def __init__(self, example: Example, home: Path) -> None:
        self.example, self.home = example, home
        stand_in = example.stand_in()
        assert stand_in is not None
        self.stand_in: ModuleType = stand_in
        self.secret: str = stand_in.SECRET
        self.map = load_gateway(example.name)

    def opened(self, vendor: Vendor | None = None, rows_per_page: int = ROWS_PER_PAGE) -> tuple[Gateway, Wire]:
        """A new connection to a vendor whose pages hold at most so many rows."""
        wire = Wire(vendor or self.stand_in.vendor(rows_per_page), self.stand_in.NOW)
        options = Options("example", self.home, self.stand_in.SETTINGS, Secret(self.secret))
        gateway: Gateway = self.example.module.connect(options, wire.http())
        return gateway, wire

    def walk(self, feed: Feed, resume: str | None = None, *, rows_per_page: int = ROWS_PER_PAGE) -> list[Page]:
        """One window from the beginning of time, or what is left of it."""
        gateway, _ = self.opened(rows_per_page=rows_per_page)
        return ended(gateway.pages(feed, everything(feed), resume))

    def landed(self, raws: Sequence[Raw]) -> list[Record]:
        """The records as they would be kept."""
        return land(raws, self.map.keep)

    def meaning(self, records: Sequence[Record]) -> tuple[dict[str, Transaction], list[Refusal]]:
        """The movements by their ledger id, and what is held, of all subjects."""
        subjects: dict[str, list[Record]] = {}
        for record in records:
            subjects.setdefault(record.subject, []).append(record)
        stream = Stream("example", "acct_example", "test")
        movements: dict[str, Transaction] = {}
        refusals: list[Refusal] = []
        for subject, known in subjects.items():
            reading = self.map.read(stream, subject, known)
            movements |= {one.id: one for one in reading.transactions}
            refusals += reading.problems
        return movements, refusals


def ended(pages: Iterator[Some]) -> list[Some]:
    """All pages of a walk, which must end: an example has fewer rows than that."""
    found = list(islice(pages, _PAGES_MAX))
    assert len(found) < _PAGES_MAX, f"the walk does not end: {_PAGES_MAX} pages were read"
    return found


def everything(feed: Feed) -> Window:
    """The window over all that a feed has."""
    return Window(LONG_AGO if feed.axis == "time" else 0)


def records(pages: Sequence[Page]) -> list[Raw]:
    """All records of some pages, in their order."""
    return [one for page in pages for one in page.records]


# ---------------------------------------------------------------- targets


class TargetCase:
    """One target with its example documents, in an empty home."""

    def __init__(self, example: Example, home: Path) -> None:
        self.example, self.home = example, home
        self.examples = example.puts()
        self.delivered: dict[str, Remote] = {}
        self.wire: Wire | None = None
        stand_in = example.stand_in()
        secret = None
        if stand_in is not None:
            self.wire = Wire(stand_in.vendor(ROWS_PER_PAGE), getattr(stand_in, "NOW", _NOON))
            secret = Secret(stand_in.SECRET)
        options = Options("example", home, self.examples["settings"], secret)
        self.target: Any = example.module.connect(options, self.wire.http() if self.wire else None)

    def ready(self) -> None:
        """What a run does before it sends."""
        if hasattr(self.target, "provision"):
            assert self.target.provision() == []

    def waves(self) -> Iterator[list[Put]]:
        """Each wave of examples, with links to what `send` has delivered before."""
        self.delivered = {}
        for wave in self.examples["waves"]:
            yield [self.put(row) for row in wave]

    def put(self, row: Mapping[str, Any], action: Action = Action.CREATE, revision: int = 1, **changed: Json) -> Put:
        """One example as a Put, with some fields of its body changed."""
        body: Mapping[str, Json] = {**row["body"], **changed}
        links = {role: self.delivered.get(key, Remote(key)) for role, key in row.get("links", {}).items()}
        day = date.fromisoformat(str(body["date"])) if "date" in body else None
        expected = self.delivered.get(row["key"])
        return Put(row["key"], DocumentKind(row["kind"]), action, revision, 1, digest(row["key"]), body, links, expected, day)

    def rows(self) -> list[Mapping[str, Any]]:
        """All examples in their order."""
        return [row for wave in self.examples["waves"] for row in wave]

    def send(self, puts: Sequence[Put]) -> tuple[list[Call], dict[str, Outcome]]:
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
        puts: list[Put] = []
        calls: list[Call] = []
        outcomes: dict[str, Outcome] = {}
        for wave in self.waves():
            sent = self.send(wave)
            puts += wave
            calls += sent[0]
            outcomes |= sent[1]
        return puts, calls, outcomes


def files(home: Path) -> dict[str, bytes]:
    """Every file under a folder with its content."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
