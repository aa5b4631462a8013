"""mapping test: the cases beside the maps, each with what it expects; and a new one out of a payment that has landed."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK, Misconfigured

if TYPE_CHECKING:
    from syncjob.jobs.cases import Finding, Trial
    from syncjob.mapping.cases import CaseFile
    from syncjob.model import Json

WIDTH = 80


@verb(
    "test",
    "syncjob mapping test",
    "syncjob mapping test gateways/stripe --case payment",
    "syncjob mapping test --keep ch_3SxExample",
)
@click.argument("name", required=False)
@click.option("--case", metavar="NAME", help="Only the case of this name.")
@click.option("--keep", metavar="ID", help="Write a case out of a payment that has landed, with example people.")
@click.option("--json", "as_json", is_flag=True, help="What came of each case, as JSON.")
def test(name: str | None, case: str | None, keep: str | None, as_json: bool) -> int:
    """Try the cases that stand beside the maps.

    NAME is one map, such as gateways/stripe; without it the cases of all maps are tried, those of the home as well. A case is a
    file in mappings/cases/: what a gateway shows, and what the map must make of it. What differs is named with the line of the
    case, what was expected, what came, and the line of the map that decided. Nothing is sent and no state is read.

    --keep ID takes any id that `syncjob show` takes and writes what has landed of it into the home as a case, one for each map.
    People, addresses and free text become examples; amounts, currencies, times, ids and states stay. What is expected is what
    the maps make of it now: read it before you trust it.
    """
    if keep is not None:
        if name is not None or case is not None:
            raise Misconfigured("--keep writes a case of every map; leave the name of the map and --case out")
        return _keep(keep)
    from syncjob.jobs.cases import Bench
    from syncjob.mapping import cases

    home = _home()
    known = cases.found(home)
    chosen = _chosen(home, known, name, case)
    bench = Bench(home)
    trials = [bench.trial(file, known) for file in chosen]
    failed = [trial for trial in trials if not trial.passed]
    if as_json:
        click.echo(json.dumps([_as_json(trial) for trial in trials], indent=2, ensure_ascii=False))
        return EXIT_CONFIGURATION if failed else EXIT_OK
    for trial in trials:
        if not trial.passed:
            click.echo("\n".join(_lines(trial)) + "\n")
    for line in _counts(trials):
        click.echo(line)
    for map in _untested(home, known, name):
        click.echo(_filled(f"{map} has no case yet; write one, or run: syncjob mapping test --keep ID"))
    if home is not None and any(not trial.file.own for trial in failed):
        here, there = home / "mappings" / "cases", next(trial.file.path for trial in failed if not trial.file.own).parents[2]
        click.echo(f"Where the map is right, copy its case from {there}\nto {here} and correct it there: that file wins.")
    return EXIT_CONFIGURATION if failed else EXIT_OK


def _home() -> Path | None:
    """The home, where there is one: without it the maps that came with syncjob are tried."""
    known = frame()
    if (known.home / "syncjob.yaml").is_file():
        return known.home.absolute()
    if known.home_named:
        raise Misconfigured(f"{known.home} is no home, it has no syncjob.yaml; name one with --home, or run: syncjob init")
    return None


def _chosen(home: Path | None, known: Sequence[CaseFile], name: str | None, case: str | None) -> list[CaseFile]:
    from syncjob.mapping import cases

    maps = dict.fromkeys([*cases.maps(home), *(file.map for file in known)])
    if name is not None and name not in maps:
        raise Misconfigured(f"{name!r} is no map; {_near(name, maps)}")
    chosen = [file for file in known if name in (None, file.map)]
    if not chosen:
        raise Misconfigured(f"{name} has no case yet; write one, or run: syncjob mapping test --keep ID")
    if case is not None:
        named = [file for file in chosen if file.name == case.removesuffix(".yaml")]
        if not named:
            raise Misconfigured(f"there is no case {case!r}; {_near(case, dict.fromkeys(file.name for file in chosen))}")
        return named
    return chosen


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known, 1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(known)}"


def _untested(home: Path | None, known: Sequence[CaseFile], name: str | None) -> list[str]:
    """The maps that no case speaks of."""
    from syncjob.mapping import cases

    tested = {file.map for file in known}
    return [map for map in cases.maps(home) if map not in tested] if name is None else []


# ---------------------------------------------------------------- what is printed


def _lines(trial: Trial) -> Iterator[str]:
    if trial.unreadable:
        yield _filled(f"{trial.file.name} of {trial.file.map} cannot be read")
        yield _filled(trial.unreadable, "    ")
        return
    yield _filled(f"{trial.file.name} of {trial.file.map}: {trial.shows}")
    for finding in trial.findings:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    one = finding.difference
    yield f"  {one.place.file}:{one.place.line}"
    about = " ".join(part for part in one.about if part)
    yield _filled(f"{about}, {one.field.removeprefix('fields.')}" if one.field else about, "    ")
    yield _filled(one.expected, "    expected  ")
    yield _filled(one.came, "    came      ")
    if finding.decided:
        yield _filled(finding.decided, "    decided   ")


def _as_json(trial: Trial) -> dict[str, Json]:
    return {
        "map": trial.file.map,
        "case": trial.file.name,
        "file": str(trial.file.path),
        "shows": trial.shows or None,
        "as_expected": trial.passed,
        "unreadable": trial.unreadable or None,
        "differences": [
            {
                "line": one.difference.place.line,
                "what": one.difference.about[0],
                "id": one.difference.about[1] or None,
                "field": one.difference.field.removeprefix("fields.") or None,
                "expected": one.difference.expected,
                "came": one.difference.came,
                "decided": one.decided or None,
            }
            for one in trial.findings
        ],
    }


def _counts(trials: Sequence[Trial]) -> Iterator[str]:
    good = sum(trial.passed for trial in trials)
    of = {trial.file.map: 0 for trial in trials}
    for trial in trials:
        of[trial.file.map] += 1
    if len(of) > 1:
        for map, number in of.items():
            failed = sum(not trial.passed for trial in trials if trial.file.map == map)
            yield f"{map:<36}{_cases(number):>9}{f', {failed} not as expected' if failed else ''}"
    yield f"{_cases(len(trials))}, {good} as expected, {len(trials) - good} not"


def _cases(number: int) -> str:
    return f"{number} {'case' if number == 1 else 'cases'}"


def _filled(words: str, first: str = "") -> str:
    """Words within 80 columns; further lines begin where the first one's words do."""
    indent = " " * len(first)
    return textwrap.fill(
        words, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


# ---------------------------------------------------------------- keeping a case


def _keep(id: str) -> int:
    from syncjob.cli.house import configured, opened
    from syncjob.jobs.kept_cases import keep

    config = configured(frame().home)
    with opened(config) as store:
        written = keep(config, store, id)
    for path in written:
        click.echo(path)
    click.echo(_filled("People in them are examples now, and what they expect is what the maps make of it today."))
    click.echo(_filled("Read them, correct what is expected where it is not right, then run: syncjob mapping test"))
    return EXIT_OK
