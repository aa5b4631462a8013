"""A target's map: from what happened to the fields of one document, checked against the target's own field schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syncjob.errors import RecordRefused
from syncjob.mapping import files, telling
from syncjob.mapping.counting import Counts, What
from syncjob.mapping.fields import Schema
from syncjob.mapping.files import MapFile
from syncjob.mapping.filling import Filling, Make
from syncjob.mapping.telling import Told
from syncjob.model import DocumentKind, Json
from syncjob.yamlfile import Node


@dataclass(slots=True)
class _Kind:
    """What makes documents of one kind, and how many were made since the counts were last drained."""

    makers: tuple[tuple[str, Make], ...]
    documents: int = 0


class _Counts(Counts):
    """The counts of a target's map: the documents are added up apart, since each passes here."""

    __slots__ = ("kinds",)

    def __init__(self, map: str) -> None:
        super().__init__(map)
        self.kinds: dict[DocumentKind, _Kind] = {}

    def drain(self) -> dict[tuple[str, What], int]:
        """What was counted since the last time, by (field, what)."""
        for kind, made in self.kinds.items():
            if made.documents:
                self.note(kind.value, What.READ, made.documents)
                made.documents = 0
        return super().drain()


class TargetMap:
    """A target's map, compiled: `body` gives the fields of a document; `digest` changes with the map or its schema.

    `counts` is what the rules did with values, by "document kind.field".
    """

    def __init__(self, file: MapFile) -> None:
        """Check the whole map; raises Misconfigured with file, line and column."""
        words = file.root.mapping(["target", "documents"], ["target", "documents"])
        self.name = words["target"].choice([file.of])
        self._file = file
        counts = _Counts(file.name.removeprefix("mappings/").removesuffix(".yaml"))
        self.counts: Counts = counts
        self._schema = schema = Schema(file.schema, file.of)
        self._kinds = counts.kinds
        self._nodes: dict[DocumentKind, Node] = {}
        words["documents"].one_or_more()
        for group in words["documents"].sequence():
            parts = group.mapping(["kinds", "fields"], ["kinds", "fields"])
            for one in parts["kinds"].one_or_more():
                kind = schema.kind(one)
                if kind in self._kinds:
                    raise one.wrong(f"{kind.value!r} is mapped twice", "keep one of them")
                self._nodes[kind] = parts["fields"]
                self._kinds[kind] = _Kind(Filling(file, schema, kind, parts["fields"], counts).makers())
        for kind in schema.kinds():
            if kind not in self._kinds:
                why = f"documents of kind {kind.value!r} have no rules here, and {schema.file} says that {self.name} takes them"
                raise words["documents"].wrong(why, "add a block with kinds: and fields:, such as that of the shipped map")
        self.digest = file.digest  # after all tables that the rules name were read

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The fields of one document; an absent value is None. Raises RecordRefused for a value that does not fit its field."""
        of_kind = self._kinds.get(kind)
        if of_kind is None:
            raise self._unlisted(kind)
        of_kind.documents += 1
        name, body = "", {}  # a refusal is counted under the name it came from
        try:
            for name, make in of_kind.makers:
                body[name] = make(happening)
        except RecordRefused:
            self.counts.note(f"{kind.value}.{name}", What.HELD)
            raise
        return body

    def wrote(self, kind: DocumentKind) -> tuple[str, ...]:
        """The fields that the map fills in documents of a kind, in its order; none for a kind that it does not list."""
        of_kind = self._kinds.get(kind)
        return tuple(name for name, _ in of_kind.makers) if of_kind is not None else ()

    def explained(self, kind: DocumentKind, happening: Mapping[str, object]) -> tuple[Told, ...]:
        """Each value that the map makes of what happened, and the line of the map that decided; nothing is counted.

        Raises RecordRefused for a kind of document that the map does not list; a value that is refused is told in its place.
        """
        if kind not in self._nodes:
            raise self._unlisted(kind)
        filling = Filling(self._file, self._schema, kind, self._nodes[kind], Counts(self.counts.map))
        return telling.told(filling, happening)

    def _unlisted(self, kind: DocumentKind) -> RecordRefused:
        why = f"documents of kind {kind.value!r} are not listed in {self._file.name}"
        return RecordRefused(why, cure="add the kind to the map, then run: syncjob held retry")


def load_target(kind: Literal["accounting", "crm"], name: str, home: Path | None = None) -> TargetMap:
    """The map of a target: mappings/KIND/NAME.yaml of the home, or else the one that came with syncjob.

    Raises Misconfigured, with file, line, column and cure, for a map that is not right as a whole.
    """
    return TargetMap(files.read(kind, name, home))
