"""A target's field schema: which fields its documents have, of which type, how long, and which must be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from syncjob.mapping import soundness
from syncjob.mapping.happening import NAMES, OF, named
from syncjob.model import DocumentKind
from syncjob.yamlfile import Node, complaint

TYPES = (
    *("text", "id", "email", "phone", "enum", "flag", "money", "currency", "direction", "date", "instant"),
    *("country", "subdivision", "address", "role", "list", "texts"),
)
WORDS = ("type", "most", "most_bytes", "required", "currency", "direction", "of", "values", "without", "parts", "names")
PARTS = ("line1", "line2", "postal_code", "city", "subdivision", "country")  # of an address, as model.Address has them
_PARTS_MUST = ("line1", "postal_code", "city", "country")
CODES = {  # how a part of an address may be written, besides its code
    "country": ("country_name", "country_code3"),
    "subdivision": ("subdivision_name", "subdivision_short"),
}
_GO_WITH = {  # word -> the types it goes with
    "most": ("text", "id", "email", "phone", "enum", "list", "texts"),
    "most_bytes": ("text", "id", "email", "phone", "enum", "list", "texts"),
    "without": ("text", "phone", "list", "texts", "address"),
    "of": ("money", "id", "date", "instant", "text", "email", "phone"),
    "direction": ("money",),
    "names": ("texts",),
}
_PLAIN = ("money", "date", "instant")  # types that hold nothing but their own
_PART_WORDS = ("field", "most", "most_bytes", "as")
_TOGETHER = (("enum", "values"), ("money", "currency"), ("address", "parts"))
_CRM = (
    *(DocumentKind.CONTACT, DocumentKind.COMPANY, DocumentKind.PAYMENT, DocumentKind.DEAL),
    *(DocumentKind.TASK, DocumentKind.EVENT),
)
_MOST_DEFAULT = 5000
_MOST_MAX = 1_000_000
_BYTES_LEAST = 4  # a letter, or the ellipsis that stands for what was cut


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a target's document; `most` counts characters, `currency` names the field beside an amount.

    An amount with a field of its `direction` ("": none) is written without a sign. `most_bytes` counts bytes of UTF-8 (0: any
    number). `of` says whose id it is, or which names alone may stand there. `without`
    holds characters that the target does not take, each with what it becomes. `parts` are the fields of an address, by ours;
    `names` says which names a map may choose for texts (None: any).
    """

    name: str
    type: str
    most: int = _MOST_DEFAULT
    most_bytes: int = 0
    required: bool = False
    currency: str = ""
    direction: str = ""
    of: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    without: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
    names: Names | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What names a map may choose for its texts, as a pattern and as a sentence says it."""

    like: re.Pattern[str]
    says: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an address as the target has it: its field, and how a country or subdivision is written there ("": code)."""

    field: Field
    spelled: str = ""


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
            for name, one in fields.items():
                if one.type == "money" and fields.get(one.currency, one).type != "currency":
                    why = f"{name!r} is an amount without a currency field"
                    raise parts["fields"].mapping()[name].wrong(why, "add currency: with the name of a field of type currency")
                if one.direction and fields.get(one.direction, one).type != "direction":
                    why = f"{one.direction!r} says no direction of {name!r}"
                    raise parts["fields"].mapping()[name].wrong(why, "name a field of type direction, or leave direction: out")
            for one_kind in parts["kinds"].one_or_more():
                kind = DocumentKind(one_kind.choice(kind.value for kind in DocumentKind))
                if kind in self._documents:
                    raise one_kind.wrong(f"the fields of {kind.value!r} stand twice", "keep one of them")
                self._documents[kind] = fields
                _no_accounts(kind, parts["fields"], fields)

    def kinds(self) -> tuple[DocumentKind, ...]:
        """Every document kind that the target can hold."""
        return tuple(self._documents)

    def kind(self, node: Node) -> DocumentKind:
        """A document kind that the target can hold."""
        return DocumentKind(node.choice(kind.value for kind in self._documents))

    def fields(self, kind: DocumentKind) -> Mapping[str, Field]:
        """The fields of a kind by name."""
        return self._documents[kind]


def _no_accounts(kind: DocumentKind, node: Node, fields: Mapping[str, Field]) -> None:
    for name, one in fields.items():
        if one.type == "role" and kind in _CRM:
            why = f"{name!r} is an account, and a {kind.value} of a CRM has none"
            raise node.mapping()[name].wrong(why, "keep role for documents of books")


def _field(name: str, node: Node) -> Field:
    words = node.mapping(WORDS, ["type"])
    type = words["type"].choice(TYPES)
    for its, word in _TOGETHER:
        may = word == "values" and type == "direction"  # in and out, if the target has no words of its own
        if (type == its) != (word in words) and not may:
            raise node.wrong(f"{word}: and type: {its} belong together", f"write both or neither at {name!r}")
    for word, types in _GO_WITH.items():
        if word in words and type not in types:
            counts = word.startswith("most")
            why = f"{word}: counts characters, which {type} has none of" if counts else f"{word}: does not go with type: {type}"
            raise words[word].wrong(why, f"remove {word}:")
    if "values" in words:
        words["values"].sequence()
        soundness.distinct(words["values"])
    return Field(
        name=name,
        type=type,
        most=words["most"].whole(1, _MOST_MAX) if "most" in words else _MOST_DEFAULT,
        most_bytes=words["most_bytes"].whole(_BYTES_LEAST, _MOST_MAX) if "most_bytes" in words else 0,
        required="required" in words and words["required"].flag(),
        currency=words["currency"].text() if "currency" in words else "",
        direction=words["direction"].text() if "direction" in words else "",
        of=_of(words["of"], type) if "of" in words else (),
        values=tuple(one.text() for one in words["values"].sequence()) if "values" in words else (),
        without=_without(words["without"]) if "without" in words else {},
        parts=_parts(words) if "parts" in words else {},
        names=_names(words["names"]) if "names" in words else None,
    )


def _names(node: Node) -> Names:
    words = node.mapping(["like", "says"], ["like", "says"])
    try:
        return Names(re.compile(words["like"].text(), re.ASCII), words["says"].text())
    except re.error as wrong:
        raise words["like"].wrong(f"{words['like'].text()!r} is no pattern: {wrong}", "write a regular expression") from None


def _of(node: Node, type: str) -> tuple[str, ...]:
    """Whose id a field holds, or which of the names alone may stand in it."""
    soundness.distinct(node)
    allowed = dict.fromkeys(OF.values()) if type == "id" else named(type) if type in _PLAIN else NAMES
    return tuple(one.choice(allowed) for one in node.one_or_more())


def _without(node: Node) -> dict[int, str]:
    """Characters that the target does not take, each with what it becomes."""
    becomes = {}
    for character, one in soundness.some(node, "character").items():
        if len(character) != 1:
            why = f"{character!r} is not one character"
            raise complaint(node.key_place(character), why, "write a line for each character that the target does not take")
        becomes[ord(character)] = one.text(empty=True)
    for one in node.mapping().values():
        left = next((letter for letter in one.text(empty=True) if ord(letter) in becomes), None)
        if left is not None:
            raise one.wrong(f"{left!r} stands here, which the target does not take either", "write another character")
    return becomes


def _parts(words: Mapping[str, Node]) -> dict[str, Part]:
    """The fields of an address, by our own names of its parts; where the target has no field for a part, it has none."""
    node = words["parts"]
    without = _without(words["without"]) if "without" in words else {}
    parts: dict[str, Part] = {}
    seen: dict[str, str] = {}
    for part, one in node.mapping(PARTS, _PARTS_MUST).items():
        inner = {"field": one} if isinstance(one.content, str) else one.mapping(_PART_WORDS, ["field"])
        name = inner["field"].text()
        if name in seen:
            raise inner["field"].wrong(f"{name!r} is the field of {seen[name]} already", "name another field")
        seen[name] = part
        spelled = inner["as"].choice(CODES.get(part, ())) if "as" in inner else ""
        most = inner["most"].whole(1, _MOST_MAX) if "most" in inner else _MOST_DEFAULT
        most_bytes = inner["most_bytes"].whole(_BYTES_LEAST, _MOST_MAX) if "most_bytes" in inner else 0
        parts[part] = Part(Field(name, "text", most, most_bytes, without=without), spelled)
    return parts
