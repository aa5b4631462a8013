"""Schema drift: what a gateway's records hold, watched as they are landed, before any rule has read them.

A vendor who renames a field or invents a word breaks no rule at once: the field is simply absent, and an absent field often has
a meaning. So it is counted, by record type and kept field, how often the field was there, and which words are in no list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from syncjob.mapping import vendor
from syncjob.mapping.counting import What
from syncjob.model import Kept, Path, Record
from syncjob.yamlfile import Node, Place

SAMPLE_MAX = 200  # records of a type that a run looks at field by field; the words of enums are looked at in all
_VALUE_MAX = 60  # characters kept of a word that is new: more than any vendor's enum has
_NEW_MAX = 20  # different new words kept of a record type and run: a field that holds any text is no enum


class Listed(NamedTuple):
    """The words that a vendor documents for a field; `open`: it sends others as well."""

    words: frozenset[str]
    open: bool = False


Enums: TypeAlias = Mapping[str, Mapping[Path, Listed]]  # record type -> field -> its words


class Found(NamedTuple):
    """What was counted: the field, what became of it, and the word where it was a new one."""

    field: str
    what: What
    value: str = ""


class Watch:
    """Looks at the records that a run has landed; counts since it was last drained."""

    def __init__(self, keep: Mapping[str, Kept], enums: Enums) -> None:
        self._keep, self._enums = keep, enums
        self._types: dict[str, _Type] = {}

    def see(self, records: Iterable[Record]) -> None:
        """Look at the versions that were added to the state: each once, however often it is read again."""
        groups: dict[str, list[Record]] = {}
        for record in records:
            if record.problem is None:
                groups.setdefault(record.type, []).append(record)
        for name, group in groups.items():
            of = self._types.get(name)
            if of is None:
                kept = self._keep.get(name)
                if kept is None:
                    continue
                of = self._types[name] = _Type(kept, self._enums.get(name, {}))
            of.see(group)

    def drain(self) -> dict[Found, int]:
        """What was counted since the last time; a kept field that was never there has no count of its own."""
        types, self._types = self._types, {}
        found: dict[Found, int] = {}
        for type, of in types.items():
            if of.seen:
                found[Found(type, What.SEEN)] = of.seen
            found.update({Found(name, What.PRESENT): number for name, number in of.present.items() if number})
            found.update({Found(name, what, word): number for (name, what, word), number in of.new.items()})
        return found

    @property
    def fields(self) -> frozenset[str]:
        """Every field that is watched, as in "charge.billing_details.email"."""
        return frozenset(_name(type, path) for type, kept in self._keep.items() for path in _watched(kept))


@runtime_checkable
class Watching(Protocol):
    """A gateway's map whose records are watched."""

    @property
    def watch(self) -> Watch:
        """Who looks at the landed records."""


class _Type:
    """One record type in one run."""

    __slots__ = ("enums", "fields", "new", "present", "seen")

    def __init__(self, kept: Kept, enums: Mapping[Path, Listed]) -> None:
        self.seen = 0
        self.present: dict[str, int] = {}
        self.new: dict[tuple[str, What, str], int] = {}
        personal = frozenset(kept.personal)
        self.fields = [(_name(kept.type, path), _reader(path, personal=path in personal)) for path in _watched(kept)]
        self.enums = [
            (path, _name(kept.type, path), _reader(path, personal=path in personal), listed, listed.words | {None})
            for path, listed in enums.items()
            if path in kept.fields or path in personal
        ]

    def see(self, group: Sequence[Record]) -> None:
        """Count what is there in the first of the run, and in all of them the words that are in no list."""
        for record in group[: SAMPLE_MAX - self.seen]:
            self._look(record)
        bodies = [record.body for record in group]
        for path, name, read, listed, fine in self.enums:
            try:  # nearly always a page has no other words: then it costs one set of them
                found = {body.get(path[0]) for body in bodies} if len(path) == 1 else {read(record) for record in group}
            except TypeError:  # lists of words
                found = {one for record in group for one in _words(read(record))}
            if found <= fine:
                continue
            for record in group:
                self._unlisted(name, read(record), listed)

    def _look(self, record: Record) -> None:
        self.seen += 1
        present = self.present
        for name, read in self.fields:
            if _is_there(read(record)):
                present[name] = present.get(name, 0) + 1

    def _unlisted(self, name: str, value: object, listed: Listed) -> None:
        what = What.OTHER_VALUE if listed.open else What.NEW_VALUE
        for one in _words(value):
            if not one or one in listed.words:
                continue  # no word is no new word
            key = (name, what, one[:_VALUE_MAX])
            if key in self.new or len(self.new) < _NEW_MAX:
                self.new[key] = self.new.get(key, 0) + 1


def _words(value: object) -> Iterator[str]:
    return (one for one in (value if isinstance(value, list) else (value,)) if isinstance(one, str))


def _is_there(value: object) -> bool:
    """Whether something stands in a field: a flag that is false and an amount of 0 do, empty text and an empty list do not."""
    return bool(value) or isinstance(value, int)


def _watched(kept: Kept) -> Iterator[Path]:
    """The fields with a name; which names stand in a vendor's metadata is the customer's own affair."""
    return (path for path in (*kept.fields, *kept.personal) if "*" not in path)


def _name(type: str, path: Path) -> str:
    return f"{type}.{'.'.join(path)}"


def _reader(path: Path, *, personal: bool) -> Callable[[Record], Any]:
    if len(path) == 1 and not personal:
        (key,) = path
        return lambda record: record.body.get(key)
    if len(path) == 2 and not personal:
        group, inner = path

        def pair(record: Record) -> Any:
            value = record.body.get(group)
            if type(value) is dict:
                return value.get(inner)
            if type(value) is list:
                return [found for one in value if type(one) is dict and (found := one.get(inner)) is not None]
            return None

        return pair
    return lambda record: _dug(record.personal if personal else record.body, path)


def _dug(value: Any, path: Path) -> Any:
    """Follow a path; through a list it leads to what stands in its items."""
    for place, key in enumerate(path):
        if isinstance(value, list):
            return [found for one in value if (found := _dug(one, path[place:])) is not None]
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def enums(schema: Node) -> Enums:
    """The fields of a gateway's schema that hold one of the vendor's documented words."""
    found: dict[str, dict[Path, Listed]] = {}
    for type, fields in vendor.holds(schema.mapping()["records"]).items():
        listed = {path: Listed(frozenset(one.words), one.open) for path, one in fields.items() if one is not None and one.words}
        if listed:
            found[type] = listed
    return found


# ---------------------------------------------------------------- where a map reads a field


def reads(root: Node) -> dict[str, Place]:
    """Where a gateway's map first reads each vendor's field: "charge.billing_details.email" -> file and line.

    What is only kept stands at its list. A path through a join counts for each type that the join may find.
    """
    found: dict[str, Place] = {}
    words = root.mapping()
    for group in ("movements", "facts", "people"):
        for block in words[group].one_or_more() if group in words else ():
            _read_by(block, found)
    for type, fields in words["keep"].mapping().items() if "keep" in words else ():
        for field in fields.sequence():
            found.setdefault(f"{type}.{field.text()}", field.place)
    for type, group_ in words["personal"].mapping().items() if "personal" in words else ():
        for field in group_.mapping()["fields"].sequence():
            found.setdefault(f"{type}.{field.text()}", field.place)
    return found


def _read_by(block: Node, found: dict[str, Place]) -> None:
    words = block.mapping()
    record = words["record"].text()
    joins = words["joins"].mapping() if "joins" in words else {}
    types = {name: [one.text() for one in join.mapping()["record"].one_or_more()] for name, join in joins.items()}
    of_record = {**types, "": [record]}
    for name, node in words.items():
        if name == "joins":
            for join in joins.values():
                parts = join.mapping()
                _paths({"from": parts["from"]}, of_record, found)
                inside = {"": [one.text() for one in parts["record"].one_or_more()]}
                told = {"from": parts["where"]} if "where" in parts else {}
                _paths(told | ({"when": parts["only"]} if "only" in parts else {}), inside, found)
        elif name in ("when", "needs"):
            _paths({name: node}, of_record, found)
        elif name != "record":
            for rule in _rules(node):
                _paths(rule, of_record, found)


def _rules(node: Node) -> Iterator[Mapping[str, Node]]:
    """Every group of words below a field: a rule, a list of rules, or named rules as in `detail` and `address`."""
    if isinstance(node.content, Mapping):
        words = node.mapping()
        if {"from", "value", "when", "needs"} & words.keys():
            yield words
        else:
            for one in words.values():
                yield from _rules(one)
    elif not isinstance(node.content, str):
        for one in node.sequence():
            yield from _rules(one)


def _paths(words: Mapping[str, Node], types: Mapping[str, Sequence[str]], found: dict[str, Place]) -> None:
    named = [one for word in ("from", "needs", "currency", "with") if word in words for one in words[word].one_or_more()]
    told = [(one.text(), one.place) for one in named if isinstance(one.content, str)]
    if "when" in words:
        told += [(path, words["when"].key_place(path)) for path in words["when"].mapping()]
    for path, place in told:
        join, _, rest = path.partition(".")
        of, field = (types[join], rest) if join in types and rest else (types[""], path)
        for type in of:
            found.setdefault(f"{type}.{field}", place)


def rules(root: Node) -> dict[str, Place]:
    """Where a map's rule for each of its own fields stands: "balance_transaction.bucket", "receipt.narration"."""
    found: dict[str, Place] = {}
    words = root.mapping()
    for group in ("movements", "facts", "people"):
        for block in words[group].one_or_more() if group in words else ():
            parts = block.mapping()
            for name in parts:
                found.setdefault(f"{parts['record'].text()}.{name}", block.key_place(name))
            found.setdefault(parts["record"].text(), block.place)
    for block in words["documents"].sequence() if "documents" in words else ():
        parts = block.mapping()
        for kind in parts["kinds"].one_or_more():
            found.setdefault(kind.text(), block.place)
            for name in parts["fields"].mapping():
                found.setdefault(f"{kind.text()}.{name}", parts["fields"].key_place(name))
    return found
