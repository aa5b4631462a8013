"""What in a map's counts a person should look at: its latest days against its own days before. Values in, values out.

A fresh installation has no days before, so it is never warned about a share; only a word that no list knows speaks for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from syncjob.mapping.counting import What

Key: TypeAlias = tuple[str, str, str, str]  # map, field, what became of it, a word that was new
Sums: TypeAlias = Mapping[Key, int]

DAYS_BEFORE = 30
# A night's page is made soon after midnight UTC: what it tells of happened on the day before as much as on its own.
DAYS_NOW = 2
# A field that stood in nearly all of at least so many records is one that the vendor always gives ...
STOOD_MIN, STOOD_PERCENT = 50, 95
# ... and in so many in a row it would not be missing by chance: at 95 % that happens once in 10^26.
MISSING_MIN = 20
# A share is compared only where there is enough to compare. Ten cases are no accident of one odd customer, and three times a
# share is far outside what days differ by; the share before counts one case more than there was, so that "never before" is
# not undercut by the first. Days with the same share pass whatever it is, and a share above a third is never "three times".
CASES_MIN, TIMES = 10, 3
# A word that was new a week ago has been read about on every page since; from then on the statistics alone tell of it.
NEW_FOR = timedelta(days=7)
_RATES = (What.DEFAULTED, What.CUT, What.REPLACED, What.OTHERWISE, What.HELD)
_WATCHED = (What.SEEN, What.PRESENT, What.NEW_VALUE, What.OTHER_VALUE)
_SAID = {
    What.DEFAULTED: "was defaulted",
    What.CUT: "was cut",
    What.REPLACED: "had characters replaced",
    What.OTHERWISE: "was a word in no list",
    What.HELD: "was held",
}


@dataclass(frozen=True, slots=True)
class Known:
    """All that is judged: the sums of the latest days and of those before, and what has not been seen for how long.

    `unseen` is by (map, field) in how many records in a row, up to the newest, a field was not there; `first` is the first day
    of each new word, `day` the latest day (UTC) of all.
    """

    day: date
    now: Sums
    before: Sums
    unseen: Mapping[tuple[str, str], int]
    first: Mapping[Key, date]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that has changed: where, and the sentence that says it; the cure needs the line of the map."""

    map: str
    field: str
    what: str  # vanished, rarer, or a What: a word that is new, or something that the map's rules do more often
    value: str
    why: str

    @property
    def of_vendor(self) -> bool:
        """Whether it is the gateway's own field, rather than one that a rule of the map fills."""
        return self.what in ("vanished", "rarer", What.NEW_VALUE, What.OTHER_VALUE)


def judge(known: Known) -> tuple[Finding, ...]:
    """What a person should look at: first what the gateway has changed, then what the rules did, by map and field."""
    found = [*_vanished(known), *_new_values(known), *_risen(known)]
    gone = {(one.map, one.field) for one in found if one.what == "vanished"}
    found += [one for one in _rarer(known) if (one.map, one.field) not in gone]
    return tuple(sorted(found, key=lambda one: (not one.of_vendor, one.map, one.field, one.what, one.value)))


def share(part: int, whole: int) -> str:
    """A share in percent, rounded: 98 %."""
    rounded = (200 * part + whole) // (2 * whole) if whole else 0
    return "under 1 %" if part and not rounded else f"{rounded} %"


def block_of(field: str, whole: Mapping[str, int]) -> str:
    """What a field belongs to: the longest of these names of record types or kinds that it begins with."""
    name = field
    while name and name not in whole:
        name = name.rpartition(".")[0]
    return name or field.partition(".")[0]


def _vanished(known: Known) -> Iterator[Finding]:
    every = _added(known.now, known.before)
    seen = _of(every, What.SEEN)
    present = _of(every, What.PRESENT)
    for (map, field), missing in known.unseen.items():
        block = block_of(field, seen.get(map, {}))
        before = seen.get(map, {}).get(block, 0) - missing
        stood = present.get(map, {}).get(field, 0)
        if missing >= MISSING_MIN and before >= STOOD_MIN and 100 * stood >= STOOD_PERCENT * before:
            told = f"{field} stood in {share(stood, before)} of {before:,} {block} records before"
            yield Finding(map, field, "vanished", "", f"{told} and in none of the last {missing:,}")


def _new_values(known: Known) -> Iterator[Finding]:
    seen_before = _of(known.before, What.SEEN)
    for key, number in known.now.items():
        map, field, what, value = key
        told = f"{field} is {value!r} ({'once' if number == 1 else f'{number:,} times'}), a word that the vendor's schema"
        if what == What.NEW_VALUE and known.day - known.first.get(key, known.day) < NEW_FOR:
            yield Finding(map, field, what, value, f"{told} does not list")
        if what == What.OTHER_VALUE and key not in known.before:
            # Of an open list the vendor says himself that there are others: only one that is new here is news.
            before = seen_before.get(map, {})
            if before.get(block_of(field, before), 0) >= STOOD_MIN:
                yield Finding(map, field, what, value, f"{told} does not list and that was not seen here before")


def _risen(known: Known) -> Iterator[Finding]:
    whole, whole_before = _of(known.now, What.READ), _of(known.before, What.READ)
    for (map, field, what, _), cases in known.now.items():
        if what not in _RATES:
            continue
        block = block_of(field, whole.get(map, {}))
        read, read_before = whole.get(map, {}).get(block, 0), whole_before.get(map, {}).get(block, 0)
        cases_before = known.before.get((map, field, what, ""), 0)
        if _rose(cases, read, cases_before, read_before):
            told = f"{field} {_SAID[What(what)]} in {share(cases, read)} of {read:,}"
            yield Finding(map, field, what, "", f"{told}, before in {share(cases_before, read_before)} of {read_before:,}")


def _rarer(known: Known) -> Iterator[Finding]:
    """A field that was usual and that most records lack now: some ways of paying, or one of two versions, have lost it."""
    seen, seen_before = _of(known.now, What.SEEN), _of(known.before, What.SEEN)
    present = _of(known.now, What.PRESENT)
    for (map, field, what, _), stood in known.before.items():
        if what != What.PRESENT:
            continue
        block = block_of(field, seen_before.get(map, {}))
        now, before = seen.get(map, {}).get(block, 0), seen_before.get(map, {}).get(block, 0)
        stands = present.get(map, {}).get(field, 0)
        if 2 * (now - stands) > now and _rose(now - stands, now, before - stood, before):
            told = f"{field} stands in {share(stands, now)} of {now:,} {block} records"
            yield Finding(map, field, "rarer", "", f"{told}, before in {share(stood, before)} of {before:,}")


def _rose(cases: int, whole: int, cases_before: int, whole_before: int) -> bool:
    if cases < CASES_MIN or whole_before < STOOD_MIN:
        return False
    return cases * (whole_before + 1) >= TIMES * (cases_before + 1) * max(whole, cases)


def _added(*sums: Sums) -> dict[Key, int]:
    total: dict[Key, int] = {}
    for one in sums:
        for key, number in one.items():
            total[key] = total.get(key, 0) + number
    return total


def _of(sums: Sums, wanted: What) -> dict[str, dict[str, int]]:
    """By map and field, the sums of one What."""
    found: dict[str, dict[str, int]] = {}
    for (map, field, what, _), number in sums.items():
        if what == wanted:
            found.setdefault(map, {})[field] = number
    return found


# ---------------------------------------------------------------- the table for people


@dataclass(frozen=True, slots=True)
class Line:
    """One field of a map and what became of it, in the latest days and before; `of` is what the numbers are shares of."""

    map: str
    block: str
    field: str  # "" for the block itself
    what: str
    value: str
    now: int
    of_now: int
    before: int
    of_before: int


def table(now: Sums, before: Sums) -> Sequence[Line]:
    """Every count as a line beside its baseline, by map, block and field."""
    lines: list[Line] = []
    every = _added(now, before)
    read, seen = _of(every, What.READ), _of(every, What.SEEN)
    for map, field, what, value in sorted(every):
        key = (map, field, what, value)
        whole, kind = (seen, What.SEEN) if what in _WATCHED else (read, What.READ)
        block = block_of(field, whole.get(map, {}))
        of = (map, block, kind.value, "")
        inner = "" if field == block else field.removeprefix(f"{block}.")
        lines.append(
            Line(map, block, inner, what, value, now.get(key, 0), now.get(of, 0), before.get(key, 0), before.get(of, 0))
        )
    return lines
