"""Landing: each feed from its cursor to the ceiling of this run, page by page; records and progress in one commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from syncjob.jobs.gaps import fill
from syncjob.jobs.job import Deadline, Job, Source, Tally
from syncjob.jobs.lacks import if_offered
from syncjob.jobs.maps import see
from syncjob.jobs.reading import Clock, read
from syncjob.landing import land
from syncjob.model import Record, Stream
from syncjob.moment import Window, business_date, from_text, iso
from syncjob.ports import Feed, Page
from syncjob.store import Progress

_WEEK = timedelta(days=7)


def poll(job: Job, source: Source, stream: Stream, *, nightly: bool, deadline: Deadline, tally: Tally) -> None:
    """Read every feed of a source up to now. Connector errors go to the caller."""
    began = job.now()
    sweep = nightly and _week_is_over(job, source, began)
    clock: datetime | None = None

    def read_feed(feed: Feed, progress: Progress, each: Callable[[Record], None] | None = None) -> bool:
        nonlocal clock
        one = partial(read_window, job, source, stream, feed, progress, deadline, tally, each)
        if feed.posts:
            clock = one()  # without the ledger there is nothing to go on with
            return True
        return if_offered(job, source, feed.name, tally, one, again=nightly)

    def read_list(feed: Feed, since: datetime, each: Callable[[Record], None], goes_on: bool) -> bool:
        sofar = job.store.progress(source.name, feed.name)
        cut_off = goes_on and sofar.resume is not None and sofar.since == since
        return read_feed(feed, sofar if cut_off else Progress(since=since), each)

    for feed in source.gateway.feeds:
        if feed.fills:
            continue  # read only where another feed has a gap
        # A gap comes first: what a window that was cut off has not read may be forgotten by now.
        progress = fill(job, source, stream, feed, job.store.progress(source.name, feed.name), clock, read_list, tally)
        if progress.resume is not None:
            if not read_feed(feed, progress):
                continue
            progress = job.store.progress(source.name, feed.name)
        since = _since(feed, progress, job.rules.since(source.name), nightly=nightly, sweep=sweep)
        read_feed(feed, Progress(cursor=progress.cursor, since=since))
    if sweep:
        job.store.set_fact(_sweep_of(source), iso(began))


def _since(feed: Feed, progress: Progress, start: datetime, *, nightly: bool, sweep: bool) -> datetime | int:
    if feed.axis == "sequence":
        return progress.cursor if isinstance(progress.cursor, int) else 0
    if not isinstance(progress.cursor, datetime):
        return start
    back = feed.sweep if sweep else feed.lookback if nightly else feed.overlap
    return max(start, progress.cursor - min(back, feed.retention or back))


def _week_is_over(job: Job, source: Source, now: datetime) -> bool:
    """Whether the weekly sweep is due; the first week begins with the first night, which reads everything anyway."""
    last = job.store.get_fact(_sweep_of(source))
    if not isinstance(last, str):
        job.store.set_fact(_sweep_of(source), iso(now))
        return False
    # Days are counted, not hours: a night that begins a second earlier than last week's is still a week later.
    return business_date(now, job.rules.zone) - business_date(from_text(last), job.rules.zone) >= _WEEK


def _sweep_of(source: Source) -> str:
    return f"swept:{source.name}"


def read_window(
    job: Job,
    source: Source,
    stream: Stream,
    feed: Feed,
    progress: Progress,
    deadline: Deadline,
    tally: Tally,
    each: Callable[[Record], None] | None = None,
) -> datetime | None:
    """Land one window page by page with its progress; `each` sees every record. Gives the gateway's own clock."""
    if progress.since is None:
        raise AssertionError(f"the window of {source.name} {feed.name} has no lower bound")
    window = Window(progress.since)
    seen_at: datetime | None = None
    for page in read(source.gateway, feed, window, progress.resume, Clock(job.monotonic, job.sleep)):
        seen_at = page.seen_at
        records = land(page.records, source.map.keep)
        landed = job.store.land(stream, feed.name, records, _after(progress, page), job.now())
        if each is not None:
            for record in records:
                each(record)
        see(source, landed)
        tally.landed(len(records), landed)
        job.say(f"{source.name}: {feed.name}: {tally.counts.get('records', 0)} records read")
        if page.cursor is None:
            deadline.check()
    return seen_at


def _after(progress: Progress, page: Page) -> Progress:
    if page.cursor is None:
        return Progress(progress.cursor, progress.since, page.ceiling, page.resume, page.seen_at)
    # A window that was resumed after a longer one has finished must not move the cursor back.
    before, cursor = progress.cursor, page.cursor
    if type(before) is type(cursor) and before is not None:
        cursor = max(before, cursor)
    return Progress(cursor=cursor, seen_at=page.seen_at)
