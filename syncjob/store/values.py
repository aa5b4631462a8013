"""The values that the state store takes and gives: frozen, and no part of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from syncjob.model import Application, Delivery, Entry, Json, Record, Refusal, Stream
from syncjob.ports import Call

Counted: TypeAlias = tuple[str, str, str, str]  # what a map did: its name, the field, what became of it, a word that was new


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one feed of one source has been read.

    `cursor` is the lower bound of the next window (None: no window was ever finished). While a window is under way, `since`
    and `ceiling` are its bounds and `resume` continues inside it.
    """

    cursor: datetime | int | None = None
    since: datetime | int | None = None
    ceiling: datetime | int | None = None
    resume: str | None = None
    seen_at: datetime | None = None  # the gateway's clock when progress was last stored


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a page: records of a new identity, new versions of known ones, and those already known."""

    new: int = 0
    changed: int = 0
    same: int = 0
    added: tuple[Record, ...] = field(default=(), compare=False, repr=False)  # the records of the first two


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that records are about, inside one scope (a source's name; for invoices the books' name)."""

    scope: str
    name: str  # "payment:ch_1"
    position: int  # microseconds of its earliest record: the order in which subjects are planned


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one subject: newest version of each record, its entries, latest applications, deliveries."""

    subject: Subject
    stream: Stream | None  # None for subjects of the books (invoices)
    records: tuple[Record, ...] = ()
    entries: tuple[Entry, ...] = ()
    applications: tuple[Application, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    posted: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (target, entry key) -> the document that brings it


@dataclass(frozen=True, slots=True)
class Plan:
    """What planning one batch of subjects decided; stored in one transaction."""

    subjects: tuple[Subject, ...]  # no longer dirty; their refusals are replaced by those given
    entries: tuple[Entry, ...] = ()
    applications: tuple[tuple[Subject, Application], ...] = ()
    posted: tuple[tuple[str, str, str], ...] = ()  # (target, entry key, document key)
    deliveries: tuple[Delivery, ...] = ()  # inserted, or replaced by (target, key)
    refusals: tuple[tuple[Subject, Refusal], ...] = ()
    dirty: tuple[Subject, ...] = ()  # further subjects to plan because of this
    coded: tuple[tuple[str, str, int, int], ...] = ()  # (target, document key, revision, number of the chart of its postings)


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A Call that was committed and is not settled, with the deliveries it carries and when it was first sent."""

    target: str
    call: Call
    deliveries: tuple[Delivery, ...]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One run as `status` tells it."""

    id: int
    kind: str  # tick, nightly, backfill
    started: datetime
    ended: datetime | None
    exit: int | None
    counts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit log: its number, when, who, what, and the digest that chains it to the line before."""

    number: int
    at: datetime
    who: str
    what: str
    detail: Mapping[str, Json]
    chain: str
