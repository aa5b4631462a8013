"""Why the documents of a subject say what they say: they are planned once more, and each is asked for the lines of its map.

Nothing is stored or sent. The documents are those that planning would make today, with all entries of the subject and none of
them in a document yet, so the facts and applications of earlier days are told as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from syncjob.config import Config
from syncjob.errors import RecordRefused
from syncjob.jobs.customers import with_customers
from syncjob.jobs.opening import with_starts
from syncjob.mapping import GatewayMap, TargetMap, load_target
from syncjob.mapping.telling import Told
from syncjob.matching import Books
from syncjob.model import Delivery, DocumentKind, Json, Refusal
from syncjob.plan import Known, Ledger, Rules, plan, wanted_numbers
from syncjob.store import Store, Story

_GROUPS: tuple[Literal["accounting", "crm"], ...] = ("accounting", "crm")


class Recorder:
    """A target's map that remembers what it was told of each document, and what it refused."""

    def __init__(self, map: TargetMap) -> None:
        self.map = map
        self.digest = map.digest
        self.told: list[tuple[DocumentKind, Mapping[str, object], Mapping[str, Json]]] = []
        self.refused: tuple[DocumentKind, Mapping[str, object]] | None = None

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The target's fields for one document, as its map makes them."""
        try:
            body = self.map.body(kind, happening)
        except RecordRefused:
            self.refused = (kind, happening)
            raise
        self.told.append((kind, happening, body))
        return body

    def happening(self, one: Delivery) -> Mapping[str, object] | None:
        """What a document was made of; None where nobody was asked."""
        return next((told for kind, told, body in self.told if kind is one.kind and body == one.body), None)


@dataclass(frozen=True, slots=True)
class Documented:
    """One document of a target, value by value; `key` is empty where it is held by one of them."""

    target: str
    map: str  # the file: mappings/crm/sqlite.yaml
    kind: DocumentKind
    key: str
    values: tuple[Told, ...]


def documented(config: Config, store: Store, story: Story, gateway: GatewayMap) -> tuple[Documented, ...]:
    """Every document that a subject's records make in each configured target, with the line of the map behind each value."""
    if story.stream is None:
        return ()
    readable = [record for record in story.records if record.problem is None]
    held = tuple(Refusal(one.type, one.id, one.problem) for one in story.records if one.problem is not None)
    reading = gateway.read(story.stream, story.subject.name, readable)
    known = Known(
        subject=story.subject.name,
        source=story.subject.scope,
        records=story.records,
        reading=replace(reading, problems=(*reading.problems, *held)),
        entries=story.entries,
        applications=story.applications,
        map=gateway.digest,
    )
    (known,) = with_customers(store, [known], [block.name for group in _GROUPS for block in config.of(group)])
    found: list[Documented] = []
    for group in _GROUPS:
        for block in config.of(group):
            map = load_target(group, block.connector, config.home)
            recorder = Recorder(map)
            ledger = Ledger(block.name, recorder, group == "accounting", frozenset(DocumentKind))
            of = f"mappings/{group}/{block.connector}.yaml"
            found += _of_ledger(config, store, known, ledger, recorder, of)
    return tuple(found)


def _of_ledger(
    config: Config, store: Store, known: Known, ledger: Ledger, recorder: Recorder, map: str
) -> Sequence[Documented]:
    treatments = {block.name: config.treatment(block) for block in config.of("gateways")}
    house = config.zone, config.home_currency, config.start, config.chart
    rules = Rules(*house, (ledger,), treatments=treatments, ladder=config.matching)
    rules = with_starts(rules, store, [known.source])
    numbers = wanted_numbers([known], rules.ladder)
    books = Books(store.invoices(numbers) if numbers else [], store.applied(numbers) if numbers else {})
    deliveries: tuple[Delivery, ...] = ()
    with suppress(RecordRefused):  # what refused is told in its place, below
        deliveries = plan(known, rules, books, {}).deliveries
    found = []
    for one in deliveries:
        happening = recorder.happening(one)
        if happening is not None:
            found.append(Documented(ledger.name, map, one.kind, one.key, recorder.map.explained(one.kind, happening)))
    if recorder.refused is not None:
        kind, happening = recorder.refused
        found.append(Documented(ledger.name, map, kind, "", recorder.map.explained(kind, happening)))
    return found
