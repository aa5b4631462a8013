"""Example people in place of real ones: what is personal in records that become a case, replaced by something of its kind.

A name stays a name in its own script and of its own length, a postal code keeps its pattern, an address stays in its country:
whatever a rule could trip over is still there, and nobody can be told from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from syncjob import redact
from syncjob.model import Json, Kept, Path

# The word for "example" in each script; letters are taken from it in turn.
_EXAMPLES = {
    "LATIN": "example",
    "CYRILLIC": "пример",
    "GREEK": "παραδειγμα",
    "ARMENIAN": "օրինակ",
    "GEORGIAN": "მაგალითი",
    "ARABIC": "مثال",
    "HEBREW": "דוגמה",
    "DEVANAGARI": "उदहरण",
    "THAI": "ตวอยาง",
    "CJK": "例示",
    "HIRAGANA": "れい",
    "KATAKANA": "レイ",
    "HANGUL": "예시",
}
_WITH_ACCENTS = ("LATIN", "CYRILLIC", "GREEK")  # whose letters can be taken apart into letter and mark
_DIGITS = "12345"
_EMAIL = re.compile(r"[^\s<>\"',;:()\[\]@]+@[^\s<>\"',;:()\[\]@]+\.[^\s<>\"',;:()\[\]@]+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_STATE = re.compile(r"[a-z0-9_.]+", re.ASCII)  # a vendor's own word, such as requires_payment_method
_STAYS = ("country", "country_code", "state", "province", "subdivision", "region")  # too many people share it
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHORTEST = 4  # characters of a personal text that is looked for in others


class StandIns:
    """What stands for whom in one case: the same text becomes the same example wherever it stands."""

    def __init__(self) -> None:
        self._emails: dict[str, str] = {}
        self._texts: dict[str, tuple[re.Pattern[str], str]] = {}  # what was personal -> how it is found, and its example

    def note(self, path: Path, value: Json) -> None:
        """Get to know a personal value, so that free text that repeats it is found out, whatever comes first."""
        for text in _leaves(value):
            stand_in = self.personal(path, text)
            if stand_in != text and len(text.strip()) >= (_SHORTEST if text.isascii() else _SHORTEST // 2):
                self._look_for(text.strip(), stand_in)
            for word in _WORD.findall(text) if "name" in path[-1].lower() else ():
                self._look_for(word, shaped(word))

    def _look_for(self, text: str, stand_in: str) -> None:
        spellings = {text.lower(), text.casefold(), *(unicodedata.normalize(form, text.lower()) for form in ("NFC", "NFD"))}
        for one in spellings - self._texts.keys():
            # Where a script sets no spaces, a name is found inside other words as well.
            spaced = all(unicodedata.category(letter) != "Lo" for letter in one)
            within = rf"(?<!\w){re.escape(one)}(?!\w)" if spaced else re.escape(one)
            self._texts[one] = re.compile(within, re.IGNORECASE), stand_in

    def personal(self, path: Path, text: str) -> str:
        """The example for a personal value, by what its field is called."""
        name = path[-1].lower()
        if name in _STAYS:
            return text
        if "@" in text:
            return self._email(text)
        if "phone" in name:
            return _phone(text)
        return shaped(text)

    def free(self, text: str) -> str:
        """A free text without card numbers, secrets, e-mail addresses and whatever is personal elsewhere in the case."""
        text = _CONTROL.sub(" ", redact.clean(text))
        if _STATE.fullmatch(text):
            return text
        text = _EMAIL.sub(lambda found: self._email(found[0]), text)
        for known in sorted(self._texts, key=len, reverse=True):
            pattern, stand_in = self._texts[known]
            text = pattern.sub(lambda found, stand_in=stand_in: _like(found[0], stand_in), text)  # type: ignore[misc]
        return text

    def _email(self, text: str) -> str:
        # In small letters: the id of a guest is made so, too, and two spellings of one address must stay one.
        number = len(self._emails) + 1
        return self._emails.setdefault(text.strip().casefold(), f"person{number}@example.com")


def replaced(fields: Mapping[str, Json], kept: Kept, known: StandIns) -> dict[str, Json]:
    """A record's fields with examples in place of what is personal; amounts, ids, states and times stay as they are."""
    return {name: _replaced(value, (name,), kept, known, personal=False) for name, value in fields.items()}


def noted(fields: Json, kept: Kept, known: StandIns, path: Path = ()) -> None:
    """Get to know every personal value of a record."""
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            if (*path, name) in kept.personal:
                known.note((*path, name), value)
            else:
                noted(value, kept, known, (*path, name))
    elif isinstance(fields, list):
        for one in fields:
            noted(one, kept, known, path)


def _replaced(value: Json, path: Path, kept: Kept, known: StandIns, *, personal: bool) -> Json:
    personal = personal or path in kept.personal
    if isinstance(value, Mapping):
        return {name: _replaced(one, (*path, name), kept, known, personal=personal) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, path, kept, known, personal=personal) for one in value]
    if not isinstance(value, str) or not value:
        return value
    if personal:
        return known.personal(path, value)
    return value if path in kept.ids else known.free(value)


def _leaves(value: Json) -> Iterable[str]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str) and value:
        yield value


# ---------------------------------------------------------------- one text


def shaped(text: str) -> str:
    """A text of the same length and script, with the same capitals, accents, marks and spaces, that says "example"."""
    made: list[str] = []
    at = 0  # each word begins anew
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Nd":
            made.append(chr(ord(letter) - unicodedata.digit(letter) + int(_DIGITS[at % len(_DIGITS)])))
        elif kind[0] == "L":
            made.append(_letter(letter, at))
        elif kind[0] == "C":
            made.append(" ")
        else:
            made.append(letter)
        at = at + 1 if kind == "Nd" or kind[0] == "L" else 0 if kind[0] != "M" else at
    return "".join(made)


def _letter(letter: str, at: int) -> str:
    script = unicodedata.name(letter, "").partition(" ")[0]
    # A script that is not listed becomes a Latin example: better another script than somebody's initials.
    word = _EXAMPLES.get(script, _EXAMPLES["LATIN"])
    word = word[at % len(word) :] + word[: at % len(word)]
    word = word.upper() if letter.isupper() else word
    marks = unicodedata.normalize("NFD", letter)[1:] if script in _WITH_ACCENTS else ""
    accented = (unicodedata.normalize("NFC", one + marks) for one in word)
    return next((one for one in accented if len(one) == 1), word[0])


def _phone(text: str) -> str:
    """The country's code stays, all other digits become zero."""
    stays = 3 if text.lstrip().startswith("+") else 0
    digits = 0
    made = []
    for letter in text:
        if letter.isdigit():
            digits += 1
            made.append(letter if digits < stays else "0")
        else:
            made.append("x" if letter.isalpha() else letter)
    return "".join(made)


def _like(found: str, stand_in: str) -> str:
    """A stand-in in the capitals of what it replaces."""
    return stand_in.upper() if found.isupper() else stand_in.lower() if found.islower() and "@" not in stand_in else stand_in
