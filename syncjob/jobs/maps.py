"""Maps in production: what a run's maps counted is kept, and what has changed about it is said before it costs money.

Counts are stored once, when all is planned. A run that is killed before that loses what it counted and counts nothing twice:
its records are landed and do not come again as new. Nothing here decides anything about a payment, and no exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

from syncjob.errors import Misconfigured, Problem
from syncjob.jobs.job import Job, Source, Tally
from syncjob.jobs.nightly import clock
from syncjob.mapping import drift, files, judging
from syncjob.mapping.counting import Counting, What
from syncjob.mapping.drift import Watching
from syncjob.mapping.judging import DAYS_BEFORE, DAYS_NOW, Finding, Known
from syncjob.moment import business_date
from syncjob.store import Counted, Landed, Store
from syncjob.yamlfile import Place

FACT = "maps"
# What a page tells in numbers. A default that stands in is what the map says of an absent field, so alone it is no news.
NOTICED = (What.CUT, What.REPLACED, What.OTHERWISE, What.DEFAULTED)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about a map that a person should look at: one sentence, and where to look."""

    map: str
    field: str
    what: str
    value: str
    why: str
    cure: str


@dataclass(slots=True)
class _Notes:
    """What is remembered beside the counts, as one fact: each part by map and field."""

    day: str = ""  # the latest day that was counted, by the gateways' clocks
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)  # in how many records in a row a field was not there
    noticed: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # since the last page
    said: list[list[str]] = field(default_factory=list)  # warnings that a run has said and that still stand

    @classmethod
    def of(cls, store: Store) -> _Notes:
        known: Any = store.get_fact(FACT) or {}
        return cls(**{one.name: known[one.name] for one in fields(cls) if one.name in known})

    def keep(self, store: Store) -> None:
        store.set_fact(FACT, asdict(self))


def see(source: Source, landed: Landed) -> None:
    """Look at the records that a page has added to the state."""
    if isinstance(source.map, Watching):
        source.map.watch.see(landed.added)


def keep_counts(job: Job, tally: Tally) -> None:
    """Store what the maps have counted since the last time, and note what is new to be looked at, once, for the run to say."""
    counts: dict[Counted, int] = {}
    for map in (*(one.map for one in job.sources), *(one.ledger.map for one in job.sinks)):
        if isinstance(map, Counting):
            for (name, what), number in map.counts.drain().items():
                _add(counts, (map.counts.map, name, what.value, ""), number)
    watched: dict[str, frozenset[str]] = {}
    for source in job.sources:
        if isinstance(source.map, Watching) and isinstance(source.map, Counting):
            name = source.map.counts.map
            watched[name] = source.map.watch.fields
            for found, number in source.map.watch.drain().items():
                _add(counts, (name, found.field, found.what.value, found.value), number)
    if not counts:
        return
    with job.store.together():
        notes = _Notes.of(job.store)
        today = business_date(clock(job), UTC)
        job.store.add_map_counts(today, counts, job.now())
        notes.day = today.isoformat()
        _note(notes, counts, watched)
        notes.keep(job.store)
        _say(job, notes, tally)


def _add(counts: dict[Counted, int], key: Counted, number: int) -> None:
    counts[key] = counts.get(key, 0) + number


def _note(notes: _Notes, counts: Mapping[Counted, int], watched: Mapping[str, frozenset[str]]) -> None:
    for (map, field_, what, _), number in counts.items():
        if what in NOTICED:
            of_field = notes.noticed.setdefault(map, {}).setdefault(field_, {})
            of_field[what] = of_field.get(what, 0) + number
    for map, names in watched.items():
        seen = {name: number for (of, name, what, _), number in counts.items() if of == map and what == What.SEEN}
        before = notes.unseen.get(map, {})
        now: dict[str, int] = {}
        for name in names:
            looked = seen.get(judging.block_of(name, seen), 0)
            if (map, name, What.PRESENT.value, "") not in counts and (missing := before.get(name, 0) + looked):
                now[name] = missing
        notes.unseen[map] = now


def _say(job: Job, notes: _Notes, tally: Tally) -> None:
    standing = warnings(job.store, job.home)
    said = [[one.map, one.field, one.what, one.value] for one in standing]
    for one, name in zip(standing, said, strict=True):
        if name not in notes.said:
            tally.problems.append(Problem(short(one.map), "", one.why, one.cure))
    if said != notes.said:
        notes.said = said
        notes.keep(job.store)


# ---------------------------------------------------------------- what people ask


def known(store: Store, days_before: int = DAYS_BEFORE) -> Known | None:
    """What was counted on the latest days and on so many days before; None where nothing was counted yet."""
    notes = _Notes.of(store)
    if not notes.day:
        return None
    day = date.fromisoformat(notes.day)
    begins = day - (DAYS_NOW - 1) * _DAY
    now = store.map_counts(begins, day)
    before = store.map_counts(begins - days_before * _DAY, begins - _DAY)
    return Known(
        day=day,
        now={key: number for key, (number, _) in now.items()},
        before={key: number for key, (number, _) in before.items()},
        unseen={(map, name): number for map, of_map in notes.unseen.items() for name, number in of_map.items()},
        first={**{key: first for key, (_, first) in now.items()}, **{key: first for key, (_, first) in before.items()}},
    )


def warnings(store: Store, home: Path) -> tuple[Warned, ...]:
    """What stands to be looked at about the maps, each with the line of the map."""
    judged = known(store)
    findings = judging.judge(judged) if judged is not None else ()
    places = {map: _places(map, home) for map in {one.map for one in findings}} if findings else {}
    return tuple(Warned(one.map, one.field, one.what, one.value, one.why, _cure(one, *places[one.map])) for one in findings)


def noticed(store: Store) -> list[tuple[str, str, str, int]]:
    """(map, field, what, how often) since the last page: what was cut, replaced, defaulted, or in no list."""
    return [
        (map, name, what, number)
        for map, of_map in sorted(_Notes.of(store).noticed.items())
        for name, of_field in sorted(of_map.items())
        for what, number in sorted(of_field.items())
    ]


def page_is_kept(store: Store) -> None:
    """What the page has told is not told by the next one."""
    notes = _Notes.of(store)
    if notes.noticed:
        notes.noticed = {}
        notes.keep(store)


def short(map: str) -> str:
    """A map as a sentence calls it: stripe, of gateways/stripe."""
    return map.rpartition("/")[2]


def _places(map: str, home: Path) -> tuple[Mapping[str, Place], Mapping[str, Place]]:
    """The lines of a map at which a vendor's fields are read, and at which its own fields are made."""
    kind, _, name = map.partition("/")
    try:
        root = files.read(kind, name, home).root
        return drift.reads(root), drift.rules(root)
    except Misconfigured:  # it is somebody's newest edit; `check` says what is wrong with it
        return {}, {}


def _cure(finding: Finding, reads: Mapping[str, Place], rules: Mapping[str, Place]) -> str:
    file = f"mappings/{finding.map}.yaml"
    places, name = reads if finding.of_vendor else rules, finding.field
    while name and name not in places:
        name = name.rpartition(".")[0]  # a part of an address, or one text of several, stands at its field
    place = places.get(name)
    line = f"{place.file}:{place.line}" if place is not None else file
    if not finding.of_vendor:
        return f"look at {line}; compare with: syncjob mapping stats {finding.map}"
    if finding.value:
        return f"look at {line}, which reads it, and at the vendor's changelog, before it decides something wrongly"
    return f"look at {line}, which reads it, and at the vendor's changelog"
