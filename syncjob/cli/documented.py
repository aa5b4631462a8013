"""The documents of a subject as `mapping explain` shows them: each value with what it was read from and the line of the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from syncjob.jobs.documents import Documented
    from syncjob.mapping.telling import Told
    from syncjob.model import Json


def lines(home: Path, documents: Sequence[Documented], filled: Callable[[str, str], str]) -> Iterator[str]:
    """The documents as text, those of a target together; `filled` folds words behind a first column."""
    before = ""
    for one in documents:
        if one.target != before:
            before = one.target
            whose = "the home's own" if (home / one.map).exists() else "came with syncjob"
            yield ""
            yield filled(f"What {one.target} gets of it, by {one.map} ({whose})", "")
        yield ""
        yield filled(f"{one.kind.value.replace('_', ' ')} {one.key}" if one.key else f"{one.kind.value}, held", "")
        for told in one.values:
            value = f"held: {told.refused}" if told.refused else _text(told.value) or "-"
            yield filled(value, f"  {told.field:<14}")
            yield filled(origin(told), " " * 16)


def origin(told: Told) -> str:
    """What a value was read from, what became of it, and the line of the map."""
    names = f"from {', '.join(told.names)}" if told.names and told.value is not None else ""
    return ", ".join(part for part in (names, told.how, f"{told.place.file}:{told.place.line}") if part)


def as_json(documents: Sequence[Documented]) -> list[Json]:
    """The documents as data."""
    return [
        {
            "target": one.target,
            "map": one.map,
            "kind": one.kind.value,
            "key": one.key or None,
            "fields": [_value(told) for told in one.values],
        }
        for one in documents
    ]


def _value(told: Told) -> dict[str, Json]:
    return {
        "field": told.field,
        "value": told.value,
        "names": list(told.names),
        "how": told.how or None,
        "file": told.place.file,
        "line": told.place.line,
        "held": told.refused or None,
    }


def _text(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(one)}" for name, one in value.items() if one not in (None, ""))
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
