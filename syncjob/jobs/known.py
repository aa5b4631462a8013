"""What the store knows of a subject, read by its source's map: where planning begins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from syncjob.jobs.job import Source
from syncjob.model import Reading, Refusal
from syncjob.plan import Known
from syncjob.store import Story

BATCH = 800  # subjects that are planned at a time


def is_told(story: Story, sources: Collection[str]) -> bool:
    """Whether records of a configured source tell a subject, or entries alone, such as an opening balance."""
    return story.subject.scope in sources and (story.stream is not None or bool(story.entries))


def known_of(story: Story, source: Source) -> Known:
    """What is known of one subject, its records read by the source's map."""
    readable = [record for record in story.records if record.problem is None]
    held = tuple(Refusal(r.type, r.id, r.problem) for r in story.records if r.problem is not None)
    stream = story.stream
    reading = source.map.read(stream, story.subject.name, readable) if readable and stream is not None else Reading()
    return Known(
        subject=story.subject.name,
        source=story.subject.scope,
        records=story.records,
        reading=replace(reading, problems=(*reading.problems, *held)) if held else reading,
        entries=story.entries,
        applications=story.applications,
        deliveries={(d.target, d.key): d for d in story.deliveries},
        posted=story.posted,
        map=source.map.digest if stream is not None else "",
    )
