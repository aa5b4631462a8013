"""Paths into gateway records: checked against the vendor's fields, remembered as what is kept, and read fast.

A path such as `origin.metadata.invoice_number` begins with the name of a join, or reads the record at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeAlias

from syncjob.mapping.vendor import Holds, holds
from syncjob.model import Path
from syncjob.yamlfile import Node

Scope: TypeAlias = "Sequence[Any]"  # the stream, the record at hand, then its joins (each a record or None)
Read: TypeAlias = Callable[[Scope], object]
LANDED = ("id", "as_of")  # landed.id, landed.as_of: what every landed record has, whatever the vendor sent

_CARD_FIELDS = (
    *("last4", "dynamic_last4", "fingerprint", "iin", "exp_month", "exp_year", "cvc", "number"),
    *("account_number", "routing_number", "network_token", "network_transaction_id", "authorization_code"),
    *("three_d_secure", "checks", "wallet", "client_secret", "receipt_url", "hosted_invoice_url", "invoice_pdf"),
)
_CARD_GROUPS = ("card", "card_present", "interac_present", "owner", "evidence", "destination_details", "fraud_details")
_NUMBERS_ALLOWED = frozenset({("invoice", "number"), ("number",)})  # an invoice's number, not a card's
_WHOLE_OBJECTS = {"charge": ("source", "shipping", "payment_method_details"), "topup": ("source",)}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields a vendor documents, by record type: what paths are checked against. `metadata.*` stands for any name."""

    source: str
    by_type: Mapping[str, frozenset[Path]]
    what: Mapping[str, Mapping[Path, Holds | None]] = field(default_factory=dict)  # None: the schema does not say

    @classmethod
    def load(cls, schema: Node, name: str) -> Fields:
        """Read the `records` of a gateway's field schema."""
        words = schema.mapping(["gateway", "version", "decimals", "records"], ["gateway", "records"])
        words["gateway"].choice([name])
        what = holds(words["records"])
        return cls(schema.place.file, {type: frozenset(fields) for type, fields in what.items()}, what)

    def has(self, type: str, path: Path) -> bool:
        """Whether this record type has such a field, by name or through a `*`."""
        fields = self.by_type.get(type, frozenset())
        return path in fields or (len(path) > 1 and (*path[:-1], "*") in fields)

    def holds(self, type: str, path: Path) -> Holds | None:
        """What a field of a record type holds, None where the schema does not say."""
        fields = self.what.get(type, {})
        return fields.get(path) or fields.get((*path[:-1], "*"))

    def having(self, node: Node, types: Sequence[str], path: Path) -> list[str]:
        """Which of these record types have the field; it is refused where none has, or where it is card data."""
        for type in types:
            refuse_card_field(node, type, path)
        found = [type for type in types if self.has(type, path)]
        if found:
            return found
        known = sorted({".".join(field) for type in types for field in self.by_type.get(type, ())})
        near = get_close_matches(".".join(path), known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        where = f"the fields are listed in {self.source}"
        raise node.wrong(f"{'.'.join(path)!r} is no field of {' or '.join(types)}", f"{hint}{where}")


def refuse_card_field(node: Node, type: str, path: Path) -> None:
    """Complain where a path names what identifies a card, a bank account or a way to pay: it is never kept."""
    words = set(path)
    whole = path[0] in _WHOLE_OBJECTS.get(type, ()) and path != ("payment_method_details", "type")
    if whole or words.intersection(_CARD_GROUPS) or (words.intersection(_CARD_FIELDS) and path not in _NUMBERS_ALLOWED):
        text = ".".join(path)
        raise node.wrong(f"{text!r} of {type} is card or account data, which is never kept", "remove the path")


def refuse_unlisted(node: Node, type: str, held: Holds) -> None:
    """Complain about a path that says who somebody is and would be kept where nobody can purge it."""
    if held.is_personal:
        why = f"{node.text()!r} of {type} says who somebody is, and is not listed as personal"
        raise node.wrong(why, f"add it to personal: {type}: fields:, so that it can be purged")


class Paths:
    """The paths of one block of a map: its record type, its joins, and what has been read through them so far."""

    def __init__(self, fields: Fields, record: str, personal: Mapping[str, frozenset[Path]]) -> None:
        self._fields = fields
        self._personal = personal
        self._joins: dict[str, tuple[int, tuple[str, ...]]] = {"": (1, (record,))}
        self.read: dict[str, dict[Path, bool]] = {}  # record type -> path -> whether it is an id

    def join(self, name: str, types: tuple[str, ...]) -> int:
        """Name a record that is joined to the one at hand; returns its place in the scope."""
        self._joins[name] = (len(self._joins) + 1, types)
        return len(self._joins)

    def also(self, other: Paths) -> None:
        """Keep what another block of paths reads, too."""
        for type, read in other.read.items():
            self.read.setdefault(type, {}).update(read)

    def index(self, node: Node) -> int:
        """Where in the scope the record stands that a path reads."""
        join, dot, _ = node.text().partition(".")
        # One word alone is a field of the record itself, even where a join bears the same name.
        return self._joins.get(join if dot else "", self._joins[""])[0]

    def what(self, node: Node, part: str = "") -> list[tuple[str, Holds | None]]:
        """What stands at a path, by each record type that it may be read from; `part` is a field of a list's items."""
        words = parse(node)
        if words[0] == "landed":
            return [("record", Holds("id"))] if words == ("landed", "id") else []
        join = words[0] if words[0] in self._joins and len(words) > 1 else ""
        path = (*(words[1:] if join else words), *(part.split(".") if part else ()))
        return [(type, self._fields.holds(type, path)) for type in self._joins[join][1] if self._fields.has(type, path)]

    def beside(self, node: Node) -> list[tuple[str, Holds]]:
        """The fields whose type is known in the record that a path leads to, by the names that a map would write."""
        words = parse(node)
        join = words[0] if words[0] in self._joins and len(words) > 1 else ""
        known = [self._fields.what.get(type, {}) for type in self._joins[join][1]]
        named = {".".join((join, *path) if join else path): what for fields in known for path, what in fields.items()}
        return [(name, what) for name, what in sorted(named.items()) if what is not None]

    @property
    def record(self) -> str:
        """The record type at hand."""
        return self._joins[""][1][0]

    def landed(self, node: Node) -> tuple[str, Read]:
        """The reader of landed.id or landed.as_of, which every landed record has, whatever the vendor sent."""
        name = node.text().removeprefix("landed.")
        if name not in LANDED:
            raise node.wrong(f"{node.text()!r} is not known", f"every record has landed.{' and landed.'.join(LANDED)}")
        return node.text(), lambda scope: getattr(scope[1], name)

    def reader(self, node: Node, *, is_id: bool = False, parts: Sequence[str] = ()) -> tuple[str, Read]:
        """A path's name for people and its reader; `parts` are the fields read of each item where the path is a list."""
        text = node.text()
        if text == "landed.as_of":
            raise node.wrong("landed.as_of is an instant and stands alone", "write {from: landed.as_of} for an instant")
        if text.startswith("landed."):
            return self.landed(node)
        words = parse(node)
        join = words[0] if words[0] in self._joins and len(words) > 1 else ""
        index, types = self._joins[join]
        path = words[1:] if join else words
        paths = [(*path, *part.split(".")) for part in parts] or [path]
        for wanted in paths:
            for type in self._fields.having(node, types, wanted):
                known = self.read.setdefault(type, {})
                known[wanted] = known.get(wanted, False) or is_id
        hidden = {path in self._personal.get(type, frozenset()) for type in types if self._fields.has(type, paths[0])}
        if len(hidden) > 1:
            raise node.wrong(f"{text!r} is personal in some of {', '.join(types)}, not in all", "list it as personal in each")
        for type in types if True not in hidden else ():
            if (held := self._fields.holds(type, paths[0])) is not None:
                refuse_unlisted(node, type, held)
        return text, _reader(index, path, personal=True in hidden)


def _reader(index: int, path: Path, *, personal: bool) -> Read:
    """A reader for a path of any depth; the two depths that nearly all paths have are written out, since each is read often."""
    part: Callable[[Any], Any] = (lambda record: record.personal) if personal else (lambda record: record.body)
    if len(path) == 1 and not personal:
        (key,) = path

        def top(scope: Scope) -> object:
            record = scope[index]
            return None if record is None else record.body.get(key)

        return top
    if len(path) == 2:
        first, second = path

        def inner(scope: Scope) -> object:
            record = scope[index]
            if record is None:
                return None
            group = part(record).get(first)
            return group.get(second) if isinstance(group, dict) else None

        return inner

    def deep(scope: Scope) -> object:
        record = scope[index]
        return None if record is None else dig(part(record), path)

    return deep


def dig(body: object, path: Path) -> object:
    """Follow a path into nested groups of fields; None where it ends early."""
    for key in path:
        if not isinstance(body, dict):
            return None
        body = body.get(key)
    return body


def parse(node: Node) -> Path:
    """A plain path: names with single dots between them."""
    words = tuple(node.text().split("."))
    if "" in words:
        raise node.wrong(f"{node.text()!r} is no path", "write names with single dots between them")
    return words
