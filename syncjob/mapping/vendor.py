"""What a vendor's fields hold, as its field schema says: an amount, a currency, an instant, the id of a customer, a word.

A schema may leave the types out and list the names only: then paths are checked, and what stands behind them is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncjob.model import Path
from syncjob.yamlfile import Node

TYPES = (
    *("id", "money", "decimal", "currency", "seconds", "iso", "local", "day"),
    *("country", "subdivision", "email", "phone", "flag", "number", "text", "any", "enum"),
)
_INSTANTS = dict.fromkeys(
    ("seconds", "iso", "local", "day"), ("occurred", "effective", "available", "paid_out", "due")
)
OURS: Mapping[str, Sequence[str]] = {  # type -> what `of` may say: the only fields of ours that it may stand in
    "money": ("gross", "fee", "net", "presented", "amount", "refunded", "paid", "open", "tax"),
    "text": ("name", "company", "line1", "line2", "postal_code", "city"),
    **_INSTANTS,
}
_WITH_OF = ("id", *OURS)
_NAMED_MOST = 3  # more types in a sentence say nothing to its reader
_CALLED = {
    "id": "an id",
    "money": "an amount in whole minor units",
    "decimal": "an amount with a decimal point",
    "currency": "a currency",
    "seconds": "an instant in Unix seconds",
    "iso": "an instant with its offset",
    "local": "a local time without an offset",
    "day": "a calendar day",
    "country": "a country",
    "subdivision": "a part of a country",
    "email": "an e-mail address",
    "phone": "a phone number",
    "flag": "a yes or no",
    "number": "a number",
    "text": "a text",
    "any": "whatever somebody wrote",
    "enum": "one of the vendor's words",
}


@dataclass(frozen=True, slots=True)
class Holds:
    """What one field of a record type holds.

    `of` says whose id it is, or which of our fields alone it may fill (OURS); `words` are those of an enum that the vendor
    documents, `open` whether others may come.
    """

    type: str
    of: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    open: bool = False

    @property
    def is_personal(self) -> bool:
        """Whether it says who somebody is or where to reach them."""
        return self.type in ("email", "phone") or (self.type == "text" and bool(self.of))

    def __str__(self) -> str:
        """What it holds as a sentence names it: the id of a charge or refund."""
        if self.type == "id" and self.of:
            named = " or ".join(self.of) if len(self.of) <= _NAMED_MOST else f"{self.of[0]} or {len(self.of) - 1} other types"
            return f"the id of {'an' if named[0] in 'aeiou' else 'a'} {named}"
        return _CALLED[self.type]


def holds(records: Node) -> dict[str, dict[Path, Holds | None]]:
    """The fields of each record type, with what each holds; None where anything may stand there."""
    found: dict[str, dict[Path, Holds | None]] = {}
    for record, fields in records.mapping().items():
        if isinstance(fields.content, Mapping):
            typed = fields.mapping()
            found[record] = {tuple(name.split(".")): _holds(record, name, node) for name, node in typed.items()}
        else:
            found[record] = {tuple(one.text().split(".")): None for one in fields.sequence()}
    return found


def _holds(record: str, name: str, node: Node) -> Holds | None:
    if isinstance(node.content, Mapping):
        said = node.mapping(["enum", "open"], ["enum"])
        words = [one.text() for one in said["enum"].one_or_more()]
        for place, one in enumerate(said["enum"].one_or_more()):
            if one.text() in words[:place]:
                raise one.wrong(f"{one.text()!r} stands twice in this list", "keep one of them")
        return Holds("enum", words=tuple(words), open="open" in said and said["open"].flag())
    type, has_of, rest = node.text().partition(" of ")
    if type == "enum":
        raise node.wrong("an enum stands here without its words", "write {enum: [...]} with those that the vendor documents")
    if type not in TYPES:
        Node(node.place, type).choice([one for one in TYPES if one != "enum"])
    if type == "any":
        return None
    if not has_of:
        return Holds(type, of=(record,) if (type, name) == ("id", "id") else ())
    of = [name.strip() for name in rest.split(",")]
    if type not in _WITH_OF:
        raise node.wrong(f"{type} is of nothing", f"write {type} alone; {', '.join(_WITH_OF)} may say of what")
    for whose in of:
        if type in OURS and whose not in OURS[type]:
            raise node.wrong(f"{whose!r} is no field of ours for {type}", f"write {', '.join(OURS[type])}, or {type} alone")
        if not whose or of.count(whose) > 1:
            raise node.wrong(f"{whose!r} does not go after of", "write each record type once, with commas between them")
    return Holds(type, of=tuple(of))


def unlisted(node: Node, what: Sequence[Holds | None]) -> None:
    """Complain about a word that a field never holds: no other than yes and no of a flag, than the documented ones of an enum.

    Where a vendor may send words that it does not document, or a field holds any text, every word passes.
    """
    words: list[str] = []
    for one in what:
        if one is None or one.open or one.type not in ("enum", "flag"):
            return
        words += [word for word in one.words or ("true", "false") if word not in words]
    node.choice(words)
