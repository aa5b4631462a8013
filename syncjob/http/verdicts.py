"""What a status, a wait and a refusal mean: pure tables and functions, one table for reading and one for writing.

A write that may have been done is unknown, not to be tried again; reading can always be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from syncjob import strictjson
from syncjob.errors import ConnectorDown, NeedsPerson, OutcomeUnknown, RecordRefused, SyncjobError, TryLater
from syncjob.moment import from_http
from syncjob.redact import clean

BACKOFF_SECONDS_BASE = 0.5
WAIT_SECONDS_MAX = 60.0  # a longer wait belongs to the next run
POSTPONED_SECONDS_MAX = 24 * 3600.0
_MESSAGE_CHARACTERS_MAX = 300

Refusal: TypeAlias = type[SyncjobError]
Table: TypeAlias = Sequence[tuple[range, Refusal | None]]


def _on(first: int, last: int | None = None) -> range:
    return range(first, (first if last is None else last) + 1)


READING: Table = (
    (_on(200), None),
    (_on(201, 299), TryLater),  # not data
    (_on(401), NeedsPerson),
    (_on(403), NeedsPerson),
    (_on(400), RecordRefused),  # a cursor, a resume id or a record is not what it was: the connector knows
    (_on(404), RecordRefused),
    (_on(410), RecordRefused),
    (_on(422), RecordRefused),
    (_on(408, 409), TryLater),
    (_on(425), TryLater),
    (_on(429), TryLater),
    (_on(500, 599), TryLater),
)
WRITING: Table = (
    (_on(202), OutcomeUnknown),  # accepted is not done
    (_on(200, 299), None),
    (_on(401), NeedsPerson),
    (_on(403), NeedsPerson),
    (_on(408, 409), OutcomeUnknown),
    (_on(425), TryLater),
    (_on(429), TryLater),
    (_on(400, 499), RecordRefused),
    (_on(500, 599), OutcomeUnknown),
    (_on(300, 399), OutcomeUnknown),
)


def verdict(table: Table, status: int) -> Refusal | None:
    """What a status means: None for an answer, else the error that says how far it reaches; the unknown is ConnectorDown."""
    return next((refusal for statuses, refusal in table if status in statuses), ConnectorDown)


def backoff_seconds(attempt: int, chance: float) -> float:
    """How long to wait after this attempt (the first is 1): a random share of 0.5 s doubled each time, at most 60 s."""
    return chance * min(WAIT_SECONDS_MAX, BACKOFF_SECONDS_BASE * float(2 ** (attempt - 1)))


def retry_after_seconds(text: str, seen_at: datetime) -> float | None:
    """The wait a Retry-After header asks for (seconds, bounded), or None where it says nothing sensible."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), POSTPONED_SECONDS_MAX)
    until = from_http(text) if text[:1].isalpha() else None
    if until is None:
        return None
    return min(max(0.0, (until - seen_at).total_seconds()), POSTPONED_SECONDS_MAX)


def said(content: bytes) -> str:
    """What the other side said about its refusal, as far as it is text."""
    try:
        return message(strictjson.read(content))
    except strictjson.BadJson:
        return ""


def message(body: object) -> str:
    """The message inside an error body, in the shapes that vendors use ("" where there is none)."""
    for name in ("error", "errors"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        body = next((body[name] for name in ("message", "error_description", "detail", "title") if body.get(name)), "")
    return body if isinstance(body, str) else ""


def sentence(text: str, cure: str = "") -> str:
    """A message as it may be shown and kept: redacted, on one line, not longer than 300 characters with its cure."""
    plain = "".join(letter if letter.isprintable() else " " for letter in clean(text))
    room = _MESSAGE_CHARACTERS_MAX - (len(cure) + 2 if cure else 0)
    shown = plain if len(plain) <= room else plain[: room - 1] + "…"
    return f"{shown}; {cure}" if cure else shown
