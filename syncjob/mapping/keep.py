"""What of each record type is kept on disk: what the map reads, what it lists besides, and which of it is personal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncjob.mapping import soundness
from syncjob.mapping.paths import Fields, Paths, parse, refuse_unlisted
from syncjob.model import Kept, Path
from syncjob.yamlfile import Node


class Keeping:
    """The allow-list of one gateway's map as it is compiled: nothing that stands in no rule and no list is kept."""

    def __init__(self, fields: Fields, keep: Node | None, personal: Node | None) -> None:
        self.fields = fields
        self._fields: dict[str, dict[Path, bool]] = {}
        self._person: dict[str, Path] = {}
        self.personal: dict[str, frozenset[Path]] = {}
        for type, node in self._of_known_types(personal):
            words = node.mapping(["person", "fields"], ["person", "fields"])
            self._person[type] = self._listed(type, words["person"])
            if words["fields"].sequence():
                soundness.distinct(words["fields"])
            self.personal[type] = frozenset(self._listed(type, one) for one in words["fields"].sequence())
            self._fields.setdefault(type, {})[self._person[type]] = True
        for type, node in self._of_known_types(keep):
            if node.sequence():
                soundness.distinct(node)
            for one in node.sequence():
                path = self._listed(type, one)
                if path not in self.personal.get(type, ()) and (held := fields.holds(type, path)) is not None:
                    refuse_unlisted(one, type, held)
                self._fields.setdefault(type, {}).setdefault(path, False)

    def known_type(self, node: Node) -> str:
        """A record type that the vendor's field schema lists; its records are kept from now on."""
        type = node.choice(self.fields.by_type)
        self._fields.setdefault(type, {})
        return type

    def add(self, paths: Paths) -> None:
        """Keep what a block of rules reads."""
        for type, read in paths.read.items():
            for path, is_id in read.items():
                known = self._fields.setdefault(type, {})
                known[path] = known.get(path, False) or is_id

    def kept(self) -> dict[str, Kept]:
        """The allow-list by record type."""
        return {type: self._kept(type, paths) for type, paths in sorted(self._fields.items())}

    def _kept(self, type: str, paths: Mapping[Path, bool]) -> Kept:
        personal = self.personal.get(type, frozenset())
        return Kept(
            type=type,
            fields=tuple(sorted(path for path in paths if path not in personal)),
            personal=tuple(sorted(personal)),
            person=self._person.get(type, ()),
            ids=tuple(sorted(path for path, is_id in paths.items() if is_id)),
        )

    def _of_known_types(self, node: Node | None) -> Iterator[tuple[str, Node]]:
        if node is None:
            return
        for type, one in node.mapping().items():
            Node(node.key_place(type), type).choice(self.fields.by_type)
            yield type, one

    def _listed(self, type: str, node: Node) -> Path:
        path = parse(node)
        self.fields.having(node, [type], path)
        return path
