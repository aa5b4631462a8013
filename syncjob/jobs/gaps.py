"""Gaps: what a feed no longer keeps is made up for by the lists of its objects, and by comparing ids for what is gone.

A gateway keeps its events for some weeks. A first run that begins earlier, or an account that was silent for longer, has a
gap: the lists are read for it, and the feed goes on from the instant at which that reading began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from syncjob.errors import Problem, RecordRefused, SyncjobError
from syncjob.jobs.job import Job, Source, Tally
from syncjob.landing import land
from syncjob.model import Record, Stream
from syncjob.moment import from_text, iso
from syncjob.ports import Feed
from syncjob.store import Progress

_MARGIN = timedelta(days=1)  # what is about to be forgotten may be gone before it is read
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_AT_ONCE = 100

# Reads a list since an instant, showing each record; the last argument: a list that was cut off goes on where it stood.
# Gives whether the gateway has that list.
ReadList = Callable[[Feed, datetime, Callable[[Record], None], bool], bool]


@dataclass(frozen=True, slots=True)
class Gap:
    """From when on a feed is incomplete, when its lists began to be read (the gateway's clock), and which are done.

    `listed` are the ids that a list which was cut off had shown by then.
    """

    since: datetime
    began: datetime
    first: bool  # nothing was ever read: there is nothing older that may have changed meanwhile
    done: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


def fill(
    job: Job,
    source: Source,
    stream: Stream,
    feed: Feed,
    progress: Progress,
    clock: datetime | None,
    read_list: ReadList,
    tally: Tally,
) -> Progress:
    """Close a feed's gap, if it has one, and give the progress from which it goes on; a kill goes on with the next list.

    `clock` is the gateway's own, where another feed has just told it.
    """
    lists = [one for one in source.gateway.feeds if one.fills == feed.name]
    if feed.retention is None or not lists:
        return progress
    name = f"gap:{source.name}:{feed.name}"
    now = clock or job.now()
    gap = _read(job.store.get_fact(name)) or _found(job, source, feed, progress, now)
    if gap is not None and gap.began < _oldest(feed, now):
        gap = Gap(gap.since, now, first=False)  # cut off for so long that what followed its lists is forgotten too
    if gap is None:
        return progress
    job.store.set_fact(name, _fact(gap))
    for one in lists:
        if one.name not in gap.done:
            _make_up(job, source, stream, one, gap, name, read_list, tally)
            gap = replace(gap, done=(*gap.done, one.name), listed=())
            job.store.set_fact(name, _fact(gap))
    healed = Progress(cursor=gap.began, seen_at=gap.began)
    with job.store.together():
        job.store.land(stream, feed.name, [], healed, job.now())
        job.store.set_fact(name, None)
    tally.add("gaps healed")
    return healed


def _oldest(feed: Feed, now: datetime) -> datetime:
    """From when on a feed is surely kept."""
    return now - (feed.retention or timedelta(0)) + _MARGIN


def _found(job: Job, source: Source, feed: Feed, progress: Progress, now: datetime) -> Gap | None:
    oldest = _oldest(feed, now)
    if isinstance(progress.cursor, datetime):
        return Gap(progress.cursor, now, first=False) if progress.cursor < oldest else None
    since = job.rules.since(source.name)
    return Gap(since, now, first=True) if since < oldest else None


def _make_up(
    job: Job, source: Source, stream: Stream, one: Feed, gap: Gap, name: str, read_list: ReadList, tally: Tally
) -> None:
    since = gap.since if gap.first else max(gap.since - min(one.lookback, gap.since - _FIRST), _FIRST)
    listed = set(gap.listed)

    def note(record: Record) -> None:
        if record.type == one.type and not gap.first:
            listed.add(record.id)

    try:
        offered = read_list(one, since, note, gap.first or bool(gap.listed))
    except SyncjobError:
        # A list longer than one run's time must come to its end some day.
        job.store.set_fact(name, _fact(replace(gap, listed=tuple(sorted(listed)))))
        raise
    if offered and one.type and not gap.first:
        _compare(job, source, stream, one, since, gap.began - one.settling, listed, tally)


def _compare(
    job: Job, source: Source, stream: Stream, one: Feed, since: datetime, until: datetime, listed: set[str], tally: Tally
) -> None:
    """What we know of a window and its list no longer shows was deleted there, or the list is wrong: each is asked for."""
    missing = [id for id in job.store.known_between(stream, one.type, since, until) if id not in listed]
    for start in range(0, len(missing), _AT_ONCE):
        raws = []
        for id in missing[start : start + _AT_ONCE]:
            try:
                raws.append(source.gateway.fetch(one.type, id))
            except RecordRefused as gone:
                why = f"it is known here, but {one.name} no longer lists it: {gone}"
                tally.problems.append(Problem(f"{one.type} {id}", source.name, why, "look for it at the gateway"))
        landed = job.store.land(stream, one.name, land(raws, source.map.keep), None, job.now())
        tally.add("changed", landed.changed)


def _fact(gap: Gap) -> Mapping[str, str | bool | tuple[str, ...]]:
    return {"since": iso(gap.since), "began": iso(gap.began), "first": gap.first, "done": gap.done, "listed": gap.listed}


def _read(fact: object) -> Gap | None:
    if not isinstance(fact, Mapping):
        return None
    done, listed = (tuple(cast("list[str]", fact.get(what, ()))) for what in ("done", "listed"))
    return Gap(from_text(fact["since"]), from_text(fact["began"]), bool(fact["first"]), done, listed)
