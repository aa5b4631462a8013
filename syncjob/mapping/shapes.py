"""The pieces that JSON Schemas of maps are made of: a text as an editor may have read it, a word with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from syncjob.mapping.words import words

Schema: TypeAlias = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": ["string", "number", "boolean"]}  # whatever an editor made of a text without quotes
FLAG: Schema = {"enum": [True, False, "yes", "no", "true", "false"]}
PATH: Schema = {"type": "string", "pattern": r"^[^.\s]+(\.[^.]+)*$"}


def closed(properties: Mapping[str, Schema], required: Iterable[str] = (), **more: Any) -> Schema:
    """A group of these keys and no others."""
    must = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(properties), **must, "additionalProperties": False, **more}


def document(title: str, description: str, content: Schema) -> Schema:
    """A whole schema, as it is written into a file."""
    made_by = "Made by: syncjob mapping schema --write docs/schemas"
    return {"$schema": DRAFT, "$comment": made_by, "title": title, "description": description, **content}


def whole(least: int, most: int) -> Schema:
    """A whole number within bounds, also in quotes."""
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, {"type": "string", "pattern": "^[0-9]{1,18}$"}]}


def one_or_more(item: Schema, *, distinct: bool = True) -> Schema:
    """One of these, or a list of them."""
    many: Schema = {"type": "array", "items": item, "minItems": 1}
    return {"anyOf": [item, many | {"uniqueItems": True} if distinct else many]}


def keys(value: Schema, *, least: int = 0, names: Schema | None = None) -> Schema:
    """A group whose keys its writer chooses."""
    found: Schema = {"type": "object", "additionalProperties": value}
    if least:
        found["minProperties"] = least
    return found | ({"propertyNames": names} if names else {})


def lookup(becomes: Schema) -> Schema:
    """What a lookup lists, or the table that does: products, products.account."""
    table = {"type": "string", "pattern": r"^[a-z][a-z0-9_]{0,40}(\..+)?$"}
    return {"anyOf": [keys(becomes, least=1), table]}


def explained(of: str) -> dict[str, str]:
    """Every word of a kind with its sentence and its example."""
    return {word.word: f"{word.says} Example: {word.example}" for word in words() if word.of == of}


def told(of: str, names: Iterable[str]) -> Schema:
    """One of these words, each with its sentence and its example."""
    says = explained(of)
    return {"oneOf": [{"const": name, "description": says.get(name, name)} for name in names]}


def ref(name: str) -> Schema:
    """What stands among the definitions under a name."""
    return {"$ref": f"#/$defs/{name}"}


def said(of: str, shapes: Mapping[str, Schema], only: Iterable[str]) -> dict[str, Schema]:
    """The words of a rule, each with its shape, its sentence and its example; a word without a shape takes anything."""
    says = explained(of)
    return {word: {**({"description": says[word]} if word in says else {}), **shapes.get(word, {})} for word in only}


def name_of(what: str, of: str) -> Schema:
    """The name of the gateway or target that a file is about."""
    said: Schema = {"const": of} if of else {"type": "string"}
    return said | {"description": f"The {what}'s name, which is also that of the file."}
