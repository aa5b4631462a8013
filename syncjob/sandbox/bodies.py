"""What a misfortune makes of an answer's body: wrong, far too long, packed to burst, or dripping."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from syncjob.sandbox.quirks import STALL_SECONDS_MAX, Quirk

MEGABYTE = 1_048_576
_MEGABYTES = 64
_DRIP_SECONDS = 1.0
_DRIPS = 20
_LEVELS = 200_000
_LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Example Hotel</title></head><body>Please log in to the network.</body></html>"
_AMOUNT = re.compile(rb'"amount":(-?\d+)')


def mangled(quirk: Quirk, body: bytes) -> tuple[bytes, dict[str, str]]:
    """The body and the headers that this misfortune sends instead of the right ones."""
    how = str(quirk.details.get("how", ""))
    if quirk.name == "truncated":
        return body[: len(body) // 2], {}
    if quirk.name == "malformed_json":
        return _malformed(body, how), {}
    if quirk.name == "wrong_content_type":
        page = how == "login_page"
        return (_LOGIN_PAGE if page else body), {"Content-Type": "text/html"}
    if quirk.name == "gzip_bomb":
        return _packed(body, _bytes(quirk)), {"Content-Encoding": "gzip"}
    return body, {}


def _malformed(body: bytes, how: str) -> bytes:
    if how == "duplicate_key":
        # The second value is what most readers keep: a hundred times too much.
        return _AMOUNT.sub(rb'"amount":\1,"amount":\g<1>00', body, count=1)
    if how == "not_a_number":
        return _AMOUNT.sub(b'"amount":NaN', body, count=1)
    if how == "not_utf8":
        return b'{"note":"\xff\xfe",' + body[1:]
    if how == "too_deep":
        return b'{"note":' + b"[" * _LEVELS + b"]" * _LEVELS + b"," + body[1:]
    return body[:-1] + b",}"


def _bytes(quirk: Quirk) -> int:
    return int(quirk.details.get("megabytes", _MEGABYTES)) * MEGABYTE


def _padded(body: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the padding: together with it, still the right answer."""
    return b'{"padding":"', b'",' + body[1:]


def _packed(body: bytes, size: int) -> bytes:
    before, after = _padded(body)
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * MEGABYTE
    pieces = [packer.compress(before)]
    pieces += [packer.compress(block) for _ in range(size // MEGABYTE)]
    pieces += [packer.compress(after), packer.flush()]
    return b"".join(pieces)


def length(quirk: Quirk | None, body: bytes) -> int:
    """How many bytes go over the wire."""
    if quirk is None or quirk.name != "oversized":
        return len(body)
    before, after = _padded(body)
    return len(before) + _bytes(quirk) + len(after)


def pieces(quirk: Quirk | None, body: bytes) -> Iterator[tuple[bytes, float]]:
    """What goes over the wire, piece by piece, each with the seconds to wait before it."""
    if quirk is not None and quirk.name == "oversized":
        before, after = _padded(body)
        block = b" " * MEGABYTE
        yield before, 0.0
        for _ in range(_bytes(quirk) // MEGABYTE):
            yield block, 0.0
        yield after, 0.0
    elif quirk is not None and quirk.name == "drip":
        seconds = min(float(quirk.details.get("seconds", _DRIP_SECONDS)), STALL_SECONDS_MAX)
        size = len(body) // _DRIPS + 1
        for start in range(0, len(body), size):
            yield body[start : start + size], seconds / _DRIPS
    else:
        yield body, 0.0
