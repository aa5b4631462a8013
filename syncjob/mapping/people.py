"""The rules for who paid, as one record type tells it."""

from __future__ import annotations

from collections.abc import Container, Iterable

from syncjob import places
from syncjob.mapping import soundness
from syncjob.mapping.blocks import Block, Known
from syncjob.mapping.counting import Counts, What
from syncjob.mapping.files import MapFile
from syncjob.mapping.keep import Keeping
from syncjob.mapping.paths import Scope
from syncjob.model import NO_ADDRESS, Address, Person, Record, Stream
from syncjob.yamlfile import Node

FIELDS = dict.fromkeys(("id", "name", "email", "phone", "company", "country"), "text")
_READ = ("email", "phone", "country")  # a fixed one would be everybody's
ADDRESS_PARTS = ("line1", "line2", "postal_code", "city", "subdivision", "country")


class People(Block):
    """The rules for who paid, as one record type tells it."""

    what = "person"
    types = FIELDS

    def __init__(self, file: MapFile, node: Node, keeping: Keeping, counts: Counts) -> None:
        super().__init__(file, node, keeping, counts, ["address", *FIELDS])
        node.mapping(None, ["id"])
        fields = {name: self.value(name, "text", holds="customer" if name == "id" else "") for name in FIELDS}
        self.id = fields.pop("id")
        self.fields = tuple(fields.items())
        parts = self.words["address"].mapping(ADDRESS_PARTS) if "address" in self.words else {}
        field = f"{self.record}.address"
        address = {name: self.rules.value(rule, "text", f"{field}.{name}") for name, rule in parts.items()}
        for name, rule in (*((name, self.words[name]) for name in _READ if name in self.words), *parts.items()):
            soundness.never_written(rule, f"{name} of a person")
        self.subdivision = address.pop("subdivision", None)
        self.address = tuple(address.items())

    def person(self, stream: Stream, record: Record, known: Known, told: Container[str] = ()) -> Person | None:
        """The person, or None where the record does not say who it was, or somebody who is told already."""
        scope, _ = self.scopes(stream, record, known)
        id = self.id(scope) if scope is not None else None
        if not id or id in told or scope is None:
            return None
        texts = {name: rule(scope) or "" for name, rule in self.fields}
        if texts["country"]:
            texts["country"] = self._country(texts["country"], "country")
        return Person(stream=stream, id=id, as_of=record.as_of, address=self._address(scope), **texts)

    def _address(self, scope: Scope) -> Address:
        """The address, its country and subdivision by their codes where these are known; a country alone is no address."""
        parts = {name: rule(scope) or "" for name, rule in self.address}
        if country := parts.get("country"):
            parts["country"] = self._country(country, "address.country")
        part = self.subdivision(scope) if self.subdivision is not None else None
        if part:
            code = places.subdivision(parts.get("country", ""), part)
            if code is None:
                self._counts.note(f"{self.record}.address.subdivision", What.OTHERWISE)
            parts["subdivision"] = code or part
        return Address(**parts) if any(text for name, text in parts.items() if name != "country") else NO_ADDRESS

    def _country(self, text: str, field: str) -> str:
        """The code of a country; what is none stays as somebody wrote it, since no payment waits for its payer's country."""
        code = places.country(text)
        if code is None:
            self._counts.note(f"{self.record}.{field}", What.OTHERWISE)
        return code or text


def newest(people: Iterable[Person]) -> dict[str, Person]:
    """Each person once, by id, in the newest version."""
    found: dict[str, Person] = {}
    for person in people:
        known = found.get(person.id)
        if known is None or known.as_of < person.as_of:
            found[person.id] = person
    return found
