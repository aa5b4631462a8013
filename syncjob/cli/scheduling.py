"""schedule: the own scheduler in the foreground, for machines without cron or systemd, and for containers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from syncjob.cli.command import frame, verb
from syncjob.cli.leaving import say
from syncjob.errors import EXIT_AUTHORISATION, EXIT_OK, EXIT_STATE, Misconfigured, RecordRefused

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.schedule import Ahead, Ended
    from syncjob.timetable import Timetable

LOCK = Path("state") / "schedule.lock"
NOTE = Path("state") / "schedule.json"
_LASTING = (EXIT_AUTHORISATION, EXIT_STATE)  # the same until a person has come, in whatever words

Value = TypeVar("Value")


@verb(
    "schedule",
    "syncjob schedule --every 15m --jitter 30s",
    'syncjob schedule --cron "*/15 6-22 * * 1-5" --zone Europe/Berlin',
)
@click.option("--every", default="", metavar="SPAN", help="Begin a run so often: 90s, 15m, 2h.")
@click.option("--cron", default="", metavar="TIMES", help='Or at these times: "*/15 6-22 * * 1-5".')
@click.option("--zone", default="", metavar="ZONE", help="The zone of --cron (else that of the books).")
@click.option("--jitter", default="", metavar="SPAN", help="Begin up to so much later, by chance.")
@click.option("--misfire-grace", default="", metavar="SPAN", help="Leave a run out that is late by more than this.")
@click.option("--for", "lasting", default="", metavar="SPAN", help="End in good order after so long.")
def schedule(every: str, cron: str, zone: str, jitter: str, misfire_grace: str, lasting: str) -> int:
    """Begin runs by the clock, until SIGTERM or Ctrl-C.

    What no option says is read from schedule: in syncjob.yaml. Each run is an ordinary syncjob run in a process of its own,
    never two at once, and at nightly_at one begins by itself. A run that needs somebody is one line on stderr, the same trouble
    once a day.

    The first signal lets the run under way end in good order (exit 0), the second stops it at once (exit 5). A second
    scheduler of one home leaves with 4.
    """
    import random
    import time
    from queue import SimpleQueue

    from syncjob import schedule as own
    from syncjob import timetable
    from syncjob.cli.house import configured, now

    config = configured(frame().home)
    table = timetable_of(config, every=every, cron=cron, zone=zone, jitter=jitter, grace=misfire_grace)
    seconds_max = _option("--for", lasting, timetable.interval).total_seconds() if lasting else None
    watched = sys.stderr.isatty()
    command = (sys.executable, "-m", "syncjob", "run", "--home", str(config.home))
    teller = Teller(config.zone, mute if watched else say)
    inbox: own.Inbox = SimpleQueue()
    with own.sole(config.home / LOCK, config.home), own.listening(inbox):
        click.echo(_announced(table, now()))
        return own.serve(
            table,
            start=lambda: own.Process(command, watched=watched),
            tell=teller.tell,
            keep=lambda ahead: keep(config.home, ahead),
            inbox=inbox,
            clock=now,
            random=random.random,
            seconds_max=seconds_max,
            monotonic=time.monotonic,
        )


# ---------------------------------------------------------------- when


def timetable_of(config: Config, *, every: str, cron: str, zone: str, jitter: str, grace: str) -> Timetable:
    """The timetable of syncjob.yaml with what a person typed instead. Raises Misconfigured naming the option."""
    from syncjob import moment, timetable

    table = config.schedule
    if every and cron:
        raise Misconfigured("--every and --cron are two answers to one question; keep one of them")
    if every:
        table = replace(table, every=_option("--every", every, timetable.interval), cron=None)
    if cron:
        table = replace(table, cron=_option("--cron", cron, timetable.cron))
    if zone and table.cron is None:
        raise Misconfigured("--zone is the zone of a cron expression; add --cron, or leave --zone out")
    table = replace(
        table,
        zone=_option("--zone", zone, moment.zone) if zone else table.zone,
        jitter=_option("--jitter", jitter, timetable.delay) if jitter else table.jitter,
        grace=_option("--misfire-grace", grace, timetable.interval) if grace else table.grace,
    )
    try:
        timetable.check_jitter(table)
    except Misconfigured as wrong:
        place = "--jitter" if jitter else "the jitter of schedule: in syncjob.yaml"
        raise Misconfigured(f"{place}: {wrong}{'' if jitter else ' with --jitter, such as --jitter 0s'}") from wrong
    return table


def _option(name: str, text: str, convert: Callable[[str], Value]) -> Value:
    try:
        return convert(text)
    except Misconfigured as wrong:
        raise Misconfigured(f"{name}: {wrong}") from wrong


def _announced(table: Timetable, now: datetime) -> str:
    """The one line that the scheduler says when it begins."""
    if table.cron is None:
        first = "a run begins now and"
        often = f"every {_length(table.every)}"
    else:
        due = table.next_tick(now, now)
        first = f"the next run begins at {_local(due, table.books_zone)}, then" if due else "no run"
        often = f'by "{table.cron.text}"'
    return f"{first} {often}; the next night at {_local(table.next_night(now), table.books_zone)}; SIGTERM or Ctrl-C ends it"


def _length(span: timedelta) -> str:
    seconds = span // timedelta(seconds=1)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _local(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


# ---------------------------------------------------------------- who is told


def mute(_: str) -> None:
    """Say nothing: the run has said it on the same terminal."""


@dataclass(slots=True)
class Teller:
    """Says one line for a run that needs somebody, for the same trouble once a day, and one when it is over."""

    zone: tzinfo
    say: Callable[[str], None]
    _before: tuple[object, ...] = ()

    def tell(self, ended: Ended) -> None:
        """Say what there is to say about a run that has ended."""
        local = ended.began.astimezone(self.zone)
        which = f"the run of {local:%Y-%m-%d %H:%M}"
        if ended.code == EXIT_OK:
            if self._before:
                self.say(f"{which} ended well again")
            self._before = ()
            return
        trouble = (local.date(), ended.code, *(() if ended.code in _LASTING else ended.said))
        if trouble != self._before:
            self.say(f"{which} {_how(ended)}")
        self._before = trouble


def _how(ended: Ended) -> str:
    how = (
        f"ended with {ended.code}" if ended.code > 0 else f"was ended by signal {-ended.code}; the next one goes on from there"
    )
    if not ended.said:
        return f"{how}; see: syncjob status"
    more = len(ended.said) - 1
    rest = f" (and {more} more; see: syncjob status)" if more else ""
    return f"{how}: {ended.said[0].removeprefix('syncjob: ')}{rest}"


# ---------------------------------------------------------------- what status knows of it


def keep(home: Path, ahead: Ahead) -> None:
    """Note what lies ahead for `syncjob status`. It is only a hint, so that a full disk does not stop the runs."""
    from syncjob import moment

    def told(instant: datetime | None) -> str | None:
        return moment.iso(instant.replace(microsecond=0)) if instant is not None else None

    note = {
        "process": os.getpid(),
        "next": told(min((due for due in (ahead.tick, ahead.night) if due is not None), default=None)),
        "next_tick": told(ahead.tick),
        "next_night": told(ahead.night),
        "under_way_since": told(ahead.began),
        "last_exit": ahead.code,
    }
    part = home / NOTE.with_suffix(".part")
    with suppress(OSError):
        part.write_text(json.dumps(note) + "\n", encoding="utf-8")
        part.replace(home / NOTE)


def next_run(home: Path) -> datetime | None:
    """When the own scheduler of a home will begin its next run; None where none is at work."""
    from syncjob import moment
    from syncjob.store.lock import is_held

    if not is_held(home / LOCK):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, RecordRefused):
        return moment.from_text(json.loads((home / NOTE).read_text(encoding="utf-8"))["next"])
    return None
