"""What a database complains about, as one of our errors: a sentence with the place, what happened, and the cure."""

from __future__ import annotations

import errno

from sqlalchemy.exc import DBAPIError

from syncjob.errors import Busy, StateDamaged, SyncjobError

WAIT_SECONDS = 5  # for another program that is writing

_LOCKED = ("database is locked", "database table is locked", "locking protocol")
_FULL = ("database or disk is full", "no space left")
_READ_ONLY = ("readonly database", "read-only", "query only")
_BROKEN = ("not a database", "malformed", "disk image", "file is encrypted", "unsupported file format")
_CLOSED_DOOR = ("unable to open database",)

_STATES = {  # PostgreSQL's SQLSTATE, whole or by its class
    "55P03": "locked",
    "40P01": "locked",
    "40001": "locked",
    "57014": "locked",
    "53100": "full",
    "25006": "read only",
    "42501": "read only",
    "XX001": "broken",
    "XX002": "broken",
    "23": "invariant",
    "22": "invariant",
    "42": "invariant",
}


def explained(place: str, wrong: Exception) -> SyncjobError | AssertionError:
    """The error that a database's complaint means for a run; a violated constraint is a bug of ours and stops it."""
    original = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    word = _word(original)
    detail = " ".join(str(original).split())
    if word == "locked":
        return Busy(
            f"the state {place} has been locked by another program for {WAIT_SECONDS} seconds; try again when it is done"
        )
    if word == "full":
        return StateDamaged(f"the state {place} cannot grow: the disk is full; free some space, then run again")
    if word == "read only":
        return StateDamaged(f"the state {place} cannot be written ({detail}); give the user who runs syncjob write permission")
    if word == "broken":
        return StateDamaged(f"the state {place} is damaged ({detail}); restore its last backup, then run again")
    if word == "invariant":
        return AssertionError(f"the state {place} refused a row: {detail}")
    return StateDamaged(f"the state {place} failed: {detail}; see to that, then run again")


def _word(original: object) -> str:
    state = str(getattr(original, "sqlstate", None) or "")
    if state:
        return _STATES.get(state) or _STATES.get(state[:2], "")
    text = str(original).lower()
    if "constraint failed" in text or "datatype mismatch" in text or "cannot store" in text:
        return "invariant"
    for word, signs in (("locked", _LOCKED), ("full", _FULL), ("read only", _READ_ONLY), ("broken", _BROKEN)):
        if any(sign in text for sign in signs):
            return word
    return "read only" if any(sign in text for sign in _CLOSED_DOOR) else ""


def from_os(place: str, wrong: OSError) -> StateDamaged:
    """The error that a failed file operation beside the state means."""
    if wrong.errno == errno.ENOSPC:
        return StateDamaged(f"the state {place} cannot grow: the disk is full; free some space, then run again")
    return StateDamaged(
        f"the state {place} cannot be used: {wrong.strerror}; see to its folder and permissions, then run again"
    )
