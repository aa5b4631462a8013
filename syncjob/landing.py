"""Landing: what a gateway showed is reduced to the kept fields, redacted, and split from what is personal.

Nothing that is not on the allow-list passes, and nothing is written before it has passed here. A path leads through lists by
itself (("fee_details", "amount") is the amount of each fee), and `*` stands for any name or item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from syncjob import redact
from syncjob.errors import Problem
from syncjob.model import Json, Kept, Path, Raw, Record, Spelled, canonical, digest
from syncjob.moment import iso

Pick: TypeAlias = Callable[[Any], Any]
_Tree: TypeAlias = "dict[str, _Tree]"  # an empty one: the whole field is kept

_GUEST = "guest-"
_ABSENT: Any = object()
_INT_CARD_MIN = 10**12  # the smallest number that has a card number's digits


def land(raws: Iterable[Raw], keep: Mapping[str, Kept]) -> list[Record]:
    """Reduce, redact and split records; one that may not be kept comes out held, without its content and with a Problem."""
    return [_landed(raw, keep.get(raw.type)) for raw in raws]


def guest(email: str) -> str:
    """The person id of somebody known by e-mail address only: a digest, the key of a purge."""
    return _GUEST + digest(email.strip().lower())


# ---------------------------------------------------------------- one record


def _landed(raw: Raw, kept: Kept | None) -> Record:
    if kept is None:
        why = "records of this type are not listed in the gateway's map, so nothing of it is kept"
        return _held(raw, why, "list the type under keep: in the gateway's map, then backfill")
    rules = _compiled(kept)
    body: dict[str, Json] = rules.body(raw.body)
    personal: dict[str, Json] = _filled(rules.personal(raw.body)) if rules.personal is not None else {}
    text, personal_text = canonical(body), canonical(personal) if personal else "{}"
    # One look at everything that would be written: nearly every record passes, and no text of it is touched.
    everything = f"{text}{personal_text} {raw.id} {raw.subject}"
    if redact.suspect(everything) or not everything.isprintable():
        place = _number_in_id(raw, rules.ids, body) or _number_in_id(raw, rules.ids, personal)
        if place:
            why = f"a card number stands in its {place}, where only an id, a code or an amount belongs"
            return _held(raw, why, "look it up at the gateway by its date; only a person can book it")
        body, personal = _cleaned(body, rules.ids), _cleaned(personal, rules.ids)
        text, personal_text = canonical(body), canonical(personal)
    person = _person(raw, kept, personal) if personal else ""
    id, subject, version = _legal(raw.id), _legal(raw.subject), digest(text, personal_text)
    body, personal = Spelled(body, text), Spelled(personal, personal_text)
    return Record(raw.type, id, raw.occurred, raw.as_of, subject, body, personal, person, version)


def _held(raw: Raw, why: str, cure: str) -> Record:
    # The id's place is taken by a digest of what is no secret about it: a digest of the number itself could be guessed back.
    id, subject = _legal(raw.id), _legal(raw.subject)
    if redact.has_card(id) or redact.has_card(subject):
        id = "held-" + digest(raw.type, redact.clean(id), iso(raw.occurred))
        subject = f"{raw.type}:{id}"
    problem = Problem(f"{raw.type} {id}", "", why, cure)
    return Record(raw.type, id, raw.occurred, raw.as_of, subject, {}, {}, "", digest("held", why), problem)


def _person(raw: Raw, kept: Kept, personal: Mapping[str, Json]) -> str:
    """Whose the personal fields are: the gateway's id of the person, else a digest of the e-mail, else the record's own."""
    named = _dug(raw.body, kept.person) if kept.person else None
    if isinstance(named, Mapping):
        named = named.get("id")
    if isinstance(named, str) and named and not redact.has_card(named):
        return _legal(named)
    for path in kept.personal:
        address = _dug(personal, path) if "email" in path[-1] else None
        if isinstance(address, str) and address:
            return guest(address)
    return _GUEST + digest(raw.type, raw.id)


# ---------------------------------------------------------------- reducing


class _Rules:
    """An allow-list made ready: what picks the body, what picks the personal fields, and which paths are ids."""

    __slots__ = ("body", "ids", "personal")

    def __init__(self, kept: Kept) -> None:
        hidden = _tree(kept.personal)
        self.body = _picker(_tree(kept.fields), hidden)
        self.personal = _picker(hidden, {}) if kept.personal else None
        self.ids = frozenset(kept.ids)


@lru_cache(maxsize=256)
def _compiled(kept: Kept) -> _Rules:
    return _Rules(kept)


def _tree(paths: Iterable[Path]) -> _Tree:
    whole: set[Path] = set(paths)
    root: _Tree = {}
    for path in whole:
        if any(path[:length] in whole for length in range(1, len(path))):
            continue  # a longer path inside a field that is kept whole says nothing new
        at = root
        for name in path:
            at = at.setdefault(name, {})
    return root


def _picker(tree: _Tree, hidden: _Tree) -> Pick:
    """A function that picks the fields of a tree out of a value, except the hidden ones; through lists item by item."""
    plain = [name for name, below in tree.items() if not below and name not in hidden and name != "*"]
    nested = [
        (name, _picker(below, hidden.get(name, {})) if below else _without(hidden[name]))
        for name, below in tree.items()
        if name != "*" and (below or hidden.get(name))
    ]
    rest = tree.get("*")
    every = None if rest is None else _picker(rest, hidden.get("*", {})) if rest else _without(hidden)

    def pick(value: Any) -> Any:
        if isinstance(value, dict):
            found = {name: value[name] for name in plain if name in value}
            for name, inner in nested:
                if name in value and (picked := inner(value[name])) is not _ABSENT:
                    found[name] = picked
            if every is not None:
                for name, one in value.items():
                    if name not in found and (picked := every(one)) is not _ABSENT:
                        found[name] = picked
            return found
        if isinstance(value, list):
            of_item = every or pick
            return [picked for one in value if (picked := of_item(one)) is not _ABSENT]
        # Where a group of fields was expected, anything else is not on the list; nothing at all may be said, though.
        return None if value is None else _ABSENT

    return pick


def _without(hidden: _Tree) -> Pick:
    """A function that keeps a value whole, except the hidden fields in it."""

    def keep(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: _without(hidden[name])(one) if name in hidden else one
                for name, one in value.items()
                if hidden.get(name) != {}
            }
        return [keep(one) for one in value] if isinstance(value, list) else value

    return keep


def _filled(value: Any) -> dict[str, Json]:
    """Groups of fields without what is null or empty: a person about whom nothing is said is nobody."""
    return {
        name: one
        for name, raw in value.items()
        if (one := _filled(raw) if isinstance(raw, dict) else raw) is not None and one != {} and one != []
    }


def _dug(value: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


# ---------------------------------------------------------------- redacting

_ILLEGAL = re.compile("[\x00\ud800-\udfff]")
_CODE = re.compile(r"\s*\d{3,4}\s*")


def _legal(text: str) -> str:
    """The text as every store can hold it: NUL and halves of surrogate pairs become their escape, in plain letters."""
    return text if text.isprintable() else _ILLEGAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _number_in_id(raw: Raw, ids: frozenset[Path], body: Json) -> str:
    """Where a card number stands in an id, a code or a whole number ("" where none does)."""
    if redact.has_card(raw.id) or redact.has_card(raw.subject):
        return "id"
    for path, value in _leaves(body, ()):
        exact = type(value) is int and abs(value) >= _INT_CARD_MIN
        if (exact or (path in ids and isinstance(value, str))) and redact.has_card(str(value)):
            return ".".join(path)
    return ""


def _leaves(value: Json, path: Path) -> Iterable[tuple[Path, Json]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, (*path, name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            yield from _leaves(one, path)
    else:
        yield path, value


def _cleaned(value: Any, ids: frozenset[Path], path: Path = ()) -> Any:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, one in value.items():
            found[_free(_legal(redact.clean(name)), found)] = (
                redact.CODE
                if redact.names_code(name) and type(one) in (str, int) and _CODE.fullmatch(str(one))
                else _cleaned(one, ids, (*path, name))
            )
        return found
    if isinstance(value, list):
        return [_cleaned(one, ids, path) for one in value]
    if isinstance(value, str):
        return _legal(value if path in ids else redact.clean(value))
    return value


def _free(name: str, taken: Mapping[str, object]) -> str:
    """A key that is not taken yet: two that were cleaned to the same mark stay two."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
