"""backfill: a window of the past read again, beside the live cursors."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs import Intake, Job
    from syncjob.store import Store


_FIRST_YEAR, _LAST_YEAR = 1970, 2999  # beyond them instants run out


def _day(_: click.Context, option: click.Parameter, value: str) -> date:
    try:
        day = datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of the books, which has no zone of its own
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day; write it as 2026-10-06", param=option) from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        years = f"{_FIRST_YEAR} to {_LAST_YEAR}"
        raise click.BadParameter(f"{value!r} is in no year of a gateway; write a day of {years}", param=option)
    return day


@verb(
    "backfill",
    "syncjob backfill --from 2026-10-07 --to 2026-10-12 --dry-run",
    "syncjob backfill --source stripe-demo --from 2026-10-07 --to 2026-10-12",
)
@click.option("--source", default="", metavar="NAME", help="Which gateway account; may be left out where there is one.")
@click.option("--from", "first", required=True, metavar="DAY", callback=_day, help="The first day, in the books' zone.")
@click.option("--to", "last", required=True, metavar="DAY", callback=_day, help="The last day, included.")
@click.option("--dry-run", is_flag=True, help="Read and plan in a throw-away copy of the state; print what would be sent.")
@click.option("--before-start", is_flag=True, help="Move the start of this source back to --from.")
@click.option("--yes", is_flag=True, help="With --before-start: the changed opening balance was seen and is right.")
@click.option("--max-seconds", type=click.IntRange(1), help="Take no new work after so long; the same command goes on.")
def backfill(
    source: str, first: date, last: date, dry_run: bool, before_start: bool, yes: bool, max_seconds: int | None
) -> int:
    """Read a window of the past again.

    What is already known changes nothing; what was missed is posted, matched and delivered like everything else. The live
    cursors stay where they are. A backfill that was cut off goes on when the same command is given again. With --before-start
    the changed opening balance is shown first, and asked for.
    """
    from syncjob.cli.house import configured
    from syncjob.cli.running import Wish, dry, once

    if last < first:
        raise Misconfigured(f"--to {last} is before --from {first}; write the earlier day first")
    config = configured(frame().home)
    name = _source(config, source)
    wish = Wish(False, name, "", max_seconds, partial(_wished, name, first, last, before_start))
    if dry_run:
        return dry(config, wish, told=partial(_opening, name, before_start))
    if before_start and not yes:
        dry(config, wish, told=partial(_opening, name, True))
        if not sys.stdin.isatty():
            raise Misconfigured("nothing was done yet: if this opening balance is right, give the command again with --yes")
        if not click.confirm("Is this opening balance right?", err=True):
            click.echo("Nothing was done.")
            return 0
    report, _ = once(config, wish)
    counts = report.counts
    sent = sum(number for what, number in counts.items() if what.endswith(": delivered"))
    new, changed = counts.get("new", 0), counts.get("changed", 0)
    click.echo(f"{counts.get('records', 0)} records read, {new} new, {changed} changed; {sent} documents delivered")
    return report.exit


def _source(config: Config, name: str) -> str:
    names = [block.name for block in config.of("gateways")]
    if name in names:
        return name
    if name or len(names) != 1:
        raise Misconfigured(f"--source is {name or 'missing'!r}; syncjob.yaml names {', '.join(names)}")
    return names[0]


def _wished(source: str, first: date, last: date, before_start: bool, job: Job) -> Intake:
    from syncjob.jobs.backfill import Span, intake, refuse_before_start, refuse_hole
    from syncjob.jobs.opening import with_starts

    job = replace(job, rules=with_starts(job.rules, job.store, [source]))
    span = Span.of(job, first, last)
    (refuse_hole if before_start else refuse_before_start)(job, source, span)
    return intake(span, before_start=before_start)


def _opening(source: str, asked: bool, before: Store, after: Store) -> None:
    """Show what becomes of the opening balance, or, where somebody asked, that it stays."""
    from syncjob.jobs.opening import opening_of
    from syncjob.summary.render import named

    old, new = opening_of(before, source), opening_of(after, source)
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if asked and not changed:
        click.echo(f"The opening balance of {source} stays as it is.")
    for key in changed:
        texts = [named(one) if one is not None else "nothing" for one in (old.get(key), new.get(key))]
        click.echo(f"Opening balance of {source}, {key.rpartition(':')[0]}: {texts[0]} -> {texts[1]}")
