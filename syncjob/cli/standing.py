"""status and summary: how things stand, and what the last night found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import EXIT_HELD, EXIT_OK, Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.model import Delivery, Json
    from syncjob.money import Money
    from syncjob.ports import Feed
    from syncjob.store import Run, Store

_FAR = timedelta(days=36_500)
_AT_ONCE = 500
_WIDTH = 80
_NAME_MAX = 30  # a longer name moves its own line only
_NOT_ENDED = "has not ended (or was killed)"


@verb("status", "syncjob status", "syncjob status --json")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, with counts and sums by currency.")
def status(as_json: bool) -> int:
    """Tell how things stand: last and next run, lag, what is held.

    Nothing is sent or asked. Ends with 3 when something is held or not known, else with 0.
    """
    from syncjob.cli.house import configured, now, opened

    config = configured(frame().home)
    if "://" not in config.state and not Path(config.state).exists():
        click.echo(json.dumps({"runs": {"last": None}}) if as_json else "No run yet: syncjob run makes the first one.")
        return EXIT_OK
    with opened(config) as store:
        stands = standing(config, store, now())
    if as_json:
        click.echo(json.dumps(stands, indent=2))
    else:
        click.echo("\n".join(_lines(config, stands)))
    return cast(int, stands["exit"])


@verb("summary", "syncjob summary", "syncjob summary --json")
@click.option("--json", "as_json", is_flag=True, help="The same page as JSON.")
def summary(as_json: bool) -> int:
    """Print the page of the last nightly run.

    Its rows must close, and where they do not, the page says so.
    """
    from syncjob import moment
    from syncjob.cli.house import configured, opened
    from syncjob.cli.night import kept
    from syncjob.summary import render, to_json

    config = configured(frame().home)
    with opened(config) as store:
        page = kept(store)
    if page is None:
        raise Misconfigured("there is no page yet, since no nightly run has ended; run: syncjob run --nightly")
    if as_json:
        click.echo(json.dumps(to_json(page), indent=2))
    else:
        click.echo(render(page, moment.zone(page.zone)), nl=False)
    return EXIT_OK


# ---------------------------------------------------------------- status as values


def standing(config: Config, store: Store, now: datetime) -> dict[str, Json]:
    """How things stand, as plain JSON.

    `applied` sums what the delivered documents move in the gateways' balances (books only), `pending`, `unknown` and `parked`
    sum the price of each document; amounts are plain decimals by currency.
    """
    sources = {block.name: _source(config, store, block.name, now) for block in config.of("gateways")}
    targets: dict[str, Json] = {}
    for block in (*config.of("accounting"), *config.of("crm")):
        targets[block.name] = _target(store, block.name, now, books=block.group == "accounting")
    from syncjob.cli.scheduling import next_run
    from syncjob.jobs.maps import warnings
    from syncjob.jobs.nightly import missed_night

    last, nightly = store.runs(1), store.runs(1, "nightly")
    following = next_run(config.home)  # cron and systemd do not tell us theirs
    missed = missed_night(store, config.schedule.nightly_at, config.schedule.books_zone, now)
    held = bool(store.refusals() or store.held())
    return {
        "now": _iso(now),
        "runs": {
            "last": _run(last[0]) if last else None,
            "last_nightly": _run(nightly[0]) if nightly else None,
            "next": _iso(following) if following else None,
            "next_nightly_after": _iso(config.schedule.next_night(now)),
            "night_missed": _iso(missed) if missed else None,
            "at_work": _at_work(config) if last and last[0].ended is None else False,
        },
        "sources": sources,
        "targets": targets,
        "maps": {"warnings": [asdict(one) for one in warnings(store, config.home)]},
        "exit": EXIT_HELD if held else EXIT_OK,
    }


def _at_work(config: Config) -> bool | None:
    """Whether a run holds the state now; None: only PostgreSQL could tell."""
    from syncjob.store.lock import is_held
    from syncjob.store.opening import lock_path

    return None if "://" in config.state else is_held(lock_path(Path(config.state)))


def _iso(instant: datetime) -> str:
    from syncjob.moment import iso

    return iso(instant)


def _run(run: Run) -> Json:
    return {
        "id": run.id,
        "kind": run.kind,
        "started": _iso(run.started),
        "ended": _iso(run.ended) if run.ended else None,
        "exit": run.exit,
        "counts": run.counts,
    }


def _source(config: Config, store: Store, name: str, now: datetime) -> Json:
    from syncjob.jobs.coverage import covered
    from syncjob.jobs.lacks import not_offered

    feeds: dict[str, Json] = {}
    through: list[datetime] = []
    lacks = not_offered(store, name)
    gaps = {one.feed: one.gaps for one in covered(store, name, feeds_of(config, name), config.start)}
    for feed in feeds_of(config, name):
        if feed.fills:
            continue  # read only where another feed has a gap: it lags behind nothing
        progress = store.progress(name, feed.name)
        cursor = progress.cursor
        if isinstance(cursor, datetime):
            through.append(cursor)
        feeds[feed.name] = {
            "complete_through": _iso(cursor) if isinstance(cursor, datetime) else cursor,
            "under_way": progress.resume is not None,
            "gaps": [{"since": _iso(since), "until": _iso(until)} for since, until in gaps[feed.name]],
            "gateway_clock": _iso(progress.seen_at) if progress.seen_at else None,
        }
    bound = store.bindings().get(name)
    refused = [refusal for _, refusal in store.refusals(name)]
    return {
        "account": bound[0].account if bound else None,
        "mode": bound[0].mode if bound else None,
        "feeds": feeds,
        "not_offered": list(lacks),
        "complete_through": _iso(min(through)) if through else None,
        "lag_seconds": int((now - min(through)).total_seconds()) if through else None,
        "parked": _parked([(one.problem.why, one.net) for one in refused]),
        "filtered": {"count": 0, "sums": {}},  # no rule leaves a record out yet; what is older than `start` is not posted
    }


def feeds_of(config: Config, source: str) -> tuple[Feed, ...]:
    """The feeds of a configured gateway, without its key."""
    from syncjob.config import module

    block = next(one for one in config.of("gateways") if one.name == source)
    return feeds_in(module(block))


def feeds_in(module: object) -> tuple[Feed, ...]:
    """The feeds that a gateway's class declares."""
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == getattr(module, "__name__", "") and hasattr(value, "feeds"):
            return tuple(value.feeds)
    return ()


def _target(store: Store, name: str, now: datetime, *, books: bool) -> Json:
    from syncjob.cli.night import price
    from syncjob.model import UNDONE, Status

    counts: dict[str, int] = {}
    for (target, _, state), number in store.counts().items():
        if target == name:
            counts[state] = counts.get(state, 0) + number
    waiting = list(_waiting(store, name, now))
    pending = [one for one in waiting if one.status is Status.PLANNED]
    stuck = store.held(name)
    unknown = [one for one in stuck if one.status is not Status.HELD]
    parked = [(one.problem.why if one.problem else "", price(one)) for one in stuck if one.status is Status.HELD]
    due = [one.due for one in (*pending, *unknown) if one.due is not None and one.due > now]
    return {
        "applied": {"count": counts.get(Status.DELIVERED, 0), "sums": _delivered(store, name) if books else None},
        "pending": {"count": counts.get(Status.PLANNED, 0), "sums": _sums(map(price, pending))},
        "unknown": {
            "count": counts.get(Status.UNKNOWN, 0) + counts.get(Status.SENDING, 0),
            "sums": _sums(map(price, unknown)),
        },
        "parked": _parked(parked),
        "undone": {"count": counts.get(UNDONE, 0)},
        "filtered": {"count": 0, "sums": {}},
        "not_before": _iso(min(due)) if due else None,
    }


def _waiting(store: Store, target: str, now: datetime) -> Iterable[Delivery]:
    place: tuple[int, str] | None = None
    while True:
        batch, place = store.due(target, now + _FAR, _AT_ONCE, place)
        if not batch:
            return
        yield from batch


def _delivered(store: Store, target: str) -> Json:
    from datetime import date

    from syncjob.model import Role
    from syncjob.money import Money

    sums = store.posted_sums(target, date.max, True)
    return _sums(Money(m, code) for (role, _, _, code), m in sums.items() if role in (Role.CLEARING, Role.RESERVE))


def _sums(amounts: Iterable[Money | None]) -> dict[str, Json]:
    from syncjob.money import plain, totals

    found = totals(amount for amount in amounts if amount is not None)
    return {currency: plain(amount.minor, currency) for currency, amount in found.items()}


def _parked(items: list[tuple[str, Money | None]]) -> Json:
    reasons: dict[str, list[Money | None]] = {}
    for why, amount in items:
        reasons.setdefault(why, []).append(amount)
    return {
        "count": len(items),
        "sums": _sums(amount for _, amount in items),
        "reasons": [{"why": why, "count": len(amounts), "sums": _sums(amounts)} for why, amounts in sorted(reasons.items())],
    }


# ---------------------------------------------------------------- status as text


_MEANINGS = {
    0: "complete",
    1: "a bug; the state is safe",
    3: "done, something is held",
    5: "in passing; the next run goes on",
    6: "a key needs a person",
    7: "the state needs a person",
}


def _lines(config: Config, stands: Mapping[str, Json]) -> list[str]:
    import textwrap

    rows = _rows(config, stands)
    wide = min(max(14, *(len(name) for name, _ in rows)), _NAME_MAX)
    lines: list[str] = []
    for name, words in rows:
        lines += textwrap.wrap(
            words,
            _WIDTH,
            initial_indent=f"{name:<{wide}} ",
            subsequent_indent=" " * (wide + 3),
            break_on_hyphens=False,
            break_long_words=False,
        )
    if stands["exit"]:
        lines.append("Something waits for a person: syncjob held list")
    return lines


def _rows(config: Config, stands: Mapping[str, Json]) -> list[tuple[str, str]]:
    runs = _map(stands["runs"])
    last, night = runs["last"], runs["last_nightly"]
    rows = [("Last run", _when(config, last, runs["at_work"]))]
    rows.append(("Last night", _when(config, night, runs["at_work"] if night == last else False)))
    if runs["next"]:
        rows.append(("Next run", f"{_local(config, str(runs['next']))}, by syncjob schedule"))
    if runs["night_missed"]:
        rows.append(("Next night", f"the next run: that of {_local(config, str(runs['night_missed']))} is still to be done"))
    else:
        rows.append(("Next night", f"the first run after {_local(config, str(runs['next_nightly_after']))}"))
    for name, value in _map(stands["sources"]).items():
        source = _map(value)
        parked = _map(source["parked"])
        lag = source["lag_seconds"]
        behind = f" ({_span(lag)} ago)" if isinstance(lag, int) else ""
        rows.append((name, f"{_read(config, source)}{behind}; {parked['count']} held{_priced(parked)}"))
        for feed, told in _map(source["feeds"]).items():
            for gap in cast("list[Mapping[str, str]]", _map(told).get("gaps") or []):
                bounds = f"{_local(config, gap['since'])} to {_local(config, gap['until'])}"
                rows.append(("", f"{feed} has a gap, {bounds}, which the next run heals"))
        lacks = cast("list[str]", source["not_offered"])
        if lacks:
            rows.append(("", f"not offered there, so not covered: {', '.join(lacks)}"))
    shadows = {block.name for block in config.of("accounting") if block.booking.shadow}
    for name, value in _map(stands["targets"]).items():
        target = _map(value)
        counts = {word: _map(target[word])["count"] for word in ("applied", "pending", "unknown", "parked")}
        undone = _map(target["undone"])["count"]
        if name in shadows:
            rows.append((name, f"in shadow: {counts['pending']} derived, nothing is sent; see: syncjob shadow"))
            continue
        words = f"{counts['applied']} delivered, {counts['pending']} pending, {counts['unknown']} not known"
        later = f"; not before {_local(config, str(target['not_before']))}" if target["not_before"] else ""
        words += f", {counts['parked']} held{_priced(_map(target['parked']))}{f', {undone} undone' if undone else ''}"
        rows.append((name, f"{words}{later}"))
    warned = cast("list[Mapping[str, str]]", _map(stands.get("maps", {})).get("warnings"))
    if warned:
        names = ", ".join(dict.fromkeys(one["map"] for one in warned))
        number = "1 warning" if len(warned) == 1 else f"{len(warned)} warnings"
        rows.append(("Maps", f"{number} about {names}: syncjob mapping stats"))
    return rows


def _read(config: Config, source: Mapping[str, Json]) -> str:
    read = source["complete_through"]
    if read:
        return f"read up to {_local(config, str(read))}"
    under_way = any(_map(feed)["under_way"] for feed in _map(source["feeds"]).values())
    return "the first reading is under way" if under_way else "never read"


def _map(value: Json) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", value)


def _when(config: Config, run: Json, at_work: Json) -> str:
    if run is None:
        return "never"
    told = _map(run)
    code = told["exit"]
    if told["ended"] is None:
        how = {True: "is at work", False: "was killed; run it again"}.get(cast("bool", at_work), _NOT_ENDED)
        return f"{told['kind']}, began {_local(config, str(told['started']))}, {how}"
    meaning = _MEANINGS.get(code, "") if isinstance(code, int) else ""
    return f"{told['kind']}, {_local(config, str(told['ended']))}, exit {code} ({meaning})"


def _local(config: Config, text: str) -> str:
    from syncjob.moment import from_text
    from syncjob.summary import instant

    return instant(from_text(text), config.zone)


def _priced(parked: Mapping[str, Json]) -> str:
    sums = _map(parked["sums"])
    return f" ({', '.join(f'{amount} {currency}' for currency, amount in sums.items())})" if sums else ""


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{max(seconds, 0)} s"
    if seconds < 7_200:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h" if seconds < 172_800 else f"{seconds // 86_400} days"
