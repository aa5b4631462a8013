"""Landing: each feed from its cursor to the ceiling of this run, page by page; records and progress in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from syncjob.jobs.job import Deadline, Job, Source, Tally
from syncjob.landing import land
from syncjob.model import Stream
from syncjob.moment import Window
from syncjob.ports import Feed, Page
from syncjob.store import Progress


def poll(job: Job, source: Source, stream: Stream, *, nightly: bool, deadline: Deadline, tally: Tally) -> datetime | None:
    """Read every feed of a source up to now; returns the gateway's own clock. Connector errors go to the caller."""
    seen_at: datetime | None = None
    for feed in source.gateway.feeds:
        progress = job.store.progress(source.name, feed.name)
        if progress.resume is not None:
            seen_at = _window(job, source, stream, feed, progress, deadline, tally)
            progress = job.store.progress(source.name, feed.name)
        since = _since(feed, progress, job.rules.start, nightly=nightly)
        fresh = Progress(cursor=progress.cursor, since=since)
        seen_at = _window(job, source, stream, feed, fresh, deadline, tally)
    return seen_at


def _since(feed: Feed, progress: Progress, start: datetime, *, nightly: bool) -> datetime | int:
    if feed.axis == "sequence":
        return progress.cursor if isinstance(progress.cursor, int) else 0
    if not isinstance(progress.cursor, datetime):
        return start
    return max(start, progress.cursor - (feed.lookback if nightly else feed.overlap))


def _window(
    job: Job, source: Source, stream: Stream, feed: Feed, progress: Progress, deadline: Deadline, tally: Tally
) -> datetime | None:
    if progress.since is None:
        raise AssertionError(f"the window of {source.name} {feed.name} has no lower bound")
    window = Window(progress.since)
    seen_at: datetime | None = None
    for page in _ahead(source.gateway.pages(feed, window, progress.resume)):
        seen_at = page.seen_at
        records = land(page.records, source.map.keep)
        landed = job.store.land(stream, feed.name, records, _after(progress, page), job.now())
        tally.add("pages")
        tally.add("records", len(records))
        tally.add("new", landed.new)
        tally.add("changed", landed.changed)
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


def _ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages in their order, the next one being read on a thread while this one is landed."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read") as pool:
        following = pool.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = pool.submit(next, pages, None)
            yield page
