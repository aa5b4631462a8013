"""How a target map may have a value written, after `as:`. The list is closed; each spelling takes values of certain types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from syncjob import places
from syncjob.errors import RecordRefused
from syncjob.mapping import texts
from syncjob.mapping.happening import as_text
from syncjob.model import Address

_CODE = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)
_CURE = "correct it at the gateway, or turn it into the right one with a lookup:"


class Spelling(NamedTuple):
    """One way to write a value: the types of value that it takes, and the text it makes of one."""

    of: tuple[str, ...]
    text: Callable[[object], str]


def _words(value: object) -> str:
    return texts.spoken(as_text(value))


def _one_line(value: object) -> str:
    return places.one_line(value) if isinstance(value, Address) else as_text(value)


def _country_name(value: object) -> str:
    return places.country_name(as_text(value)) or _unknown_country(value)


def _country_code3(value: object) -> str:
    return places.country_code3(as_text(value)) or _unknown_country(value)


def _subdivision_name(value: object) -> str:
    """The name behind a code; what people wrote in place of one stays what they wrote."""
    text = as_text(value)
    return (places.subdivision_name(text) or _unknown_subdivision(value)) if _CODE.fullmatch(text) else text


def _subdivision_short(value: object) -> str:
    """CA for US-CA; what people wrote in place of a code stays what they wrote."""
    text = as_text(value)
    if not _CODE.fullmatch(text):
        return text
    return text.partition("-")[2] if places.subdivision_name(text) else _unknown_subdivision(value)


def _unknown_country(value: object) -> str:
    raise RecordRefused(f"the country is {as_text(value)!r}, which ISO 3166 does not list", cure=_CURE)


def _unknown_subdivision(value: object) -> str:
    why = f"the part of the country is {as_text(value)!r}, which ISO 3166-2 does not list"
    raise RecordRefused(why, cure=_CURE)


SPELLINGS: Mapping[str, Spelling] = {
    "words": Spelling(("text", "enum", "direction"), _words),
    "one_line": Spelling(("address",), _one_line),
    "country_name": Spelling(("country",), _country_name),
    "country_code3": Spelling(("country",), _country_code3),
    "subdivision_name": Spelling(("subdivision",), _subdivision_name),
    "subdivision_short": Spelling(("subdivision",), _subdivision_short),
}
