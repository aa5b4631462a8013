"""mapping stats: what the maps' rules did in the last two days, field by field, beside the days before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.jobs.maps import Warned
    from syncjob.mapping.judging import Known, Line
    from syncjob.model import Json

WIDTH = 80
DAYS_BEFORE, DAYS_BEFORE_MAX = 30, 88  # days of counts that are kept, less the two that are compared with them
_NUMBER, _SHARE = 8, 7
_NAME = WIDTH - 16 - 2 * (_NUMBER + _SHARE)


@verb("stats", "syncjob mapping stats", "syncjob mapping stats gateways/stripe --all", "syncjob mapping stats --days 60 --json")
@click.argument("map", default="")
@click.option(
    "--days", type=click.IntRange(1, DAYS_BEFORE_MAX), default=DAYS_BEFORE, metavar="N", help="Compare with N days (30)."
)
@click.option("--all", "every", is_flag=True, help="Also each field that is there as often as it was.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def stats(map: str, days: int, every: bool, as_json: bool) -> None:
    """Count what the maps did, beside the days before.

    MAP is one of them, such as gateways/stripe. Counted are readings: what is planned again counts again. `read` is how many
    records or documents the rules were about, `seen` how many landed versions were looked at, and `there` in how many of these
    a field stood; a share is of these. Days are those of UTC, by the gateway's clock.
    """
    from syncjob.cli.house import configured, opened
    from syncjob.jobs.maps import known, warnings
    from syncjob.mapping.judging import table

    config = configured(frame().home)
    with opened(config) as store:
        judged = known(store, days)
        warned = warnings(store, config.home)
    lines = table(judged.now, judged.before) if judged is not None else ()
    names = sorted({line.map for line in lines})
    if map and map not in names:
        raise Misconfigured(f"nothing was counted of {map!r}; counted are: {', '.join(names) or 'no maps yet'}")
    chosen = [line for line in lines if map in ("", line.map)]
    told = [one for one in warned if map in ("", one.map)]
    if as_json:
        click.echo(json.dumps(_as_json(judged, days, chosen, told), indent=2, ensure_ascii=False))
    elif judged is None:
        click.echo("Nothing was counted yet: syncjob run makes a beginning.")
    else:
        click.echo("\n".join(_text(judged, days, chosen, told, every=every)))


def _as_json(known: Known | None, days: int, lines: Sequence[Line], warned: Sequence[Warned]) -> dict[str, Json]:
    return {
        "day": known.day.isoformat() if known is not None else None,
        "days_before": days,
        "counts": [asdict(line) for line in lines],
        "warnings": [asdict(one) for one in warned],
    }


def _text(known: Known, days: int, lines: Sequence[Line], warned: Sequence[Warned], *, every: bool) -> Iterator[str]:
    import textwrap

    from syncjob.summary import day

    yield f"{'Up to ' + day(known.day):<{_NAME + 16}}{'2 days':>{_NUMBER + _SHARE}}{f'{days} before':>{_NUMBER + _SHARE}}"
    for map, of_map in groupby(lines, key=lambda line: line.map):
        yield ""
        yield map
        for block, of_block in groupby(of_map, key=lambda line: line.block):
            shown = [line for line in of_block if every or _tells(line)]
            name = f"  {block}"
            for line in shown:
                yield _row(name if not line.field else f"    {line.field}", line)
                name = "" if not line.field else name
    if not every:
        yield ""
        yield "Not shown: fields that are there about as often as before (--all)."
    for one in warned:
        yield ""
        yield from textwrap.wrap(f"{one.map}: {one.why}; {one.cure}.", WIDTH, break_on_hyphens=False, break_long_words=False)


def _tells(line: Line) -> bool:
    """Whether a line says something by itself: of how often a field is there, only a change of five in a hundred."""
    if line.what != "present":
        return True
    if not line.of_now or not line.of_before:
        return False
    return 20 * abs(line.now * line.of_before - line.before * line.of_now) >= line.of_now * line.of_before


def _row(name: str, line: Line) -> str:
    from syncjob.mapping.judging import share

    what = f"is {line.value!r}" if line.value else "there" if line.what == "present" else line.what
    numbers = ""
    for number, whole in ((line.now, line.of_now), (line.before, line.of_before)):
        part = "" if not line.field or not whole else share(number, whole).replace("under ", "<")
        numbers += f"{number:>{_NUMBER},}{part:>{_SHARE}}"
    head = f"{name:<{_NAME}}{what:<16}"
    if len(name) >= _NAME or len(what) > 16:
        head = f"{name} {what}"
        if len(head) > _NAME + 16:
            return f"{head}\n{'':<{_NAME + 16}}{numbers}"
    return f"{head:<{_NAME + 16}}{numbers}".rstrip()
