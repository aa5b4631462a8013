"""Errors say how far the damage reaches; once caught they become Problems, which people read as one sentence with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class SyncjobError(Exception):
    """Anything syncjob itself refuses, in one sentence that names the thing, what was seen, and the cure."""


class NotSent(SyncjobError):
    """The request never left: no byte reached the other side, so the same attempt may be made again."""


class OutcomeUnknown(SyncjobError):
    """The request may or may not have been carried out: never repeat it blindly, ask first."""


class TryLater(SyncjobError):
    """This attempt failed in passing; `not_before` (aware UTC) is the earliest instant the other side will listen."""

    def __init__(self, message: str, not_before: datetime | None = None) -> None:
        super().__init__(message)
        self.not_before = not_before


class RecordRefused(SyncjobError):
    """This one record cannot be done; the others can."""

    def __init__(self, message: str, place: str = "", cure: str = "") -> None:
        super().__init__(message)
        self.place = place
        self.cure = cure


class ConnectorDown(SyncjobError):
    """This connector is of no use for the rest of the run; the others go on."""


class NotOffered(ConnectorDown):
    """The other side has no such list at all, a definite no: what it would tell is not covered, and the rest goes on."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


class NeedsPerson(ConnectorDown):
    """This connector is refused until a person renews its key or consent (exit 6)."""


class Misconfigured(SyncjobError):
    """The run cannot start: a file, key or argument is wrong. Said before any request (exit 2)."""


class Busy(SyncjobError):
    """Another run holds the lock, or the state is locked by another program (exit 4)."""


class StateDamaged(SyncjobError):
    """The state store is damaged, read-only, full, or written by a newer syncjob (exit 7)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as a value: what was refused, where it stands, why, and what cures it."""

    what: str
    where: str
    why: str
    cure: str = ""

    def __str__(self) -> str:
        """One sentence: place, thing, reason, cure."""
        sentence = f"{self.where}: {self.what}: {self.why}" if self.where else f"{self.what}: {self.why}"
        return f"{sentence}; {self.cure}" if self.cure else sentence


EXIT_OK = 0
EXIT_BUG = 1
EXIT_CONFIGURATION = 2
EXIT_HELD = 3
EXIT_BUSY = 4
EXIT_TRANSIENT = 5
EXIT_AUTHORISATION = 6
EXIT_STATE = 7
_AFTER_WORK = (EXIT_STATE, EXIT_BUG, EXIT_AUTHORISATION, EXIT_TRANSIENT, EXIT_HELD)


def exit_code(codes: set[int]) -> int:
    """The one exit code of a run that worked: the first of 7, 1, 6, 5, 3 that applies, else 0."""
    return next((code for code in _AFTER_WORK if code in codes), EXIT_OK)
