"""A target's map: from what happened to the fields of one document, checked against the target's own field schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from syncjob.errors import RecordRefused
from syncjob.mapping import files
from syncjob.mapping.fields import Schema
from syncjob.mapping.files import MapFile
from syncjob.mapping.filling import Filling, Make
from syncjob.model import DocumentKind, Json


class TargetMap:
    """A target's map, compiled: `body` gives the fields of a document; `digest` changes with the map or its schema."""

    def __init__(self, file: MapFile) -> None:
        """Check the whole map; raises Misconfigured with file, line and column."""
        words = file.root.mapping(["target", "documents"], ["target", "documents"])
        self.name = words["target"].choice([file.of])
        self.digest = file.digest
        self._map = file.name
        schema = Schema(file.schema, file.of)
        self._fields: dict[DocumentKind, tuple[tuple[str, Make], ...]] = {}
        words["documents"].one_or_more()
        for group in words["documents"].sequence():
            parts = group.mapping(["kinds", "fields"], ["kinds", "fields"])
            for one in parts["kinds"].one_or_more():
                kind = schema.kind(one)
                if kind in self._fields:
                    raise one.wrong(f"{kind.value!r} is mapped twice", "keep one of them")
                self._fields[kind] = Filling(schema.fields(kind), schema.file, parts["fields"]).makers()

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The fields of one document; an absent value is None. Raises RecordRefused for a value that does not fit its field."""
        fields = self._fields.get(kind)
        if fields is None:
            why = f"documents of kind {kind.value!r} are not listed in {self._map}"
            raise RecordRefused(why, cure="add the kind to the map, then run: syncjob held retry")
        return {name: make(happening) for name, make in fields}


def load_target(kind: Literal["accounting", "crm"], name: str, home: Path | None = None) -> TargetMap:
    """The map of a target: mappings/KIND/NAME.yaml of the home, or else the one that came with syncjob.

    Raises Misconfigured, with file, line, column and cure, for a map that is not right as a whole.
    """
    return TargetMap(files.read(kind, name, home))
