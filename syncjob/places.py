"""The only module that knows countries and their parts (ISO 3166, tables of pycountry), and how an address is put in order.

A name or code is known exactly or not at all; what is close to a name is never taken for it. The tables are loaded when
something is first looked up in them, and never by a run that reads no country.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from syncjob.model import Address

# What people and systems write that is in no table of ISO 3166, each by its code. EL is Greece in VAT numbers.
_ALSO = {
    "BN": "Brunei",
    "CD": "DR Congo; Congo (Kinshasa)",
    "CG": "Republic of the Congo; Congo (Brazzaville)",
    "CI": "Ivory Coast",
    "CV": "Cape Verde",
    "CZ": "Czech Republic",
    "FK": "Falkland Islands",
    "FM": "Micronesia",
    "GB": "UK; Great Britain; England; Scotland; Wales; Northern Ireland",
    "GR": "EL",
    "LA": "Laos",
    "MF": "Saint Martin",
    "MK": "Macedonia",
    "MM": "Burma",
    "NL": "Holland",
    "PS": "Palestine",
    "RU": "Russia",
    "SX": "Sint Maarten",
    "SY": "Syria",
    "SZ": "Swaziland",
    "TL": "East Timor",
    "TR": "Turkey; Türkiye",
    "US": "United States of America",
    "VA": "Vatican; Vatican City",
    "VG": "British Virgin Islands",
    "VI": "US Virgin Islands",
}
_TWO_NAMES = re.compile(r"\s*[\[\]/]\s*")
_ASIDE = re.compile(r"\s*\([^)]*\)")
_APART = re.compile(r"[^\w]+|_")
_SILENT = str.maketrans("", "", ".'`\u00b4\u2018\u2019")  # dots and every kind of apostrophe: U.S., Cote d'Ivoire


class _Country(NamedTuple):
    code: str
    code3: str
    numeric: str
    name: str  # as people say it: South Korea
    names: tuple[str, ...]


# Not in ISO 3166, but in the European Union's and gateways' own lists: codes that ISO leaves to users.
_BESIDES = (_Country("XK", "XKX", "", "Kosovo", ("Republic of Kosovo",)),)


@lru_cache(maxsize=4096)
def country(text: str) -> str | None:
    """The two-letter code of a country by its code (two letters, three letters, number) or English name; None: not known.

    Letter case, accents, dots and a leading "the" make no difference; `UK` is GB.
    """
    return _countries().get(_folded(text))


def country_name(code: str) -> str | None:
    """The English name of a country as people say it ("South Korea"), None where the code is not known."""
    known = _by_code().get(country(code) or "")
    return known.name if known else None


def country_code3(code: str) -> str | None:
    """The three-letter code of a country, None where the code is not known."""
    known = _by_code().get(country(code) or "")
    return known.code3 if known else None


@lru_cache(maxsize=4096)
def subdivision(country_code: str, text: str) -> str | None:
    """The code ("US-CA") of a state, province or region of a country by its code (CA, US-CA) or name; None: not known.

    A name that two parts of the country bear is not known either.
    """
    codes, names = _subdivisions(country(country_code) or "")
    return codes.get(text.strip().upper()) or names.get(_folded(text))


def subdivision_name(code: str) -> str | None:
    """The name of a part of a country by its code ("US-CA"), None where it is not known."""
    found = _part(code=code.strip().upper()) if "-" in code else None
    return str(found.name) if found is not None else None


# ---------------------------------------------------------------- an address in order

# Where the postal code stands behind the city; elsewhere it stands before it.
_CITY_FIRST = frozenset(
    (
        *("AS", "AU", "BR", "CA", "GB", "GG", "GU", "HK", "ID", "IE", "IM", "IN", "JE", "JP", "KR", "MP", "NZ", "PK", "PR"),
        *("SG", "TH", "TW", "US", "VI", "ZA"),
    )
)
# Where people write the part of the country by its short code; elsewhere DE-BY says more than BY.
_SHORT = frozenset(("AU", "BR", "CA", "IN", "IT", "MX", "US"))


def lines(address: Address) -> tuple[str, ...]:
    """An address as the lines of a letter, by the order of its country; absent parts leave no trace, no part is lost."""
    where = _tidy(address.country)
    state, city, postal_code = _tidy(address.subdivision), _tidy(address.city), _tidy(address.postal_code)
    code = where.upper()
    if code in _SHORT and state.startswith(f"{code}-") and state[3:]:
        state = state[3:]
    town = [_beside(postal_code, city), state]
    if code in _CITY_FIRST:
        behind = _beside(state, postal_code)
        town = [f"{city}, {behind}" if city and state else _beside(city, behind)]
    return tuple(filter(None, (_tidy(address.line1), _tidy(address.line2), *town, where)))


def one_line(address: Address) -> str:
    """An address on one line: 1 Example Street, 12345 Example City, DE."""
    return ", ".join(lines(address))


def _beside(first: str, second: str) -> str:
    return f"{first} {second}" if first and second else first or second


def _tidy(part: str) -> str:
    """A part on one line, without the commas and spaces that people leave at its ends."""
    if part.isalnum():
        return part
    return ", ".join(filter(None, (" ".join(line.split()).strip(" ,") for line in part.splitlines())))


# ---------------------------------------------------------------- the tables


def _folded(text: str) -> str:
    """A name so that two spellings of it are one: small letters without accents, one space between words."""
    plain = "".join(one for one in unicodedata.normalize("NFD", text.translate(_SILENT)) if not unicodedata.combining(one))
    words = _APART.sub(" ", plain.replace("&", " and ").casefold()).split()
    if words[:1] == ["the"]:
        del words[0]
    return " ".join("saint" if word == "st" else word for word in words)


def _in_order(name: str) -> str:
    """Korea, Republic of -> Republic of Korea; a list such as Bonaire, Sint Eustatius and Saba stays one."""
    first, comma, rest = name.partition(", ")
    return f"{rest} {first}" if comma and " and " not in rest else name


@lru_cache(maxsize=1)
def _by_code() -> dict[str, _Country]:
    import pycountry

    found = {one.code: one for one in _BESIDES}
    for one in pycountry.countries:
        common, official = getattr(one, "common_name", ""), getattr(one, "official_name", "")
        names = filter(None, (one.name, _in_order(one.name), common, official, *_ALSO.get(one.alpha_2, "").split("; ")))
        found[one.alpha_2] = _Country(
            one.alpha_2, one.alpha_3, one.numeric, common or _in_order(one.name).removeprefix("The "), tuple(names)
        )
    return found


def _spellings() -> Iterator[tuple[str, str]]:
    """Every folded spelling with the code that it means."""
    for code, one in _by_code().items():
        for name in (code, one.code3, one.numeric, one.name, *one.names):
            if name:
                yield _folded(name), code


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    return dict(_spellings())


@lru_cache(maxsize=64)
def _subdivisions(country_code: str) -> tuple[dict[str, str], dict[str, str]]:
    """Codes and folded names of the parts of a country, each with its full code."""
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    twice: set[str] = set()
    for one in _part(country_code=country_code) or ():
        codes[one.code] = codes[one.code.partition("-")[2]] = one.code
        for name in _called(one.name):
            folded = _folded(name)
            if names.setdefault(folded, one.code) != one.code:
                twice.add(folded)
    return codes, {name: code for name, code in names.items() if name not in twice}


def _part(**wanted: str) -> Any:
    """What pycountry finds among the parts of countries; it has no types for this."""
    import pycountry

    table: Any = pycountry.subdivisions
    return table.get(**wanted)


def _called(name: str) -> Iterator[str]:
    """A name and the names in it: Catalunya [Cataluña]; Taita/Taveta; Bicol (Region V); Madrid, Comunidad de."""
    yield name
    for part in _TWO_NAMES.split(_ASIDE.sub("", name)):
        if part:
            yield part
            yield _in_order(part)
