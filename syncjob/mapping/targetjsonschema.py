"""JSON Schemas of target maps and of the field schemas behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from syncjob.mapping import fields, filling
from syncjob.mapping.conditions import WORDED
from syncjob.mapping.fitting import WHOLE
from syncjob.mapping.happening import NAMES, OF, WORDS
from syncjob.mapping.shapes import (
    FLAG,
    TEXT,
    Schema,
    closed,
    document,
    explained,
    keys,
    lookup,
    name_of,
    one_or_more,
    ref,
    said,
    told,
    whole,
)
from syncjob.mapping.spelled import SPELLINGS
from syncjob.mapping.typed import ACCEPTS, SPELLS
from syncjob.model import DocumentKind, Role

_NAME: Schema = {"enum": list(NAMES)}
_DAY: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_ONE_SOURCE = ("from", "value", "join", "role")
_ONLY_READ = {  # types of fields that nothing is written into by hand, with the words of their rules
    "money": ("from", "same_currency", "when", "valid_from"),
    **dict.fromkeys(("currency", "date", "instant"), ("from", "when", "valid_from")),
    "address": ("from", "cut", "when", "valid_from"),
}
_ONLY = {  # and those of which some words say nothing
    "flag": ("from", "value", "lookup", "otherwise", "default", "when", "valid_from"),
    "role": ("role", "from", "lookup", "otherwise", "default", "when", "valid_from"),
}


def _target_shapes() -> dict[str, Schema]:
    """What may follow each word; what is long stands once, among the definitions."""
    return {
        "from": ref("names"),
        "value": TEXT,
        "join": {"type": "array", "items": ref("part"), "minItems": 1},
        "between": TEXT,
        "lookup": lookup(TEXT),
        "otherwise": TEXT,
        "as": ref("spelling"),
        "default": TEXT,
        "when": ref("when"),
        "valid_from": _DAY,
        "cut": FLAG,
        "same_currency": FLAG,
        "role": ref("role"),
    }


def _target_definitions() -> dict[str, Schema]:
    known = {name: one_or_more({"enum": list(listed)} if NAMES[name] != "flag" else FLAG) for name, listed in WORDS.items()}
    return {
        "names": one_or_more(_NAME),
        "spelling": told("spelling", SPELLINGS),
        "when": keys(one_or_more(TEXT), least=1, names={"enum": list(WORDED)}) | {"properties": known},
        "role": {"enum": [role.value for role in Role]},
    }


def target_map(of: str = "", schema: fields.Schema | None = None) -> Schema:
    """The schema of any target's map, or of one, with the fields of its documents and their types."""
    shapes = _target_shapes()
    field = {
        "anyOf": [
            ref("rule"),
            {"type": "array", "items": ref("rules"), "minItems": 1},
            keys(ref("rules")) | {"description": "Texts under names that the map chooses, for a field of type texts."},
        ]
    }
    definitions = _target_definitions() | {
        "field": field,
        "rules": one_or_more(ref("rule"), distinct=False),
        "rule": _one_source(said("target", shapes, filling.FIELD_WORDS)),
        "part": _one_source(said("target", shapes, filling._PART_WORDS)),
    }
    group = closed({"kinds": _kinds(), "fields": keys(ref("field"), least=1)}, ["kinds", "fields"])
    if schema is not None:
        held = _held(schema)
        kinds = _kinds(kind for together, _ in held for kind in together)
        group = closed({"kinds": kinds, "fields": {}}, ["kinds", "fields"], allOf=[_group(*one) for one in held])
        types = {one.type for _, known in held for one in known.values()}
        definitions |= {f"names of {type}": _accepted(type) for type in sorted(types)}
        definitions |= {f"rules of {type}": _rules_of(type, shapes) for type in sorted(types)}
    top = {"target": name_of("target", of), "documents": {"type": "array", "items": group, "minItems": 1}}
    described = "What happened, as the fields of a target's documents. docs/mapping.md explains each word."
    return document(
        f"Target map of {of or 'syncjob'}", described, closed(top, ["target", "documents"], **{"$defs": definitions})
    )


def _one_source(found: dict[str, Schema]) -> Schema:
    """A rule whose value comes from exactly one of the words that give one."""
    sources = [{"required": [word]} for word in _ONE_SOURCE if word in found]
    depends = {"otherwise": ["lookup"], "lookup": ["from"], "as": ["from"], "default": ["from"], "between": ["join"]}
    return closed(found, oneOf=sources, dependentRequired={word: needs for word, needs in depends.items() if word in found})


def _kinds(known: Iterable[DocumentKind] = DocumentKind) -> Schema:
    return one_or_more({"enum": [kind.value for kind in known]})


def _held(schema: fields.Schema) -> list[tuple[list[DocumentKind], Mapping[str, fields.Field]]]:
    """The kinds of document that a target holds, with their fields; kinds with the same fields together."""
    found: list[tuple[list[DocumentKind], Mapping[str, fields.Field]]] = []
    for kind in DocumentKind:
        try:
            known = schema.fields(kind)
        except KeyError:
            continue
        alike = next((kinds for kinds, other in found if other == known), None)
        if alike is None:
            found.append(([kind], known))
        else:
            alike.append(kind)
    return found


def _group(kinds: Iterable[DocumentKind], known: Mapping[str, fields.Field]) -> Schema:
    """What must hold of the fields of a group that is about one of these kinds of document."""
    one: Schema = {"enum": [kind.value for kind in kinds]}
    about = {"anyOf": [one, {"type": "array", "contains": one}]}
    needed = [name for name, field in known.items() if field.required]
    filled = closed({name: _filled(field) for name, field in known.items()}, needed, minProperties=1)
    return {"if": {"properties": {"kinds": about}}, "then": {"properties": {"fields": filled}}}


def _filled(field: fields.Field) -> Schema:
    """What may stand at a field: a rule or several; one for each item, or for each name, where it holds more than one text."""
    says = [field.type, *([f"up to {field.most} characters"] if field.type in fields._GO_WITH["most"] else [])]
    says += [f"one of: {', '.join(field.values)}"] if field.values else []
    says += [f"of: {', '.join(field.of)}"] if field.of else []
    says += ["must be filled"] if field.required else []
    rules = ref(f"rules of {field.type}")
    if field.type == "list":
        rules = {"type": "array", "items": rules, "minItems": 1}
    elif field.type == "texts":
        rules = keys(rules)
    elif field.values:
        one: Schema = {"enum": list(field.values)}
        rules = _narrowed(rules, {**dict.fromkeys(("value", "default", "otherwise"), one), "lookup": lookup(one)})
    elif field.type == "money" and field.of:
        rules = _narrowed(rules, {"from": one_or_more({"enum": list(field.of)})})
    return rules | {"description": "; ".join(says)}


def _accepted(type: str) -> Schema:
    """The names that a field of a type can hold as they are."""
    return one_or_more({"enum": [name for name, other in NAMES.items() if other in ACCEPTS[type]]})


def _narrowed(rules: Schema, words: Mapping[str, Schema]) -> Schema:
    """Rules of which some words may say less than for other fields of the type."""
    return {"allOf": [rules, one_or_more({"type": "object", "properties": dict(words)}, distinct=False)]}


def _rules_of(type: str, shapes: Mapping[str, Schema]) -> Schema:
    """A rule, or several, for a field of a type."""
    accepted = ref(f"names of {type}")
    if type in _ONLY_READ:
        return one_or_more(closed(said("target", {**shapes, "from": accepted}, _ONLY_READ[type]), ["from"]), distinct=False)
    spelled = {"as": {"enum": list(SPELLS[type])}} if type in SPELLS else {}
    whole = ("cut", "role") if type in WHOLE else ("role",)
    allowed = _ONLY.get(type) or [word for word in filling.FIELD_WORDS if word not in whole]
    read = {"if": {"anyOf": [{"required": ["as"]}, {"required": ["lookup"]}]}, "else": {"properties": {"from": accepted}}}
    return one_or_more(_one_source(said("target", {**shapes, **spelled}, allowed)) | read, distinct=False)


# ---------------------------------------------------------------- field schemas


def target_schema() -> Schema:
    """The schema of a target's field schema."""
    says = explained("schema")
    most = whole(1, fields._MOST_MAX)
    part = closed(
        {"field": {"type": "string"}, "most": most, "most_bytes": most, "as": {"enum": [*chain(*fields.CODES.values())]}},
        ["field"],
    )
    shapes: dict[str, Schema] = {
        "type": told("field type", fields.TYPES),
        "most": most,
        "most_bytes": whole(fields._BYTES_LEAST, fields._MOST_MAX),
        "required": FLAG,
        "currency": {"type": "string"},
        "of": one_or_more({"enum": list(dict.fromkeys([*NAMES, *OF.values()]))}),
        "values": {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
        "without": keys({"type": ["string", "number"]}, least=1, names={"minLength": 1, "maxLength": 2}),
        "parts": closed({one: {"anyOf": [{"type": "string"}, part]} for one in fields.PARTS}, fields._PARTS_MUST),
    }
    field = closed(
        {word: {"description": says[word], **shapes.get(word, {})} for word in fields.WORDS}, ["type"], allOf=_goes()
    )
    group = closed({"kinds": _kinds(), "fields": keys(field)}, ["kinds", "fields"])
    top = {"target": name_of("target", ""), "documents": {"type": "array", "items": group}}
    described = "Which fields a target's documents have, of which type, how long, and which must be there."
    return document("Field schema of a target", described, closed(top, ["target", "documents"]))


def _goes() -> list[Schema]:
    """Which words of a field go with which types."""
    found: list[Schema] = []
    for type, word in fields._TOGETHER:
        of_type: Schema = {"properties": {"type": {"const": type}}}
        others = [type, *(["direction"] if word == "values" else [])]
        found.append({"if": of_type, "then": {"required": [word]}})
        found.append({"if": {"required": [word]}, "then": {"properties": {"type": {"enum": others}}}})
    for word, types in fields._GO_WITH.items():
        found.append({"if": {"required": [word]}, "then": {"properties": {"type": {"enum": list(types)}}}})
    return found
