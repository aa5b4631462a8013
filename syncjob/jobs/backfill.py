"""Backfill: a window of the past read again, beside the live cursors; whatever is already known changes nothing.

Before the cut-over nothing is posted. A backfill may move the cut-over of one source back; then everything from that instant
on is posted, and the opening balance is corrected by what these movements brought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from syncjob.errors import Misconfigured
from syncjob.jobs.job import Deadline, Intake, Job, Source, Tally
from syncjob.jobs.lacks import if_offered
from syncjob.jobs.reading import Clock, read
from syncjob.landing import land
from syncjob.model import Stream
from syncjob.moment import Window, business_date, iso, micros, start_of
from syncjob.ports import Feed, Page


@dataclass(frozen=True, slots=True)
class Span:
    """The days of a backfill, both included, as instants in the books' zone (half-open)."""

    since: datetime
    until: datetime
    days: str  # as the person named them: an unfinished backfill of the same days goes on

    @classmethod
    def of(cls, job: Job, first: date, last: date) -> Span:
        """The span of two days, up to now at most. Raises Misconfigured where there is none."""
        zone = job.rules.zone
        if last < first:
            raise Misconfigured(f"--to {last} lies before --from {first}")
        if first > business_date(job.now(), zone):
            raise Misconfigured(f"--from {first} lies in the future")
        return cls(start_of(first, zone), min(start_of(last + timedelta(days=1), zone), job.now()), f"{first} {last}")


@dataclass(slots=True)
class Pace:
    """How far a backfill has come: records, seconds, and the part of its window that was seen."""

    job: Job
    span: Span
    feeds: int
    records: int = 0
    done: int = 0
    _began: float = field(default=0.0)
    _low: datetime | None = None
    _high: datetime | None = None

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self.job.monotonic()

    def next_feed(self) -> None:
        """One more feed was read whole."""
        self.done += 1
        self._low = self._high = None

    def page(self, feed: Feed, page: Page) -> str:
        """Count a page and tell how it goes, with the rate and about how long the rest takes."""
        self.records += len(page.records)
        seen = [raw.occurred for raw in page.records if self.span.since <= raw.occurred < self.span.until]
        if seen:
            self._low = min([*seen, *([self._low] if self._low else [])])
            self._high = max([*seen, *([self._high] if self._high else [])])
        seconds = self.job.monotonic() - self._began
        whole = (self.span.until - self.span.since) / timedelta(seconds=1)
        part = (self._high - self._low) / timedelta(seconds=1) / whole if self._low and self._high and whole else 0.0
        part = (self.done + min(part, 1.0)) / max(self.feeds, 1)
        rate = f", {self.records / seconds:,.0f}/s" if seconds > 0 else ""
        left = f", about {_lasting(seconds * (1 - part) / part)} left" if part > 0.01 and seconds > 1 else ""
        return f"{feed.name}: {self.records:,} records{rate}{left}"


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _refuse_numbered(job: Job, source: str) -> None:
    for feed in (feed for one in job.sources if one.name == source for feed in one.gateway.feeds):
        if feed.axis == "sequence":
            raise Misconfigured(f"{source}: {feed.name} goes by numbers, not by time; a backfill by days cannot read it")


def _is_kept(feed: Feed, span: Span, clock: datetime) -> bool:
    """Whether the gateway still keeps what a feed said in those days; where not, its object lists are all there is."""
    return feed.retention is None or clock - feed.retention <= span.since


def _window(feed: Feed, span: Span) -> Window:
    # What became of the objects of those days is told by events of later days: those are read up to now.
    return Window(span.since, None if feed.retention else span.until)


def refuse_before_start(job: Job, source: str, span: Span) -> None:
    """A window that reaches behind the cut-over must be wished for, and must reach it without a hole."""
    _refuse_numbered(job, source)
    start = job.rules.since(source)
    if span.since < start:
        raise Misconfigured(
            f"{source} begins at {iso(start)} (start in syncjob.yaml): what is older is in its opening balance; "
            "add --before-start to move the start back to --from, which corrects the opening balance"
        )


def refuse_hole(job: Job, source: str, span: Span) -> None:
    """Moving the cut-over back needs every movement up to the old one."""
    _refuse_numbered(job, source)
    start = job.rules.since(source)
    if span.since >= start:
        raise Misconfigured(f"--before-start: --from lies after the start of {source} ({iso(start)}); leave --before-start out")
    if span.until < start:
        raise Misconfigured(
            f"--before-start: what lies between --to and the start of {source} ({iso(start)}) would be missing; "
            f"let --to be {business_date(start, job.rules.zone)} or later"
        )


def intake(span: Span, *, before_start: bool) -> Intake:
    """What a run reads when it backfills a span: resumable after a kill, and never moving a live cursor."""
    return partial(_read, span, before_start)


def _read(span: Span, before_start: bool, job: Job, source: Source, stream: Stream, deadline: Deadline, tally: Tally) -> None:
    feeds, clock = source.gateway.feeds, job.now()
    name = f"backfill:{source.name}"
    done, at, resume = _left_off(job.store.get_fact(name), span)
    pace = Pace(job, span, len(feeds), done=len(done))
    for feed in feeds:
        if feed.name in done or not _is_kept(feed, span, clock):
            continue
        going_on = resume if feed.name == at else None

        def land_all(feed: Feed = feed, going_on: str | None = going_on) -> None:
            nonlocal clock
            for page in read(source.gateway, feed, _window(feed, span), going_on, Clock(job.monotonic, job.sleep)):
                records, clock = land(page.records, source.map.keep), page.seen_at
                if page.resume is None:
                    done.append(feed.name)
                with job.store.together():
                    landed = job.store.land(stream, feed.name, records, None, job.now())
                    job.store.set_fact(name, {"days": span.days, "done": done, "at": feed.name, "resume": page.resume})
                tally.landed(len(records), landed)
                job.say(f"{source.name}: {pace.page(feed, page)}")
                deadline.check()

        if feed.posts:
            land_all()
        elif not if_offered(job, source, feed.name, tally, land_all, again=True):
            done.append(feed.name)
        pace.next_feed()
    with job.store.together():
        job.store.set_fact(name, None)
        if before_start:
            _move_start(job, source.name, span.since)


def _left_off(fact: object, span: Span) -> tuple[list[str], str, str | None]:
    """Where an earlier backfill of the same days was cut off: the feeds that are done, and the page to go on after."""
    if not isinstance(fact, Mapping) or fact["days"] != span.days:
        return [], "", None
    return list(fact["done"]), fact["at"], fact["resume"]


def _move_start(job: Job, source: str, since: datetime) -> None:
    before = job.rules.since(source)
    if since < before:
        older = [one for one in job.store.all_subjects(source) if one.position < micros(before)]
        job.store.set_fact(f"start:{source}", iso(since))
        job.store.mark_dirty(older)
        what = f"the start of {source} was moved back"
        job.store.audit(job.now(), "syncjob", what, {"from": iso(before), "to": iso(since)})
