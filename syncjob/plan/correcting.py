"""Which documents that were delivered follow a changed map or account code, and which stay because their period is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from syncjob.model import DocumentKind
from syncjob.plan.locking import is_closed
from syncjob.ports import Lock


@dataclass(frozen=True, slots=True)
class Correction:
    """A wish to let what was delivered follow today's maps and codes: documents from one day on, to before another.

    `locks` are the closed periods of each target: what stands in one is left as it is.
    """

    since: date
    until: date | None = None
    locks: Mapping[str, tuple[Lock, ...]] = field(default_factory=dict)

    def covers(self, day: date | None) -> bool:
        """Whether a document of this day is meant; one without a day, such as a contact, goes with its subject."""
        return day is None or (self.since <= day and (self.until is None or day < self.until))

    def reaches(self, target: str, kind: DocumentKind, day: date | None) -> bool:
        """Whether a delivered document is corrected."""
        return self.covers(day) and not is_closed(self.locks.get(target, ()), kind, day)
