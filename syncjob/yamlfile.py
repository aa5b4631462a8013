"""The only module that reads YAML: every scalar stays the text that was written, every complaint names file, line and column.

YAML's own guesses would make NO false and 0123 eighty-three, so none are made; a caller names each conversion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from syncjob.errors import Misconfigured

SIZE_MAX_BYTES = 1 << 20
DEPTH_MAX = 20
_UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_FLAGS = {"yes": True, "no": False, "true": True, "false": False}
# What an editor shows as nothing, or as something else than YAML makes of it: control characters, line breaks that only YAML
# takes for such (a lone CR, NEL, U+2028, U+2029), invisible spaces, marks that turn the order of letters, broken halves.
_UNSEEN = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_Loader: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: file name, line and column, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a YAML file: a text, a list of nodes, or keys with their nodes; `keys` says where each key was written."""

    place: Place
    content: Content
    quoted: bool = False
    keys: Mapping[str, Place] | None = None

    def wrong(self, why: str, cure: str = "") -> Misconfigured:
        """A complaint about this very place."""
        return complaint(self.place, why, cure)

    def text(self, *, empty: bool = False) -> str:
        """The text as written; nothing, or YAML's null, is refused unless quotes say that it is meant."""
        content = self.content
        if not isinstance(content, str):
            raise self.wrong(f"a text is wanted here, this is {_shape(content)}")
        if not self.quoted and content in ("~", "null", "Null", "NULL"):
            raise self.wrong(f"{content} is no value", "leave the line out, or write the text in quotes")
        if not content and not empty:
            raise self.wrong("nothing is written here", "write a value, or leave the line out")
        return content

    def sequence(self) -> tuple[Node, ...]:
        """The nodes of a list."""
        if not isinstance(self.content, tuple):
            raise self.wrong(f"a list is wanted here, this is {_shape(self.content)}", "write [a, b] or a line with - per item")
        return self.content

    def one_or_more(self) -> tuple[Node, ...]:
        """The nodes of a list, or the one node that stands for a list of one; an empty list is refused."""
        nodes = self.content if isinstance(self.content, tuple) else (self,)
        if not nodes:
            raise self.wrong("the list is empty", "write at least one item")
        return nodes

    def mapping(self, allowed: Iterable[str] | None = None, required: Iterable[str] = ()) -> Mapping[str, Node]:
        """The keys and their nodes; a key that is not allowed, or a required one that is missing, is refused."""
        content = self.content
        if not isinstance(content, dict):
            raise self.wrong(f"keys with values are wanted here, this is {_shape(content)}", "write key: value")
        if allowed is not None:
            words = tuple(allowed)
            for key in content:
                if key not in words:
                    raise complaint(self.key_place(key), f"{key!r} is not known here", _choices(key, words))
        for key in required:
            if key not in content:
                raise self.wrong(f"{key!r} is missing here", f"add a line {key}: ...")
        return content

    def key_place(self, key: str) -> Place:
        """Where a key of this mapping was written."""
        return (self.keys or {}).get(key, self.place)

    def choice(self, allowed: Iterable[str]) -> str:
        """A text out of a closed list of words."""
        words = tuple(allowed)
        text = self.text()
        if text not in words:
            raise self.wrong(f"{text!r} is not one of the words allowed here", _choices(text, words))
        return text

    def flag(self) -> bool:
        """A yes or no (true and false mean the same)."""
        return _FLAGS[self.choice(_FLAGS)]

    def whole(self, least: int | None = None, most: int | None = None) -> int:
        """A whole number in plain digits, within bounds."""
        text = self.text()
        if not _WHOLE.fullmatch(text):
            raise self.wrong(f"{text!r} is not a whole number", "write digits only, such as 25")
        number = int(text)
        if (least is not None and number < least) or (most is not None and number > most):
            bounds = " and ".join(f"{word} {end}" for word, end in (("at least", least), ("at most", most)) if end is not None)
            raise self.wrong(f"{text} is out of bounds", f"write {bounds}")
        return number

    def duration(self) -> timedelta:
        """A length of time such as 90s, 10m, 72h, 35d or 2w."""
        text = self.text()
        found = _DURATION.fullmatch(text)
        if found is None:
            raise self.wrong(f"{text!r} is not a length of time", "write a number and a unit, such as 90s, 10m, 72h, 35d or 2w")
        return timedelta(seconds=int(found[1]) * _UNITS_SECONDS[found[2]])


Content: TypeAlias = "str | tuple[Node, ...] | dict[str, Node]"


def complaint(place: Place, why: str, cure: str = "") -> Misconfigured:
    """A Misconfigured whose sentence begins with file:line:column and ends with the cure."""
    return Misconfigured(f"{place}: {why}; {cure}" if cure else f"{place}: {why}")


def load(source: Path | str, name: str = "") -> Node:
    """Read a YAML file (a Path) or text; `name` is what complaints call it.

    Raises Misconfigured for what cannot be read, is larger than 1 MiB or deeper than 20 levels, names a key twice, holds
    characters that nobody sees, or uses anchors, aliases, tags or merges.
    """
    file = name or str(source if isinstance(source, Path) else "text")
    text = read_text(source, file) if isinstance(source, Path) else source.removeprefix("\ufeff")
    if len(text.encode("utf-8", "surrogatepass")) > SIZE_MAX_BYTES:
        raise _too_large(file)
    refuse_unseen(text, file)
    try:
        return _Reader(file, yaml.parse(text, Loader=_Loader)).document()
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        why = " ".join(str(part) for part in (wrong.context, wrong.problem) if part)
        raise complaint(place, f"this is not YAML: {why}", "mind indentation, quotes and colons") from None
    except yaml.YAMLError as wrong:
        why = " ".join(str(wrong).split())
        raise complaint(Place(file, 1, 1), f"this is not YAML: {why}", "save it as UTF-8 text") from None


def read_text(path: Path, file: str, most: int = SIZE_MAX_BYTES) -> str:
    """The text of a file of at most so many bytes, line ends as plain newlines; `file` is what complaints call it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
    except FileNotFoundError:
        raise complaint(Place(file, 1, 1), "there is no such file", "look for a typing error in its name") from None
    except OSError as wrong:
        raise complaint(Place(file, 1, 1), f"it cannot be read: {wrong.strerror}", "check its permissions") from None
    if len(raw) > most:
        raise _too_large(file, most)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        column = wrong.start - (raw.rfind(b"\n", 0, wrong.start) + 1) + 1
        raise complaint(Place(file, line, column), "this is not UTF-8 text", "save the file as UTF-8") from None


def refuse_unseen(text: str, file: str, cure: str = "remove it") -> None:
    """Raise Misconfigured at the first character of a file that nobody sees, or that not everybody sees alike."""
    odd = _UNSEEN.search(text)
    if odd is not None:
        place = Place(file, text.count("\n", 0, odd.start()) + 1, odd.start() - text.rfind("\n", 0, odd.start()))
        raise complaint(place, f"the character U+{ord(odd[0]):04X} stands here, which nobody sees", cure)


def _too_large(file: str, most: int = SIZE_MAX_BYTES) -> Misconfigured:
    why = f"the file is larger than {most >> 20} MiB"
    return complaint(Place(file, 1, 1), why, "split it, or look whether it is the right file")


# ---------------------------------------------------------------- one value written, everything else left as it is


def with_text(source: bytes, keys: Sequence[str], value: str, after: str, file: str) -> bytes:
    """The bytes of a YAML file in which the value under a path of keys is this text; every other byte is the same.

    Where the last key is missing, it gets a line of its own after its neighbour `after`. Raises Misconfigured where the edit
    would change the meaning of anything else, or cannot be made in one place (a value over several lines).
    """
    text = source.decode("utf-8")
    start, end, written = _Finder(text, file).edit(keys, value, after)
    new = text[:start] + written + text[end:]
    place = ".".join(keys)
    before, now = _told(load(text.replace("\r\n", "\n"), file)), _told(load(new.replace("\r\n", "\n"), file))
    if now != _with(before, keys, value):
        raise Misconfigured(f"{file}: {place} cannot be changed there without touching anything else; write {value} by hand")
    return new.encode("utf-8")


_Told: TypeAlias = "tuple[bool, str] | list[_Told] | dict[str, _Told]"


def _told(node: Node) -> _Told:
    """What a tree says, without the places where it says it."""
    if isinstance(node.content, str):
        return node.quoted, node.content
    if isinstance(node.content, tuple):
        return [_told(one) for one in node.content]
    return {key: _told(one) for key, one in node.content.items()}


def _with(told: _Told, keys: Sequence[str], value: str) -> _Told:
    if not keys:
        return _quote(value) != value, value
    if not isinstance(told, dict):
        return {keys[0]: (False, value)}  # there is no such place: it equals nothing that was written
    return {**told, keys[0]: _with(told.get(keys[0], {}), keys[1:], value)}


_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:-]*[A-Za-z0-9_./-]", re.ASCII)


def _quote(value: str) -> str:
    return value if _PLAIN.fullmatch(value) and ": " not in value else "'" + value.replace("'", "''") + "'"


class _Finder:
    """Where a value stands in a text, in characters; the pure loader counts them, the quick one does not."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.BaseLoader)

    def edit(self, keys: Sequence[str], value: str, after: str) -> tuple[int, int, str]:
        """From where to where which text is to be written."""
        next(self._events)  # the stream begins
        next(self._events)  # the document begins
        event = next(self._events)
        for depth, key in enumerate(keys, start=1):
            flow = bool(getattr(event, "flow_style", False))
            found, neighbour = self._look(event, key, after)
            if found is None and neighbour is not None and depth == len(keys):
                return self._beside(neighbour, f"{key}: {_quote(value)}", flow)
            if found is None:
                raise complaint(Place(self._file, 1, 1), f"{'.'.join(keys[:depth])} is not there", "add it by hand")
            event = found
        whole: Any = event
        if not isinstance(event, yaml.ScalarEvent) or event.style in ("|", ">") or whole.start_mark.line != whole.end_mark.line:
            place = Place(self._file, whole.start_mark.line + 1, whole.start_mark.column + 1)
            raise complaint(place, f"{keys[-1]} is written over several lines", "write it on one line")
        start, end = whole.start_mark.index, whole.end_mark.index
        gap = " " if self._text[start - 1 : start] == ":" else ""  # nothing was written behind the colon
        return start, end, gap + _quote(value)

    def _look(self, event: Any, key: str, after: str) -> tuple[Any, tuple[Any, Any] | None]:
        """The event in which a mapping's value begins, and key and value of the neighbour where it has none."""
        neighbour = None
        if not isinstance(event, yaml.MappingStartEvent):
            return None, None
        while isinstance(name := next(self._events), yaml.ScalarEvent):
            begins = next(self._events)
            if name.value == key:
                return begins, None
            if name.value == after and isinstance(begins, yaml.ScalarEvent):
                neighbour = name, begins
            self._skip(begins)
        return None, neighbour

    def _skip(self, begins: Any) -> None:
        opened = int(isinstance(begins, (yaml.MappingStartEvent, yaml.SequenceStartEvent)))
        while opened:
            event = next(self._events)
            opened += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
            opened -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))

    def _beside(self, neighbour: tuple[Any, Any], written: str, flow: bool) -> tuple[int, int, str]:
        name, value = neighbour
        end: int = value.end_mark.index
        if flow:
            return end, end, f", {written}"
        line_end = self._text.find("\n", end)
        newline = "\r\n" if self._text[max(line_end - 1, 0) : line_end] == "\r" else "\n"
        indent = " " * name.start_mark.column
        if line_end < 0:
            return len(self._text), len(self._text), f"\n{indent}{written}"
        return line_end + 1, line_end + 1, f"{indent}{written}{newline}"


class _Reader:
    """Builds the tree from the parser's events, so that nothing is resolved, repeated or guessed."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events

    def document(self) -> Node:
        next(self._events)  # the stream begins
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise complaint(Place(self._file, 1, 1), "the file is empty", "fill it, or restore it")
        root = self._node(next(self._events), 1)
        next(self._events)  # the document ends
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise complaint(self._place(after), "a second document begins here", "keep one document in a file: remove the ---")
        return root

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file, 1, 1)

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            raise complaint(place, f"*{event.anchor} is an alias, which is not read here", "write the value out")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            raise complaint(place, f"&{anchor} is an anchor, which is not read here", "write the value out where it is needed")
        if tag is not None:
            raise complaint(place, f"{tag} is a tag, which is not read here", "remove it: the rules name each conversion")
        if depth > DEPTH_MAX:
            raise complaint(place, f"this is nested deeper than {DEPTH_MAX} levels", "flatten it")
        if isinstance(event, yaml.ScalarEvent):
            if event.style == '"' and (odd := _CONTROL.search(event.value)):
                raise complaint(place, f"the character U+{ord(odd[0]):04X} is in this text, which no text has", "remove it")
            return Node(place, event.value, quoted=event.style not in (None, ""))
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(place, tuple(self._items(depth)))
        return self._mapping(place, depth)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, place: Place, depth: int) -> Node:
        content: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key.content, str):
                raise key.wrong("a key must be a text", "write one word before the colon")
            if key.content == "<<" and not key.quoted:
                raise key.wrong("<< would merge other keys in, which is not read here", "write them out")
            if key.content in content:
                raise key.wrong(f"{key.content!r} stands twice, first in line {keys[key.content].line}", "keep one of them")
            content[key.content] = self._node(next(self._events), depth + 1)
            keys[key.content] = key.place
        return Node(place, content, keys=keys)


def _shape(content: Content) -> str:
    if isinstance(content, str):
        return f"the text {content!r}" if content else "empty"
    return "a list" if isinstance(content, tuple) else "a group of keys"


def _choices(word: str, allowed: tuple[str, ...]) -> str:
    near = get_close_matches(word, allowed, 1)
    listed = ", ".join(allowed) if allowed else "nothing"
    return f"did you mean {near[0]!r}? Allowed: {listed}" if near else f"allowed: {listed}"
