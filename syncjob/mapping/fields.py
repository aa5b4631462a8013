"""A target's field schema: which fields its documents have, of which type, how long, and which must be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncjob.mapping import soundness
from syncjob.model import DocumentKind
from syncjob.yamlfile import Node

TYPES = ("text", "id", "email", "enum", "money", "currency", "date", "instant", "list", "texts")
_WORDS = ("type", "most", "required", "currency", "values")
_WITH_LENGTH = ("text", "id", "email", "enum", "list", "texts")
_MOST_DEFAULT = 5000


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a target's document; `most` counts characters, `currency` names the field beside an amount."""

    name: str
    type: str
    most: int = _MOST_DEFAULT
    required: bool = False
    currency: str = ""
    values: tuple[str, ...] = ()


class Schema:
    """The documents a target can hold, read from mappings/schemas."""

    def __init__(self, node: Node, name: str) -> None:
        """Read and check it; raises Misconfigured with file, line and column."""
        self.file = node.place.file
        self._documents: dict[DocumentKind, Mapping[str, Field]] = {}
        words = node.mapping(["target", "documents"], ["target", "documents"])
        words["target"].choice([name])
        for group in words["documents"].sequence():
            parts = group.mapping(["kinds", "fields"], ["kinds", "fields"])
            soundness.distinct(parts["kinds"])
            fields = {name: _field(name, one) for name, one in parts["fields"].mapping().items()}
            for name, field in fields.items():
                if field.type == "money" and fields.get(field.currency, field).type != "currency":
                    why = f"{name!r} is an amount without a currency field"
                    raise parts["fields"].mapping()[name].wrong(why, "add currency: with the name of a field of type currency")
            for one in parts["kinds"].one_or_more():
                kind = DocumentKind(one.choice(kind.value for kind in DocumentKind))
                if kind in self._documents:
                    raise one.wrong(f"the fields of {kind.value!r} stand twice", "keep one of them")
                self._documents[kind] = fields

    def kind(self, node: Node) -> DocumentKind:
        """A document kind that the target can hold."""
        return DocumentKind(node.choice(kind.value for kind in self._documents))

    def fields(self, kind: DocumentKind) -> Mapping[str, Field]:
        """The fields of a kind by name."""
        return self._documents[kind]


def _field(name: str, node: Node) -> Field:
    words = node.mapping(_WORDS, ["type"])
    words["type"].choice(TYPES)
    for type, word in (("enum", "values"), ("money", "currency")):
        if (words["type"].content == type) != (word in words):
            raise node.wrong(f"{word}: and type: {type} belong together", f"write both or neither at {name!r}")
    if "most" in words and words["type"].text() not in _WITH_LENGTH:
        raise words["most"].wrong(f"most: counts characters, which {words['type'].text()} has none of", "remove most:")
    if "values" in words:
        words["values"].sequence()
        soundness.distinct(words["values"])
    return Field(
        name=name,
        type=words["type"].text(),
        most=words["most"].whole(1, 1_000_000) if "most" in words else _MOST_DEFAULT,
        required="required" in words and words["required"].flag(),
        currency=words["currency"].text() if "currency" in words else "",
        values=tuple(one.text() for one in words["values"].sequence()) if "values" in words else (),
    )
