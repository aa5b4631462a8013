"""JSON Schemas of maps and field schemas for editors (draft 2020-12), made from the same lists as the compiler works by.

An editor's reader turns `NO` or 0123 into something else than the text that was written, so wherever any text may stand these
schemas take numbers, yes and no too. They know words and shapes; what a map must not mean, only `syncjob check` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from syncjob.errors import Misconfigured
from syncjob.mapping import dating, facts, fields, files, movements, paths, people, rules, vendor
from syncjob.mapping.shapes import (
    FLAG,
    PATH,
    TEXT,
    Schema,
    closed,
    document,
    keys,
    lookup,
    name_of,
    one_or_more,
    ref,
    said,
    told,
    whole,
)
from syncjob.mapping.targetjsonschema import target_map, target_schema

NAMES_OF_MAPS = ("gateway-map", "target-map", "gateway-schema", "target-schema", "gateway-case", "target-case")


def schema(name: str) -> Schema:
    """The schema of one of NAMES_OF_MAPS."""
    made: dict[str, Callable[[], Schema]] = {
        "gateway-map": _gateway_map,
        "target-map": target_map,
        "gateway-schema": _gateway_schema,
        "target-schema": target_schema,
        "gateway-case": _gateway_case,
        "target-case": _target_case,
    }
    return made[name]()


def of_map(name: str, home: Path | None = None) -> Schema:
    """The schema of one map, such as crm/sqlite: with the record types, or the fields and their types, of its own field schema.

    Raises Misconfigured where the map or its field schema is not there or not right.
    """
    kind, _, of = name.partition("/")
    if kind not in files.KINDS:
        raise Misconfigured(f"{name!r} is no map; known here: {', '.join(files.known())}")
    file = files.read(kind, of, home)
    if kind == "gateways":
        return _gateway_map(of, paths.Fields.load(file.schema, of).by_type)
    return target_map(of, fields.Schema(file.schema, of))


# ---------------------------------------------------------------- gateway maps

_CURRENCY = PATH | {"not": {"pattern": r"^([A-Z]{3}$|landed\.)"}}
_CONDITIONS: dict[str, Schema] = {
    "when": keys(one_or_more(TEXT), least=1, names=PATH),
    "needs": one_or_more(PATH),
    "valid_from": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$"},
}
_RULE_SHAPES: dict[str, Schema] = {
    "from": one_or_more(PATH),
    "currency": one_or_more(_CURRENCY),
    "zone": {"type": "string"},
    "fold": {"enum": ["earlier", "later"]},
    "lookup": lookup(TEXT),
    "otherwise": TEXT,
    "refuse": keys(TEXT),
    "default": TEXT,
    "value": TEXT,
    "prefixes": one_or_more(TEXT | {"minLength": 1}),
    "with": one_or_more(PATH),
    **_CONDITIONS,
}
_LOOKED_UP = ("value", "lookup", "otherwise", "refuse", "default")  # what makes a text without a conversion
_MUST = ("currency", "zone", "prefixes")  # a conversion that takes one of these needs it


def _gateway_map(of: str = "", types: Iterable[str] = ()) -> Schema:
    known: Schema = {"enum": sorted(types)} if of else {"type": "string"}
    movement = movements.FIELDS
    fact = facts.FIELDS
    texts = ref("rules of text")
    person = closed(
        {
            **_block(known),
            **dict.fromkeys(people.FIELDS, texts),
            "address": closed(dict.fromkeys(people.ADDRESS_PARTS, texts)),
        },
        ["record", "id"],
    )
    wanted = {wanted for wanted, _ in (*movement.values(), *fact.values())} | {"text"}
    top = {
        "gateway": name_of("gateway", of),
        "keep": keys({"type": "array", "items": PATH, "uniqueItems": True}, names=known)
        | {"description": "Fields of each record type that are kept on disk besides those that rules read."},
        "personal": keys(
            closed({"person": PATH, "fields": {"type": "array", "items": PATH, "uniqueItems": True}}, ["person", "fields"]),
            names=known,
        )
        | {"description": "Fields of a person, kept apart so that they can be purged, and the field that says whose they are."},
        "movements": one_or_more(ref("movement"), distinct=False)
        | {"description": "What moved the gateway's balance: one movement for each record."},
        "facts": one_or_more(ref("fact"), distinct=False) | {"description": "What happened without moving the balance."},
        "people": one_or_more(ref("person"), distinct=False)
        | {"description": "Who paid; the first block that knows them wins."},
    }
    definitions: dict[str, Schema] = {
        "movement": closed(
            {
                **_block(known),
                "kind": _choice(movements.KINDS),
                "date": _date(),
                "references": {"type": "array", "items": _reference()},
                **_fields(movement),
            },
            ["record", "kind", *(name for name, (_, needed) in movement.items() if needed)],
        ),
        "fact": closed(
            {**_block(known), "kind": _choice(facts.KINDS), "detail": keys(texts), **_fields(fact)},
            ["record", "kind", *(name for name, (_, needed) in fact.items() if needed)],
        ),
        "person": person,
    }
    for one in sorted(wanted):
        definitions[f"rules of {one}"] = one_or_more(ref(f"rule of {one}"), distinct=False)
        definitions[f"rule of {one}"] = _rule(one)
    described = "How a gateway's records become movements, facts and people. docs/mapping.md explains each word."
    return document(
        f"Gateway map of {of or 'syncjob'}", described, closed(top, ["gateway", "movements"], **{"$defs": definitions})
    )


def _block(record: Schema) -> dict[str, Schema]:
    join = closed(
        {"from": one_or_more(PATH), "record": one_or_more(record), "where": PATH, "only": _CONDITIONS["when"]},
        ["from", "record"],
        dependentRequired={"only": ["where"]},
    )
    joins = keys(join, names={"pattern": "^(?!landed$)[a-z][a-z0-9_]{0,40}$"})
    return {
        "record": record | {"description": "The record type that the block is about."},
        "joins": joins | {"description": "Other records of the same payment, each under a name of its own."},
        **said("gateway", _CONDITIONS, _CONDITIONS),
    }


def _date() -> Schema:
    instants: Schema = {"enum": list(dating.FIELDS)}
    in_zone = closed({"of": one_or_more(instants), "zone": {"type": "string"}}, ["of"])
    described = (
        "The instant whose day is the business date, or the first of several that is there; in the books' zone, or another."
    )
    return one_or_more({"anyOf": [instants, in_zone]}, distinct=False) | {"description": described}


def _fields(wanted: Mapping[str, tuple[str, bool]]) -> dict[str, Schema]:
    return {name: ref(f"rules of {one}") for name, (one, _) in wanted.items()}


def _rule(wanted: str) -> Schema:
    """A rule for one value of a type."""
    making = [name for name, makes in rules.MAKES.items() if makes == wanted]
    belongs = {word: [name for name in making if word in rules._BELONGS.get(name, ())] for word in rules.RULE_WORDS}
    always = ("from", "as", *rules.CONDITIONS, *(_LOOKED_UP if wanted == "text" else ()))
    found = said("gateway", _RULE_SHAPES, [word for word in rules.RULE_WORDS if word in always or belongs[word]])
    found["as"] |= told("conversion", making)
    pairs = [_goes_with(word, names) for word, names in belongs.items() if names and word not in always]
    go_together: Schema = {"allOf": pairs} if pairs else {}
    if wanted == "text":
        return closed(found, anyOf=[{"required": ["from"]}, {"required": ["value"]}], **go_together, **_TOGETHER)
    if wanted == "instant":
        as_of = {"properties": {"from": {"const": "landed.as_of"}}}
        return closed(found, ["from"], anyOf=[{"required": ["as"]}, as_of], **go_together)
    return closed(found, ["from", "as"], **go_together)


def _goes_with(word: str, conversions: Iterable[str]) -> Schema:
    """A word that some conversions take, and most of these need."""
    one_of_these: Schema = {"properties": {"as": {"enum": list(conversions)}}, "required": ["as"]}
    return {
        "allOf": [
            {"if": {"required": [word]}, "then": one_of_these},
            *([{"if": one_of_these, "then": {"required": [word]}}] if word in _MUST else []),
        ]
    }


_TOGETHER: Schema = {
    "dependentRequired": {word: ["lookup"] for word in ("refuse", "otherwise")} | {"lookup": ["from"], "as": ["from"]},
    "dependentSchemas": {
        "value": {"properties": dict.fromkeys(("from", "lookup", "as"), False)},
        "lookup": {"properties": {"as": False}},
    },
}


def _choice(allowed: Iterable[str]) -> Schema:
    """A rule that comes to one word of a closed list, or several of which the first that counts decides."""
    one: Schema = {"enum": list(allowed)}
    shapes = _RULE_SHAPES | {"lookup": lookup(one), "value": one, "otherwise": one}
    found = said("gateway", shapes, ("from", *_LOOKED_UP, *rules.CONDITIONS))
    fixed = {"required": ["value"], "properties": dict.fromkeys(("from", "lookup"), False)}
    return one_or_more(closed(found, anyOf=[{"required": ["from", "lookup"]}, fixed]), distinct=False)


def _reference() -> Schema:
    found = said("gateway", _RULE_SHAPES, ("from", "as", "prefixes", *rules.CONDITIONS))
    found["as"] |= told("conversion", rules.REFERENCES)
    return closed(found, ["from"], **_goes_with("prefixes", ("document_numbers",)))


# ---------------------------------------------------------------- field schemas


def _gateway_schema() -> Schema:
    of_what = f"({'|'.join(vendor._WITH_OF)}) of .+"
    words = closed({"enum": one_or_more(TEXT), "open": FLAG}, ["enum"])
    plain = "|".join(one for one in vendor.TYPES if one != "enum")
    held = {"anyOf": [{"enum": [one for one in vendor.TYPES if one != "enum"]}, {"pattern": f"^({plain}|{of_what})$"}, words]}
    top = {
        "gateway": name_of("gateway", ""),
        "version": {"description": "The version of the vendor's API that the fields are those of.", **TEXT},
        "decimals": keys({"anyOf": [whole(0, 4), {"const": "unknown"}]}, names={"pattern": "^[A-Z]{3}$"})
        | {"description": "Currencies that the vendor writes with other decimals than ISO 4217; unknown: refused."},
        "records": keys({"anyOf": [{"type": "array", "items": PATH}, keys(held, names=PATH)]})
        | {"description": "The fields that a map may read, by record type; `metadata.*` stands for any name in metadata."},
    }
    described = "The fields that a gateway's vendor documents, and what each holds: what paths in a map are checked against."
    return document("Field schema of a gateway", described, closed(top, ["gateway", "records"]))


# ---------------------------------------------------------------- cases


def _gateway_case() -> Schema:
    top = {**_shown(), "means": {"description": "What the gateway's map makes of the records."}}
    described = "What a gateway shows, and what its map makes of it: syncjob mapping test compares."
    return document("Case of a gateway's map", described, closed(top, ["shows", "subject", "seen", "records", "means"]))


def _target_case() -> Schema:
    shown = _shown()
    day: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    amount: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)? +[A-Z]{3}$"}
    texts = {"number": TEXT, "customer": TEXT, "email": TEXT}
    invoice = closed({**texts, "total": amount, "open": amount, "issued": day, "due": day}, ["number", "total", "issued"])
    top = {
        **shown,
        "from": {
            "type": "string",
            "pattern": "^gateways/[^/]+/[^/]+$",
            "description": "The case of a gateway's map it goes on from.",
        },
        "gateway": {"type": "string", "description": "Whose records these are, where no other case says so."},
        "zone": {"type": "string", "description": "The zone of the books (Europe/Berlin)."},
        "invoices": {"type": "array", "items": invoice, "description": "The open invoices that the books hold."},
        "per_day": FLAG | {"description": "Whether the books get one document for a day."},
        "closed_through": day | {"description": "The last day that the books have closed: what lies there goes to the next."},
        "documents": {"description": "The documents that the target's map makes of it."},
    }
    own = [name for name in ("mode", "subject", "seen", "records") if name in shown]
    from_another = {"required": ["from"], "properties": dict.fromkeys(("gateway", *own), False)}
    written_out = {"required": ["gateway", "subject", "seen", "records"], "properties": {"from": False}}
    described = "What happened, and the documents that a target's map makes of it: syncjob mapping test compares."
    either = {"anyOf": [from_another, written_out]}
    return document("Case of a target's map", described, closed(top, ["shows", "documents"], **either))


def _shown() -> dict[str, Schema]:
    instant: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"}
    fields_of = {"type": "object", "description": "The fields as the gateway sends them; text in quotes stays text."}
    record = {"type": {"type": "string"}, "id": TEXT, "occurred": instant, "seen": instant, "fields": fields_of}
    return {
        "shows": {"type": "string", "description": "What the case shows, in a sentence."},
        "mode": {"enum": ["live", "test"]},
        "subject": {"type": "string", "description": "What the records are about, such as payment:pi_1Example."},
        "seen": instant | {"description": "When the gateway showed it."},
        "records": {"type": "array", "items": closed(record, ["type", "id", "fields"]), "minItems": 1},
        "held": {"description": "What is held, and why."},
    }
