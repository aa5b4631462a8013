"""Texts made to fit: on one line, in the characters that a target takes, and never longer than it holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

_ELLIPSIS = "…"
_JOINER = "\u200d"  # joins what would be several signs into one: a family, a profession
_TAGS = range(0xE0020, 0xE0080)  # spell out which flag a black flag is
_SKINS = range(0x1F3FB, 0x1F400)
_LETTERS_OF_FLAGS = range(0x1F1E6, 0x1F200)
_VOWELS_AND_ENDS = range(0x1160, 0x1200)  # of Hangul, written after the consonant they belong to


def one_line(text: str) -> str:
    """A text on one line: line ends, tabs and control characters become single spaces, lone surrogates a question mark."""
    kept = (
        "?" if 0xD800 <= ord(letter) <= 0xDFFF else " " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter
        for letter in text
    )
    return " ".join("".join(kept).split())


def taken(text: str, without: Mapping[int, str]) -> str:
    """A text in which every character that a target does not take is replaced."""
    return text.translate(without)


def cut(text: str, most: int, most_bytes: int) -> str:
    """The beginning of a text that fits with an ellipsis behind it, in characters and in UTF-8 bytes (0: any number).

    A letter keeps its accents, a sign that is made of several stays whole or is left out.
    """
    end = min(most - 1, len(text))
    if most_bytes:
        room = max(most_bytes - len(_ELLIPSIS.encode()), 0)
        end = min(end, len(text[:end].encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore")))
    while end > 0 and not _ends_here(text, end):
        end -= 1
    return text[:end].rstrip() + _ELLIPSIS


def size_bytes(text: str) -> int:
    """How many bytes a text takes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def spoken(text: str) -> str:
    """One of our words as people say it: dispute_reversal is Dispute reversal."""
    words = text.replace("_", " ")
    return words[:1].upper() + words[1:]


def _ends_here(text: str, place: int) -> bool:
    """Whether a sign ends before this place, so that the text can be cut there."""
    if place >= len(text):
        return True
    after, before = text[place], text[place - 1]
    number = ord(after)
    if unicodedata.category(after) in ("Mn", "Mc", "Me") or _JOINER in (after, before):
        return False
    if number in _SKINS or number in _TAGS or number in _VOWELS_AND_ENDS:
        return False
    if number in _LETTERS_OF_FLAGS and ord(before) in _LETTERS_OF_FLAGS:  # two of them are one flag
        begin = place
        while begin and ord(text[begin - 1]) in _LETTERS_OF_FLAGS:
            begin -= 1
        return (place - begin) % 2 == 0
    return True
