"""JSON Schemas for editors: of syncjob.yaml, and by name of every other file that a person writes for syncjob."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from syncjob import config
from syncjob.errors import Misconfigured
from syncjob.mapping import files, jsonschema
from syncjob.mapping.jsonschema import NAMES_OF_MAPS
from syncjob.mapping.shapes import TEXT, Schema, closed, document

SYNCJOB_YAML = "syncjob.yaml"
_PATTERN_OF_SPAN = {"pattern": "^[0-9]{1,6}[smhd]$"}
_SAYS = {
    "books_zone": "The company's zone, such as Europe/Berlin: it decides on which day a payment falls in the books.",
    "home_currency": "The currency that the books are kept in, such as EUR.",
    "start": "The cut-over, such as 2026-01-01T00:00:00+01:00: nothing older is posted by itself.",
    "nightly_at": "The first run after this time in the books' zone also reads deeper, reconciles and summarises (02:00).",
    "schedule": "When `syncjob schedule` begins runs.",
    "state": "Where syncjob keeps what it knows: a file under the home, or postgresql://USER@HOST/DATABASE.",
    "gateways": "Where payments come from, each under a name of its own.",
    "accounting": "The books that payments are brought to, each under a name of its own.",
    "crm": "The CRMs that payments are brought to, each under a name of its own.",
    "every": "How far apart runs begin, such as 15m.",
    "cron": 'A cron expression instead, such as "*/15 6-22 * * 1-5".',
    "zone": "The zone of the cron expression, where it is not that of the books.",
    "jitter": "A run may begin up to so much later, by chance.",
    "misfire_grace": "A run that could not begin within so long is left out; the next one does its work.",
    "connector": "Which kind of gateway, books or CRM this is.",
    "key": "Where the key stands, never the key itself: env:NAME, file:PATH, keyring:SERVICE/NAME or command:...",
    "sales": "Where the sales behind these payments are recorded.",
}
_SHAPES: Mapping[str, Schema] = {
    "books_zone": {"type": "string"},
    "home_currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "start": {"type": "string"},
    "nightly_at": {"type": ["string", "integer"], "pattern": f"^({config._CLOCK.pattern})$"},
    "state": {"type": "string"},
    "every": {"type": "string", **_PATTERN_OF_SPAN},
    "cron": {"type": "string"},
    "zone": {"type": "string"},
    "jitter": {"type": "string", **_PATTERN_OF_SPAN},
    "misfire_grace": {"type": "string", **_PATTERN_OF_SPAN},
    "key": {"type": "string"},
    "sales": {"enum": list(config.SALES)},
}


def names() -> tuple[str, ...]:
    """What there is a schema for without a home: syncjob.yaml, each kind of file, and each map that is here."""
    return (SYNCJOB_YAML, *NAMES_OF_MAPS, *(name for name in files.known() if name.partition("/")[0] in files.KINDS))


def text(name: str, home: Path | None = None) -> str:
    """The schema of a name as JSON text. Raises Misconfigured, with the known names, for one that is none of them."""
    return json.dumps(schema(name, home), indent=2, ensure_ascii=False) + "\n"


def schema(name: str, home: Path | None = None) -> Schema:
    """The schema of a name; of a map, with the field schema of the home where there is one."""
    if name == SYNCJOB_YAML:
        return _syncjob_yaml({group: config.connectors(group) for group in config.GROUPS})
    if name in NAMES_OF_MAPS:
        return jsonschema.schema(name)
    if "/" not in name:
        near = get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise Misconfigured(f"there is no schema of {name!r}; {hint}Known: {', '.join(names())}")
    return jsonschema.of_map(name, home)


def write(folder: Path, home: Path | None = None) -> list[Path]:
    """Write every schema into a folder, which is made where it is missing; returns the files. Raises Misconfigured."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names():
            path = folder / file_name(name)
            path.write_text(text(name, home), encoding="utf-8")
            written.append(path)
    except OSError as wrong:
        raise Misconfigured(f"{folder} cannot be written: {wrong.strerror}; name another folder") from wrong
    return written


def file_name(name: str) -> str:
    """The file of a schema: crm-sqlite.json for crm/sqlite."""
    return f"{name.replace('/', '-')}.json"


# ---------------------------------------------------------------- syncjob.yaml


def _syncjob_yaml(connectors: Mapping[str, Mapping[str, Callable[[], ModuleType]]]) -> Schema:
    properties = {word: _said(word) for word in config._KEYS}
    schedule = {word: _said(word) for word in config._SCHEDULE}
    properties["schedule"] |= closed(schedule, dependentRequired={"zone": ["cron"]}, **{"not": {"required": ["every", "cron"]}})
    for group, known in connectors.items():
        properties[group] |= {
            "type": "object",
            "propertyNames": {"pattern": f"^{config._NAME.pattern}$"},
            "additionalProperties": _block(group, known),
        }
    described = "Where payments come from, and where they go. After a change run: syncjob check"
    return document("syncjob.yaml", described, closed(properties, ("books_zone", "home_currency", "start", "gateways")))


def _block(group: str, known: Mapping[str, Callable[[], ModuleType]]) -> Schema:
    """One configured connector; what else may stand there follows from which connector it is."""
    fixed = {word: _said(word) for word in ("connector", "key", *(("sales",) if group == "gateways" else ()))}
    fixed["connector"] |= {"enum": sorted(known)}
    of_each = []
    for name in sorted(known):
        settings = {word: TEXT | {"description": says} for word, says in dict(getattr(known[name](), "SETTINGS", {})).items()}
        is_it = {"properties": {"connector": {"const": name}}, "required": ["connector"]}
        of_each.append({"if": is_it, "then": closed(fixed | settings)})
    needed = ["connector", *(["sales"] if group == "gateways" else [])]
    return {"type": "object", "properties": fixed, "required": needed, "allOf": of_each}


def _said(word: str) -> Schema:
    return {"description": _SAYS[word], **_SHAPES.get(word, {})}
