"""Card numbers, security codes and secrets are taken out of text before anything is written anywhere.

A card number is 13 to 19 digits with an issuer's prefix and a right check digit (Luhn), in any spelling: spaces, dashes or
dots between the digits, zero-width marks, full-width or other Unicode digits, percent or backslash escapes, inside JSON text.
Only whole groups of digits count, and longer unbroken runs are left alone: nearly every random run of 24 digits holds
something that passes Luhn. Ids with letters in them and Unix times are not touched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NoReturn

CARD = "[card number removed]"
CODE = "[security code removed]"
TRACK = "[card track removed]"
SECRET = "[secret removed]"  # noqa: S105 - the mark that stands where a secret was


class Secret:
    """A key or password that shows itself to nobody: it prints as ***, and only `reveal` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that puts it on the wire."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        """A secret is not pickled: that would write it down."""
        raise TypeError("a Secret is never written down")


# ---------------------------------------------------------------- for everybody


def clean(text: str) -> str:
    """The text without card numbers, security codes, track data and secrets; each leaves a visible mark in its place."""
    if not suspect(text):
        return text
    text = _TRACKS.sub(TRACK, text)
    text = _SECRETS.sub(SECRET, text)
    text = _CODES.sub(lambda found: found["name"] + CODE, text)
    spans = list(_cards(text))
    for start, end in reversed(spans):
        text = text[:start] + CARD + text[end:]
    return text


def has_card(text: str) -> bool:
    """Whether a card number stands in this text, in any spelling."""
    return _may_hold_digits(text) and next(_cards(text), None) is not None


def names_code(name: str) -> bool:
    """Whether a field of this name holds a security code ("cvv", "card_cvc2", "security-code")."""
    return _CODE_NAME.fullmatch(name) is not None


def suspect(text: str) -> bool:
    """Whether there is any reason to look closer: False for nearly all texts, and then nothing needs to be removed.

    It may be asked about many texts in one (a whole record as JSON), which is much faster than one by one.
    """
    return _may_hold_digits(text) or _may_hold_words(text)


# ---------------------------------------------------------------- the quick look

_JOINERS = b" \t\r\n\f\v.-_/"  # may stand between the digits of a card number
_DIGITS_AS_ZERO = bytes(ord("0") if 48 <= byte < 58 else byte for byte in range(256))
_RUN = b"0" * 13
_ESCAPES = re.compile(r"\\+[ux]|[0-9]\\+[nrt][0-9]|%(?:25)*[0-9a-f]{2}|&(?:#|nbsp)", re.IGNORECASE)
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_CODE_HINTS = ("cvv", "cvc", "cvn", "cv2", "csc", "security", "verification", "fnummer", "fziffer")
_SECRET_HINTS = (  # in lower case; one of them stands in whatever _SECRETS finds
    *("_live_", "_test_", "whsec_", "bearer", "basic ", "private key", "akia", "asia", "ghp_", "gho_", "ghs_", "github_pat_"),
    *("xox", "pat-", "eyj", "://"),
)


def _may_hold_digits(text: str) -> bool:
    if ("\\" in text or "%" in text or "&" in text) and _ESCAPES.search(text):
        return True
    if not text.isascii() and any(map(str.isdigit, "".join(_FOREIGN.findall(text)))):
        text = "".join(_simple(letter) for letter in unicodedata.normalize("NFKC", text))
    # Letters beyond ASCII are left out rather than weighed: that can only raise a suspicion too many.
    return _RUN in text.encode("ascii", "ignore").translate(_DIGITS_AS_ZERO, _JOINERS)


def _may_hold_words(text: str) -> bool:
    # Three letters are in every hundredth id by chance, so a hint is followed up; in escaped text it is taken as it is.
    lower = text.lower()
    for hint in _SECRET_HINTS:
        if hint in lower and ("\\" in text or _SECRETS.search(text) is not None):
            return True
    for hint in _CODE_HINTS:  # noqa: SIM110 - asked about every record, and any() takes half as long again
        if hint in lower and ("\\" in text or _CODE_LIKE.search(text) is not None):
            return True
    return False


# ---------------------------------------------------------------- card numbers

# One unit of a text: an escape that stands for a character, or a character.
_UNIT = re.compile(
    r"\\+u(?P<u>[0-9A-Fa-f]{4})|\\+x(?P<x>[0-9A-Fa-f]{2})|&#(?:x(?P<hex>[0-9A-Fa-f]{1,5})|(?P<dec>[0-9]{1,6}));?"
    r"|(?P<percent>%(?:25)*[EFef][0-9A-Fa-f](?:%(?:25)*[89ABab][0-9A-Fa-f]){2,3}"
    r"|%(?:25)*[CDcd][0-9A-Fa-f]%(?:25)*[89ABab][0-9A-Fa-f]|%(?:25)*[0-7][0-9A-Fa-f])"
    r"|&nbsp;|\\+[nrt]",
)
_GROUPS = re.compile(r"[0-9]+")
_BETWEEN = re.compile(r"[\s._/\-]{0,3}")
_LENGTHS = range(13, 20)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Where card numbers stand in the text, from left to right and without overlap."""
    plain, starts, ends = _plain(text)
    groups = [(found.start(), found.end()) for found in _GROUPS.finditer(plain)]
    at = 0
    while at < len(groups):
        last = _card_from(plain, groups, at)
        if last is None:
            at += 1
            continue
        yield starts[groups[at][0]], ends[groups[last][1] - 1]
        at = last + 1


def _card_from(plain: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the groups that make a card number together with the first one; the longest such number wins."""
    digits, found, end = "", None, groups[first][0]
    for place in range(first, len(groups)):
        start = groups[place][0]
        if place > first and not _BETWEEN.fullmatch(plain, end, start):
            break
        end = groups[place][1]
        if len(digits) + end - start > _LENGTHS[-1]:
            break
        digits += plain[start:end]
        if len(digits) in _LENGTHS and _issued(digits) and _luhn(digits):
            found = place
    return found


def _plain(text: str) -> tuple[str, list[int] | range, list[int] | range]:
    """The text with ASCII digits and separators, escapes resolved, marks without width dropped; and where each stood."""
    if text.isascii() and not ("\\" in text or "%" in text or "&" in text):
        return text, range(len(text)), range(1, len(text) + 1)
    letters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    while at < len(text):
        unit = _UNIT.match(text, at)
        end = unit.end() if unit else at + 1
        for letter in unicodedata.normalize("NFKC", _meaning(unit) if unit else text[at]):
            simple = _simple(letter)
            if simple:
                letters.append(simple)
                starts.append(at)
                ends.append(end)
        at = end
    return "".join(letters), starts, ends


def _meaning(unit: re.Match[str]) -> str:
    """The character that an escape stands for."""
    if unit["percent"]:
        return bytes.fromhex(re.sub(r"%(?:25(?=[0-9A-Fa-f]{2}))*", "", unit["percent"])).decode(errors="replace")
    for name, base in (("u", 16), ("x", 16), ("hex", 16), ("dec", 10)):
        if unit[name]:
            number = int(unit[name], base)
            return chr(number) if number < 0x110000 else "?"
    return " "


def _simple(letter: str) -> str:
    """A digit as ASCII, any dash as "-", any space as " ", a mark without width as nothing, the rest as it is."""
    if letter.isascii():
        return letter
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.digit(letter))
    if kind == "Pd" or letter in "\u2212\u00ad":
        return "-"
    if kind in ("Zs", "Zl", "Zp"):
        return " "
    if letter in "\u00b7\u2022\u2027\u30fb\u3002":
        return "."
    return "" if kind in ("Cf", "Mn", "Me", "Cc") else letter


def _issued(digits: str) -> bool:
    """Whether an issuer gives out numbers of this prefix and length."""
    count, two, four = len(digits), int(digits[:2]), int(digits[:4])
    match digits[0]:
        case "4":
            return count in (13, 16, 19)
        case "1":
            return count == 15  # UATP
        case "2":
            return (count == 16 and 2221 <= four <= 2720) or 2200 <= four <= 2205
        case "3":
            if two in (34, 37):
                return count == 15
            diners = two == 36 or (two in (38, 39) and count == 14) or four // 10 in range(300, 306) or four == 3095
            return diners or (3528 <= four <= 3589 and count >= 16)  # or JCB
        case "5":
            return (51 <= two <= 55 and count == 16) or two == 50 or four == 5893
        case "6":
            return two in (60, 62, 65) or 644 <= four // 10 <= 649 or four in (6304, 6390, 6759, 6761, 6762, 6763)
        case "8":
            return (8100 <= four <= 8171 or two == 82) and count >= 16
        case "9":
            return four == 9792 and count == 16
    return False


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _luhn(digits: str) -> bool:
    values = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


# ---------------------------------------------------------------- codes, tracks, secrets

_CODE_WORD = r"""(?:cvv|cvc|cvn|csc|cv2)[12]?|card[\s_-]*(?:security|verification)[\s_-]*(?:code|value|number)
|(?:security|verification)[\s_-]*code|kartenpr(?:ü|ue|u)f(?:nummer|ziffer)|pr(?:ü|ue|u)f(?:nummer|ziffer)"""
_CODES = re.compile(
    rf"""(?P<name>(?<![A-Za-z])(?:{_CODE_WORD})(?:[\s_-]*(?:code|no|nr|number|is|ist))?\\*["']?[\s:=\#-]{{0,6}}\\*["']?)
    (?<!\d)\d{{3,4}}(?!\d)""",
    re.IGNORECASE | re.VERBOSE,
)
# Where a code's name may stand: not inside of another word, as far as an id has words.
_CODE_LIKE = re.compile(rf"(?<![A-Za-z])(?:{_CODE_WORD})(?![abd-hj-mo-z])", re.IGNORECASE | re.VERBOSE)
_CODE_NAME = re.compile(rf"(?:[a-z]+[\s_-]+)*(?:{_CODE_WORD})(?:[\s_-]*(?:code|no|nr|number))?", re.IGNORECASE | re.VERBOSE)
_TRACKS = re.compile(
    r"%?[Bb][0-9]{12,19}\^[^^?\n]{2,26}\^[0-9]{4}[^?\n]{0,60}\??|;?(?<![0-9])[0-9]{12,19}[=D][0-9]{7,25}\??", re.ASCII
)
_SECRETS = re.compile(
    r"""\b(?:[sr]k|sk_org)_(?:live|test)_[A-Za-z0-9]{6,}|\bwhsec_[A-Za-z0-9+/=]{10,}
    |\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\b(?:ghp|gho|ghs)_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}
    |\bxox[abprs]-[A-Za-z0-9-]{10,}|\bpat-[a-z]{2}[0-9]-[0-9A-Fa-f-]{20,}
    |\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    |(?i:(?<=\bbearer\ )|(?<=\bbasic\ ))[A-Za-z0-9._~+/=-]{16,}|(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)
    |-----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----(?:[\s\S]*?-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|[\s\S]*)""",
    re.VERBOSE,
)
