"""A value made to fit its field in the target: what it loses on the way is counted, and what must not be lost is held."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from syncjob import places
from syncjob.errors import RecordRefused
from syncjob.mapping import texts
from syncjob.mapping.counting import What
from syncjob.mapping.fields import Field
from syncjob.mapping.happening import WORDS
from syncjob.mapping.spelled import SPELLINGS
from syncjob.model import Address, Json, Role
from syncjob.yamlfile import Node

Note: TypeAlias = Callable[[What], None]
Fit: TypeAlias = "Callable[[str], str | None]"

WHOLE = {  # what half of would be another one
    "id": "an id",
    "email": "an email",
    "enum": "an enum",
    "phone": "a phone number",
    "country": "a country",
    "subdivision": "a subdivision",
    "direction": "a direction",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def fitter(field: Field, note: Note, *, cut: bool) -> Fit:
    """A text that fits: on one line, in characters the target takes, not too long, and of the kind that the field wants."""
    name, most, most_bytes, without = field.name, field.most, field.most_bytes, field.without
    sound = _sound(field)

    def fitted(made: str) -> str | None:
        line = made if made.isprintable() else texts.one_line(made)
        if without:
            line = line.translate(without)
        if line != made:
            note(What.REPLACED)
        if len(line) > most or (most_bytes and texts.size_bytes(line) > most_bytes):
            if not cut:
                raise _too_long(name, line, most, most_bytes)
            line = texts.cut(line, most, most_bytes)
            note(What.CUT)
        if sound is not None and line:
            line = sound(line)
        return line or None

    return fitted


def is_quick(field: Field) -> Callable[[str], bool] | None:
    """Whether a text fits as it is, asked cheaply; None where nothing is said in advance."""
    if field.without or field.type in ("email", "country", "subdivision"):
        return None
    most = min(field.most, field.most_bytes // 4) if field.most_bytes else field.most
    allowed = frozenset(_allowed(field))
    if allowed:
        return lambda text: text in allowed and len(text) <= most
    return lambda text: len(text) <= most and text.isprintable()


def _too_long(name: str, text: str, most: int, most_bytes: int) -> RecordRefused:
    cure = f"write cut: yes at {name} in the map to shorten it"
    if len(text) > most:
        return RecordRefused(f"{name} has {len(text)} characters, and {most} fit", cure=cure)
    return RecordRefused(f"{name} has {texts.size_bytes(text)} bytes, and {most_bytes} fit", cure=cure)


def _allowed(field: Field) -> tuple[str, ...]:
    if field.type == "direction":
        return field.values or WORDS["direction"]
    return field.values


def _sound(field: Field) -> Callable[[str], str] | None:
    """What a text is in the end, where its field wants a word, an e-mail address or a code; it raises where it is none."""
    name, words = field.name, _allowed(field)
    allowed = frozenset(words)

    def listed(text: str) -> str:
        if text not in allowed:
            raise RecordRefused(f"{name} is {text!r}, which is not one of {', '.join(words)}")
        return text

    def email(text: str) -> str:
        if _EMAIL.fullmatch(text) is None:
            raise RecordRefused(f"{name} is not an e-mail address", cure="correct it at the gateway")
        return text

    def country(text: str) -> str:
        code = places.country(text)
        if code is None:
            raise RecordRefused(f"{name} is {text!r}, which ISO 3166 does not list", cure="correct it at the gateway")
        return code

    def subdivision(text: str) -> str:
        if places.subdivision_name(text) is None:
            raise RecordRefused(f"{name} is {text!r}, which is no code such as US-CA", cure="correct it at the gateway")
        return text

    sounds = {"enum": listed, "direction": listed, "email": email, "country": country, "subdivision": subdivision}
    return sounds.get(field.type)


def literal(field: Field, node: Node, *, cut: bool) -> str:
    """A text that stands in the map and fits its field, or no document ever would. Raises Misconfigured at the text."""
    text = node.text()
    closed = {"role": tuple(role.value for role in Role), "flag": ("yes", "no")}
    words = closed.get(field.type) or _allowed(field)
    if words:
        node.choice(words)
    if len(text) > field.most and not cut:
        raise node.wrong(f"{field.name!r} holds {field.most} characters, this text has {len(text)}", "shorten it")
    if field.most_bytes and texts.size_bytes(text) > field.most_bytes and not cut:
        why = f"{field.name!r} holds {field.most_bytes} bytes, this text has {texts.size_bytes(text)}"
        raise node.wrong(why, "shorten it")
    odd = next((letter for letter in text if ord(letter) in field.without), None)
    if odd is not None:
        raise node.wrong(f"{odd!r} stands here, which the target does not take", "write the text without it")
    if field.type == "email" and _EMAIL.fullmatch(text) is None:
        raise node.wrong(f"{text!r} is not an e-mail address", "write one such as office@example.com")
    if field.type == "country":
        return country_code(node)
    if field.type == "subdivision" and places.subdivision_name(text) is None:
        raise node.wrong(f"{text!r} is no code of ISO 3166-2", "write one such as US-CA")
    return text


def country_code(node: Node) -> str:
    """The two-letter code of a country that stands in the map, and nothing else."""
    text = node.text()
    code = places.country(text)
    if code != text:
        raise node.wrong(f"{text!r} is no country code", f"write {code}" if code else "write two letters such as DE")
    return text


# ---------------------------------------------------------------- an address in the target's own fields


def addressed(field: Field, note: Note, *, cut: bool) -> Callable[[Address], Json]:
    """An address in the fields that the target has for its parts; a part that has none goes into its neighbour."""
    fits = {part: fitter(one.field, note, cut=cut) for part, one in field.parts.items()}
    spellings = {part: SPELLINGS[one.spelled].text for part, one in field.parts.items() if one.spelled}
    has_line2, has_subdivision = "line2" in fits, "subdivision" in fits

    def body(address: Address) -> Json:
        line1, city = address.line1, address.city
        if not has_line2:
            line1 = ", ".join(filter(None, (line1, address.line2)))
        if not has_subdivision:
            city = ", ".join(filter(None, (city, address.subdivision)))
        values: Mapping[str, str] = {
            "line1": line1,
            "line2": address.line2,
            "postal_code": address.postal_code,
            "city": city,
            "subdivision": address.subdivision,
            "country": address.country,
        }
        made: dict[str, Json] = {}
        for part, fit in fits.items():
            text = values[part]
            if text and part in spellings:
                text = spellings[part](text)
            fitted = fit(text) if text else None
            if fitted is not None:
                made[field.parts[part].field.name] = fitted
        return made or None

    return body
