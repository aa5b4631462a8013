"""Up to when what a feed said is known: intervals with their gaps, never one instant that hides a hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

Span: TypeAlias = tuple[datetime, datetime]  # half-open


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of one feed has been read: from `since` to `until`, but for the gaps (both in UTC, half-open).

    `until` None: no window of it was ever read to its end. `number` stands for `until` in feeds that go by numbers.
    """

    source: str
    feed: str
    since: datetime
    until: datetime | None
    gaps: tuple[Span, ...] = ()
    under_way: bool = False
    offered: bool = True
    number: int | None = None

    @property
    def intervals(self) -> tuple[Span, ...]:
        """What is complete, oldest first."""
        if self.until is None:
            return ()
        found: list[Span] = []
        low = self.since
        for begin, end in sorted(self.gaps):
            if begin > low:
                found.append((low, min(begin, self.until)))
            low = max(low, end)
        if low < self.until:
            found.append((low, self.until))
        return tuple(found)

    def words(self, instant: Callable[[datetime], str]) -> str:
        """In words: "complete to 02:00; one gap 13:05 to 13:20"."""
        if not self.offered:
            return "not offered there"
        if self.number is not None:
            return f"complete to number {self.number}"
        last = self.intervals[-1][1] if self.intervals else None
        if last is None:
            said = "the first reading is under way" if self.under_way else "never read"
        else:
            said = f"complete to {instant(last)}"
        inner = [f"{instant(begin)} to {instant(end)}" for begin, end in sorted(self.gaps)]
        if inner:
            said += f"; {'one gap' if len(inner) == 1 else f'{len(inner)} gaps'} {', '.join(inner)}"
        return said
