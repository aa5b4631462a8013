"""JSON Schemas for editors: of syncjob.yaml, and by name of every other file that a person writes for syncjob."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from syncjob import config
from syncjob.bankfile import COLUMNS, Days, Decimals
from syncjob.errors import Misconfigured
from syncjob.mapping import files, jsonschema
from syncjob.mapping.jsonschema import NAMES_OF_MAPS
from syncjob.mapping.shapes import FLAG, TEXT, Schema, closed, document, one_or_more
from syncjob.model import FactKind, Kind, Role
from syncjob.plan.locking import Late
from syncjob.plan.units import Mode
from syncjob.posting.rules import BALANCES, COUNTERED, FEE_ROLES, Fees, Revenue, Sales, Schedule

POSTING = "posting.yaml"
SYNCJOB_YAML = "syncjob.yaml"
_PATTERN_OF_SPAN = {"pattern": "^[0-9]{1,6}[smhd]$"}
_SAYS = {
    "books_zone": "The company's zone, such as Europe/Berlin: it decides on which day a payment falls in the books.",
    "home_currency": "The currency that the books are kept in, such as EUR.",
    "start": "The cut-over, such as 2026-01-01T00:00:00+01:00: nothing older is posted by itself.",
    "nightly_at": "The first run after this time in the books' zone also reads deeper, reconciles and summarises (02:00).",
    "schedule": "When `syncjob schedule` begins runs.",
    "state": "Where syncjob keeps what it knows: a file under the home, or postgresql://USER@HOST/DATABASE.",
    "matching": "How payments find their invoices.",
    "series": "How your invoice numbers begin: a number that a payment names counts only where it begins so.",
    "gateway_numbers": "Whether your books use the numbers that the gateway gives its invoices (no, if nothing is said).",
    "by_customer": "Whether a customer's only exact sum decides where no number is named (yes, if nothing is said).",
    "tolerance": "By currency, what may be missing of an invoice that a payment names and settles all the same.",
    "bank": "The bank accounts whose statements are read, each under a name of its own.",
    "columns": "What the bank calls its columns: date, amount, text and, where there is one, currency.",
    "currency": "The currency of the account, where no column says it.",
    "days": "How the bank writes a day: ymd (2026-10-24, if nothing is said), dmy or mdy.",
    "decimals": "What stands before the cents: a point (if nothing is said) or a comma.",
    "separator": "What stands between the cells of the file: a comma, if nothing is said.",
    "encoding": "How the file is encoded: utf-8 (if nothing is said), cp1252 or iso-8859-1.",
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
    "fees": "How the gateway's fees come to the books: on the receipt (if nothing is said), each by itself, or once a month.",
    "mode": "How the sub-ledger comes to the books: a document per transaction (default), per payout, per day, or hybrid.",
    "mode_since": "The instant from which on summaries are made; what moved before is a document of its own.",
    "shadow": "yes: everything is derived for these books and nothing sent; syncjob shadow holds what people book against it.",
    "late": "What becomes of what falls into a closed period: hold (if nothing is said), next_open_day, or approval.",
    "revenue": "When a sale recorded here is revenue: on payment (if nothing is said), or over its time, by day or per period.",
    "deferred": "Who brings deferred revenue to revenue: syncjob by entries (default), or you by the exported schedule.",
    "reverse_charge": "Percent of tax that you owe yourself on the gateway's fees, and deduct.",
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
    "series": one_or_more(TEXT | {"minLength": 1}),
    "gateway_numbers": FLAG,
    "by_customer": FLAG,
    "columns": closed(dict.fromkeys(COLUMNS, TEXT), ["date", "amount", "text"]),
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "days": {"enum": [one.value for one in Days]},
    "decimals": {"enum": [one.value for one in Decimals]},
    "separator": {"type": "string", "minLength": 1, "maxLength": 1},
    "encoding": {"enum": ["utf-8", "cp1252", "iso-8859-1"]},
    "tolerance": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
    "key": {"type": "string"},
    "sales": {"enum": [one.value for one in Sales]},
    "fees": {"enum": [one.value for one in Fees]},
    "reverse_charge": {"type": ["string", "number"]},
    "revenue": {"enum": [one.value for one in Revenue]},
    "deferred": {"enum": [one.value for one in Schedule]},
    "mode": {"enum": [one.value for one in Mode]},
    "mode_since": {"type": "string"},
    "shadow": {"enum": ["yes", "no", True, False]},
    "late": {"enum": [one.value for one in Late]},
}


def names() -> tuple[str, ...]:
    """What there is a schema for without a home: syncjob.yaml, each kind of file, and each map that is here."""
    return (SYNCJOB_YAML, POSTING, *NAMES_OF_MAPS, *(name for name in files.known() if name.partition("/")[0] in files.KINDS))


def text(name: str, home: Path | None = None) -> str:
    """The schema of a name as JSON text. Raises Misconfigured, with the known names, for one that is none of them."""
    return json.dumps(schema(name, home), indent=2, ensure_ascii=False) + "\n"


def schema(name: str, home: Path | None = None) -> Schema:
    """The schema of a name; of a map, with the field schema of the home where there is one."""
    if name == SYNCJOB_YAML:
        return _syncjob_yaml({group: config.connectors(group) for group in config.GROUPS})
    if name == POSTING:
        return _posting()
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
    properties["matching"] |= closed({word: _said(word) for word in config._MATCHING})
    properties["bank"] |= {
        "type": "object",
        "propertyNames": {"pattern": f"^{config._NAME.pattern}$"},
        "additionalProperties": closed({word: _said(word) for word in config._BANK}, ["columns"]),
    }
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
    more: Mapping[str, tuple[str, ...]] = {"gateways": config._BOOKED, "accounting": config._KEPT}
    fixed = {word: _said(word) for word in ("connector", "key", *more.get(group, ()))}
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


# ---------------------------------------------------------------- mappings/posting.yaml


def _posting() -> Schema:
    roles: Schema = {"enum": [role.value for role in Role if role not in BALANCES]}
    kinds = [kind.value for kind in Kind]
    fees: Schema = {"enum": [role.value for role in FEE_ROLES]}
    some: Schema = {"type": "string", "minLength": 1}

    def movement(against: Schema) -> Schema:
        return {"oneOf": [closed({"against": against, "fees": fees}, ("against", "fees")), closed({"hold": some}, ("hold",))]}

    settles = closed({"settles": one_or_more({"enum": kinds}), "from": roles, "to": roles}, ("settles", "from", "to"))
    fact: Schema = {"oneOf": [settles, closed({"no_entry": some}, ("no_entry",))]}
    day: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    words: dict[str, Schema] = {
        "name": TEXT,
        "country": one_or_more({"type": "string", "pattern": "^[A-Z]{2}$"}),
        "product": TEXT,
        "rate": {"type": ["string", "number"]},
        "since": day,
        "until": day,
    }
    any_role: Schema = {"enum": [role.value for role in Role]}
    moved = {one.value: movement({"const": COUNTERED[one][0].value} if one in COUNTERED else roles) for one in Kind}
    facts = [fact.value for fact in FactKind]
    properties: dict[str, Schema] = {
        "movements": closed(moved, kinds),
        "types": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": movement(any_role)}},
        "facts": closed(dict.fromkeys(facts, fact), facts),
        "tax": {"type": "array", "items": closed(words, ("name", "rate"))},
    }
    return document(POSTING, "What each movement of money means in the sub-ledger.", closed(properties, ("movements", "facts")))
