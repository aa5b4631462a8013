"""What of each feed has been read, as intervals: up to when it is complete, and where it has gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from syncjob.jobs.job import Job, Source
from syncjob.jobs.lacks import not_offered
from syncjob.moment import from_text
from syncjob.ports import Feed
from syncjob.reconcile import Coverage
from syncjob.store import Store


def coverage(job: Job, source: Source) -> list[Coverage]:
    """What of each feed of a source has been read, as intervals."""
    return covered(job.store, source.name, source.gateway.feeds, job.rules.since(source.name))


def covered(store: Store, source: str, feeds: Iterable[Feed], since: datetime) -> list[Coverage]:
    """The same from the store alone; lists that are read only for the gaps of a feed have no coverage of their own."""
    lacks = not_offered(store, source)
    found: list[Coverage] = []
    for feed in feeds:
        if feed.fills:
            continue
        progress = store.progress(source, feed.name)
        cursor = progress.cursor
        gap = cast("Mapping[str, Any] | None", store.get_fact(f"gap:{source}:{feed.name}"))
        gaps = ((from_text(gap["since"]), from_text(gap["began"])),) if gap is not None else ()
        found.append(
            Coverage(
                source,
                feed.name,
                since,
                cursor.astimezone(UTC) if isinstance(cursor, datetime) else None,
                gaps,
                under_way=progress.resume is not None,
                offered=feed.name not in lacks,
                number=cursor if isinstance(cursor, int) else None,
            )
        )
    return found
