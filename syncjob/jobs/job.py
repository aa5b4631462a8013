"""What a run works with: the open state, the sources, the targets, the rules, and the clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Protocol, TypeAlias

from syncjob.errors import (
    EXIT_AUTHORISATION,
    EXIT_HELD,
    EXIT_TRANSIENT,
    ConnectorDown,
    NeedsPerson,
    NotSent,
    OutcomeUnknown,
    Problem,
    RecordRefused,
    SyncjobError,
    TryLater,
)
from syncjob.model import Kept, Reading, Record, Stream
from syncjob.plan import Ledger, Rules
from syncjob.ports import Gateway, Target
from syncjob.reconcile import Edit
from syncjob.store import Landed, Store


class SourceMap(Protocol):
    """What a run asks of a gateway's map."""

    @property
    def keep(self) -> Mapping[str, Kept]:
        """What of each record type is kept on disk."""

    @property
    def digest(self) -> str:
        """What stands for the map's text."""

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """What the newest records of one subject say."""


@dataclass(frozen=True, slots=True)
class Source:
    """A configured gateway account. `fingerprint` tells whether its key changed; `needs` names the reference for messages."""

    gateway: Gateway
    map: SourceMap
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The account's name in syncjob.yaml."""
        return self.gateway.name


@dataclass(frozen=True, slots=True)
class Sink:
    """A configured target with its map."""

    target: Target
    ledger: Ledger

    @property
    def name(self) -> str:
        """The target's name in syncjob.yaml."""
        return self.target.name


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a run needs, put together by config; clocks and sleep are arguments so that no test waits."""

    home: Path
    store: Store
    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    rules: Rules
    nightly_at: time
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None] = lambda _: None  # progress, for people on a terminal


@dataclass(slots=True)
class Tally:
    """What a run counts while it goes on: problems, exit codes, and how much of what was done."""

    problems: list[Problem] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    edits: list[tuple[str, Edit]] = field(default_factory=list)  # (target, document that a person changed in its books)

    def add(self, name: str, number: int = 1) -> None:
        """Count something."""
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def landed(self, records: int, landed: Landed) -> None:
        """Count a page and what became of its records."""
        self.add("pages")
        self.add("records", records)
        self.add("new", landed.new)
        self.add("changed", landed.changed)

    def stopped(self, who: str, error: SyncjobError) -> None:
        """Note that a connector could not go on: exit 6 where a person is needed, 5 where it passes by itself."""
        self.codes.add(EXIT_AUTHORISATION if isinstance(error, NeedsPerson) else EXIT_TRANSIENT)
        self.problems.append(Problem(who, "", str(error)))

    def held(self) -> None:
        """Note that something waits for a person."""
        self.codes.add(EXIT_HELD)


# What stops a connector, and not the run.
STOPS = (ConnectorDown, TryLater, NotSent, OutcomeUnknown, RecordRefused)


def guarded(who: str, tally: Tally, work: Callable[[], None]) -> bool:
    """Do a connector's part of the run; what stops it is noted, and the others go on. Gives whether it was done."""
    try:
        work()
    except STOPS as error:
        tally.stopped(who, error)
        return False
    return True


class OutOfTime(SyncjobError):
    """The run's time is used up; what is left goes on in the next run."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a run must stop taking new work (monotonic seconds); None: never."""

    monotonic: Callable[[], float]
    at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is time to stop."""
        return self.at is not None and self.monotonic() >= self.at

    def check(self) -> None:
        """Raise OutOfTime when the run's time is used up."""
        if self.is_over:
            raise OutOfTime("the run's time (--max-seconds) is used up; the next run goes on from here")


# What a run reads in place of the feeds since their cursors.
Intake: TypeAlias = Callable[[Job, Source, Stream, Deadline, Tally], None]
