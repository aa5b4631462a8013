"""Which account codes counted when: a document's postings stand in the accounts of the chart that they were made with.

The charts are numbered from 0 in the order in which they came to count. A document whose postings were made with another than
the first is noted with its number (`Plan.coded`), so what the books must hold in an account is known to the cent, whichever
codes were changed, swapped or changed back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias, cast

from syncjob.chart import Chart
from syncjob.errors import Misconfigured
from syncjob.jobs.job import Job
from syncjob.model import Delivery, Json, Role
from syncjob.moment import iso
from syncjob.store import Store

FACT = "charts"
TODAY = -1  # the number that the store gives where entries have no document yet

Place: TypeAlias = tuple[str, str, str]  # role, source, currency


def standing(job: Job) -> list[Chart]:
    """Every chart that has counted, the one that counts now last; before anything was planned, today's alone."""
    return _charts(job.store, job.rules.chart) or [_first(job)]


def number(job: Job) -> int:
    """The number of the chart that counts now."""
    return max(len(_charts(job.store, job.rules.chart)) - 1, 0)


def register(job: Job) -> int:
    """Note today's chart where it is another one, and let what no target holds yet follow it; gives its number."""
    known = standing(job)
    today = job.rules.chart
    moved = bool(_changed(known[-1], today))
    charts = [*known, today] if moved else [*known[:-1], Chart({**known[-1].rows, **today.rows}, today.where)]
    if charts == _charts(job.store, today):
        return len(known) - 1
    since = [str(one["since"]) for one in _noted(job.store)]
    since += [iso(job.now())] * (len(charts) - len(since))
    noted: list[Json] = [
        {"since": at, "rows": [[*place, code] for place, code in sorted(chart.rows.items())]}
        for at, chart in zip(since, charts, strict=True)
    ]
    with job.store.together():
        job.store.set_fact(FACT, noted)
        if moved:
            job.store.mark_unsent_dirty()
    return len(charts) - 1


def moved_codes(job: Job, target: str) -> dict[Place, tuple[str, str]]:
    """(role, source, currency) -> the code under which a target holds entries, and today's, where these are two."""
    found: dict[Place, tuple[str, str]] = {}
    for (role, source, currency), code in sorted(job.store.bound_accounts(target).items()):
        now = job.rules.chart.code(Role(role), source, currency)
        if now != code:
            found[role, source, currency] = (code, now)
    return found


def rebind(job: Job) -> dict[str, dict[Place, tuple[str, str]]]:
    """Let today's codes be those of every target from now on, the earlier ones remembered; gives what has changed."""
    changed = {sink.name: moved for sink in job.sinks if (moved := moved_codes(job, sink.name))}
    register(job)
    for target, moved in changed.items():
        job.store.rebind_accounts(target, {place: now for place, (_, now) in moved.items()})
    return changed


def codes_of(store: Store, today: Chart, target: str, place: tuple[Role, str, str], through: date) -> list[str]:
    """The accounts of a target in which a role's entries of days up to one stand or will: one, until its code was changed."""
    role, source, currency = place
    now = today.code(role, source, currency)
    known = _charts(store, today)
    sums = (store.posted_by_chart(target, through, delivered) for delivered in (True, False))
    numbers = {n for found in sums for n, *of in found if (of[0], of[1], of[3]) == (role, source, currency)}
    codes = (now if n == TODAY or not known else known[n].code(role, source, currency) for n in sorted(numbers))
    return list(dict.fromkeys(codes)) or [now]


def written_with(store: Store, today: Chart, deliveries: Sequence[Delivery]) -> dict[tuple[str, str], Chart]:
    """(target, document key) -> the chart that the postings of a document stand under in its target, or will at first."""
    known = _charts(store, today)
    coded = store.coded([one.key for one in deliveries]) if known else {}
    found: dict[tuple[str, str], Chart] = {}
    for one in deliveries:
        revision = one.delivered_revision or one.revision
        number = next((n for since, n in reversed(coded.get((one.target, one.key), ())) if since <= revision), 0)
        found[one.target, one.key] = known[number] if known else today
    return found


def ever(store: Store, today: Chart) -> list[Chart]:
    """Every chart that has counted, today's included."""
    return [*_charts(store, today), today]


def former(charts: Iterable[Chart], places: Iterable[Place]) -> set[str]:
    """The codes that earlier charts had for these places and that play no part any more: nothing may be left in them."""
    earlier = list(charts)
    today = set(earlier.pop().rows.values())
    found = {code for chart in earlier for place in places if (code := _resolved(chart, place)) is not None}
    return found - today


def _first(job: Job) -> Chart:
    """The chart of a state that has noted none: today's, save for the codes under which entries were delivered."""
    bound = {place: code for sink in job.sinks for place, code in job.store.bound_accounts(sink.name).items()}
    return Chart({**job.rules.chart.rows, **bound}, job.rules.chart.where)


def _charts(store: Store, today: Chart) -> list[Chart]:
    noted = [one["rows"] for one in _noted(store)]
    return [Chart({(role, source, currency): code for role, source, currency, code in rows}, today.where) for rows in noted]


def _noted(store: Store) -> list[Mapping[str, Any]]:
    """Each chart as it is kept: since when it counts, and its rows."""
    return cast("list[Mapping[str, Any]] | None", store.get_fact(FACT)) or []


def _changed(before: Chart, after: Chart) -> list[Place]:
    """The places for which both have a code, and not the same one."""
    roles: dict[str, tuple[set[str], set[str]]] = {}
    for role, source, currency in (*before.rows, *after.rows):
        sources, currencies = roles.setdefault(role, ({""}, {""}))
        sources.add(source)
        currencies.add(currency)
    places = [(role, source, currency) for role, (s, c) in roles.items() for source in sorted(s) for currency in sorted(c)]
    codes = [(place, _resolved(before, place), _resolved(after, place)) for place in places]
    return [place for place, old, new in codes if old is not None and new is not None and old != new]


def _resolved(chart: Chart, place: Place) -> str | None:
    role, source, currency = place
    try:
        return chart.code(Role(role), source, currency)
    except Misconfigured:
        return None
