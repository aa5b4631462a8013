"""The one place where JSON is read: what could be understood in two ways is refused, and no float ever comes out.

The standard library's scanner does the work; what it tolerates (the last of two equal keys, NaN, binary floats, any depth)
is refused or kept exact here.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any, NoReturn, TypeAlias, cast

Value: TypeAlias = "bool | int | str | list[Value] | dict[str, Value] | None"  # never a float

DEPTH_MAX = 64
BYTES_MAX = 64 * 1024 * 1024
_INT_DIGITS_MAX = 19
_INT_LARGEST = 2**63 - 1  # what the store's 64-bit columns hold
_DECIMAL_CHARACTERS_MAX = 64
_DIGITS_AS_ZERO = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_BOM = b"\xef\xbb\xbf"


class BadJson(ValueError):
    """Text that is not JSON as we accept it; the message is one sentence."""


class Exact(str):
    """A number with a fraction or an exponent, kept as the text that was sent: exact, and no float."""

    __slots__ = ()


def read(data: bytes, bytes_max: int = BYTES_MAX) -> Value:
    """Read one JSON value in UTF-8: whole numbers as int (64 bits), other numbers as Exact; anything doubtful is BadJson."""
    if len(data) > bytes_max:
        raise BadJson(f"the JSON has {len(data)} bytes, more than the {bytes_max} allowed")
    if data.startswith(_BOM):
        raise BadJson("the JSON begins with a byte order mark")
    # One look at the bytes tells whether any whole number can be too long: only then is each one looked at.
    decoder = _WARY if b"0" * _INT_DIGITS_MAX in data.translate(_DIGITS_AS_ZERO) else _FAST
    try:
        value = decoder.decode(data.decode())
    except UnicodeDecodeError as wrong:
        raise BadJson(f"the JSON is not UTF-8 at byte {wrong.start}") from None
    except json.JSONDecodeError as wrong:
        raise BadJson(f"the JSON is malformed at character {wrong.pos}: {wrong.msg}") from None
    except RecursionError:
        raise BadJson(f"the JSON is nested deeper than {DEPTH_MAX}") from None
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX:
        _refuse_depth(value)
    return cast(Value, value)


def _refuse_depth(value: object) -> None:
    """Walk down level by level: a stack of generations instead of recursion, so depth costs nothing."""
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX + 1):
        objects = [each for each in level if each.__class__ is dict]
        arrays = [each for each in level if each.__class__ is list]
        if not objects and not arrays:
            return
        level = [
            each
            for each in chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
            if each.__class__ is dict or each.__class__ is list
        ]
    raise BadJson(f"the JSON is nested deeper than {DEPTH_MAX}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJson(f"the JSON has the key {twice[:40]!r} twice in one object")
    return found


def _decimal(text: str) -> Exact:
    if len(text) > _DECIMAL_CHARACTERS_MAX:
        raise BadJson(f"the JSON has a number of {len(text)} characters")
    return Exact(text)


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _INT_DIGITS_MAX:
        raise BadJson(f"the JSON has a whole number of {len(text.lstrip('-'))} digits, more than 64 bits hold")
    number = int(text)
    if abs(number) > _INT_LARGEST:
        raise BadJson(f"the JSON has the whole number {number}, more than 64 bits hold")
    return number


def _constant(text: str) -> NoReturn:
    raise BadJson(f"the JSON has {text}, which is no number")


_FAST = json.JSONDecoder(object_pairs_hook=_object, parse_float=_decimal, parse_constant=_constant)
_WARY = json.JSONDecoder(object_pairs_hook=_object, parse_float=_decimal, parse_constant=_constant, parse_int=_whole)
