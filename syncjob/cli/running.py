"""run: one run of the job, loud on a terminal, silent without one unless somebody is needed."""

from __future__ import annotations

import gc
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.cli.leaving import STOPPED, say
from syncjob.errors import EXIT_HELD, Busy, Misconfigured, RecordRefused

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs import Intake, Job, Report
    from syncjob.model import Delivery
    from syncjob.store import Store
    from syncjob.summary.page import Page

GRACE_SECONDS = 20
LINE_SECONDS = 10
_GLUE = "\u00a0"
_FOREVER_SECONDS = 10 * 365 * 86_400


@verb("run", "syncjob run", "syncjob run --dry-run --diff", "syncjob run --nightly --max-seconds 600")
@click.option("--nightly", is_flag=True, help="Make this the nightly run: read deeper, reconcile, write the summary.")
@click.option("--source", default="", metavar="NAME", help="Only this gateway account.")
@click.option("--target", default="", metavar="NAME", help="Only these books, or this CRM.")
@click.option("--max-seconds", type=click.IntRange(1), help="Take no new work after so long; the next run goes on.")
@click.option("--dry-run", is_flag=True, help="Send nothing and keep nothing; print what would be sent.")
@click.option("--diff", is_flag=True, help="With --dry-run: each document with the fields that would change.")
def run(nightly: bool, source: str, target: str, max_seconds: int | None, dry_run: bool, diff: bool) -> int:
    """Poll, post, match, deliver and confirm.

    At night it also reads deeper, reconciles and closes the books.

    The first run after nightly_at is the nightly one by itself. Without a terminal a run that needs nobody prints nothing; what
    needs somebody is one sentence each on stderr. A nightly run of one --source or --target alone leaves the summary as it was.
    """
    from syncjob.cli.house import configured

    if diff and not dry_run:
        raise Misconfigured("--diff shows what a dry run would change: add --dry-run")
    config = configured(frame().home)
    wish = Wish(nightly or None, source, target, max_seconds)
    if dry_run:
        return dry(config, wish, diff)
    report, page = once(config, wish)
    if sys.stdout.isatty():
        _tell(config, report, page)
    return report.exit


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of a run. `nightly` None: the first run after nightly_at is the nightly one."""

    nightly: bool | None = None
    source: str = ""
    target: str = ""
    seconds_max: int | None = None
    intake: Callable[[Job], Intake] | None = None  # a backfill: what is read in place of the feeds since their cursors

    @property
    def whole(self) -> bool:
        """Whether all sources and targets take part."""
        return not self.source and not self.target


def once(config: Config, wish: Wish) -> tuple[Report, Page | None]:
    """Do one run, keep its page at night, and say on stderr what needs somebody."""
    from syncjob import jobs
    from syncjob.cli.house import assembled, opened
    from syncjob.cli.night import keep

    # Modules stay for the whole run, and a run's values are frozen and hold no cycles: a collector that looks through all of
    # them every few hundred allocations only costs time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    pages: list[Page] = []
    with opened(config, create=True) as store, progress(lines=wish.intake is not None) as tell, stopping() as stop:
        job = assembled(config, store, tell)

        def night(report: Report) -> None:
            if report.legs and wish.whole:
                pages.append(keep(config, store, report))

        report = _run(partial(jobs.run, keep=night), stoppable(job, stop), wish, dry=False)
        waiting = len(store.refusals()) + len(store.held()) if report.exit == EXIT_HELD else 0
    _complain(report, waiting, stopped=stop.asked)
    return report, pages[0] if pages else None


def _run(work: Callable[..., Report], job: Job, wish: Wish, *, dry: bool) -> Report:
    try:
        return work(
            job,
            nightly=wish.nightly,
            source=wish.source,
            target=wish.target,
            seconds_max=wish.seconds_max or _FOREVER_SECONDS,
            dry=dry,
            intake=wish.intake(job) if wish.intake is not None else None,
        )
    except RecordRefused as escaped:  # requests were made: this is our bug (1), not a wrong configuration (2)
        raise AssertionError(f"the refusal of one record stopped the run: {escaped}") from escaped


def _complain(report: Report, waiting: int, *, stopped: bool) -> None:
    if stopped:
        say(STOPPED)
    for problem in report.problems:
        if not (stopped and problem.what == "the run"):
            say(str(problem))
    if waiting:
        say(f"{waiting} {'thing waits' if waiting == 1 else 'things wait'} for a person; see: syncjob held list")


# ---------------------------------------------------------------- stopping in good order


@dataclass(slots=True)
class Stop:
    """Whether somebody has asked this run to stop."""

    asked: bool = False

    def clock(self, monotonic: Callable[[], float]) -> Callable[[], float]:
        """The same clock, at its end once somebody has asked: then the run takes no new work, commits and ends."""
        return lambda: float("inf") if self.asked else monotonic()


def stoppable(job: Job, stop: Stop) -> Job:
    """The job, ending in good order when somebody asks."""
    return replace(job, monotonic=stop.clock(job.monotonic))


@contextmanager
def stopping() -> Iterator[Stop]:
    """The first SIGTERM or Ctrl-C lets what is under way end, for at most the grace time; the second stops at once."""
    stop = Stop()

    def ask(*_: object) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        signal.alarm(GRACE_SECONDS)

    names = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {name: signal.signal(name, ask) for name in names}
    try:
        yield stop
    finally:
        signal.alarm(0)
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def progress(*, lines: bool = False) -> Iterator[Callable[[str], None]]:
    """A line that shows where the run is, on a terminal; elsewhere nothing, or plain `lines` some seconds apart."""
    if not sys.stderr.isatty():
        yield _Lines(time.monotonic) if lines else lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("starting") as status:
        yield lambda text: status.update(text)


class _Lines:
    """Says how it goes on stderr: the first time, and then no more often than every ten seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: float | None = None

    def __call__(self, text: str) -> None:
        now = self._monotonic()
        if self._last is None or now - self._last >= LINE_SECONDS:
            self._last = now
            say(text)


def _tell(config: Config, report: Report, page: Page | None) -> None:
    if page is not None:
        from syncjob.summary import render

        click.echo(render(page, config.zone), nl=False)
    seconds = (report.ended - report.started).total_seconds()
    counts = report.counts
    done = [f"{counts[name]} {name}" for name in ("records", "new", "changed") if counts.get(name)]
    ends = ": delivered"
    sent = [f"{number} to {name.removesuffix(ends)}" for name, number in sorted(counts.items()) if name.endswith(ends)]
    words = ", ".join([*done, *sent]) or "nothing to do"
    click.echo(_folded(f"{report.kind} run in {seconds:.0f} s (exit {report.exit}): {words}", 4))


def _folded(words: str, indent: int) -> str:
    """A line for a terminal, folded to 80 columns; what has no space in it, and an amount with its currency, stays whole."""
    import textwrap

    folded = textwrap.fill(words, 80, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
    return folded.replace(_GLUE, " ")


# ---------------------------------------------------------------- dry


def dry(config: Config, wish: Wish, diff: bool = False, told: Callable[[Store, Store], None] = lambda *_: None) -> int:
    """Plan in a throw-away copy of the state and print what would be sent; `told` sees the copy, and how it was before."""
    from syncjob import jobs
    from syncjob.cli.house import assembled

    with progress(lines=wish.intake is not None) as tell, stopping() as stop, throw_away(config) as (store, before):
        job = assembled(config, store, tell)
        report = _run(jobs.run, stoppable(job, stop), wish, dry=True)
        known = _known(before, report.planned)
        told(before, store)
    click.echo("\n".join(_would_send(report.planned, known, diff)))
    _complain(report, 0, stopped=stop.asked)
    return report.exit


@contextmanager
def throw_away(config: Config) -> Iterator[tuple[Store, Store]]:
    """Two copies of the state outside the home: one to plan in, one that stays as it was; both gone afterwards."""
    from syncjob.cli.house import now
    from syncjob.store import Store

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncjob-dry-")))
        if config.home.resolve() in folder.resolve().parents:
            raise Misconfigured(f"the temporary folder {folder.parent} lies in the home; set TMPDIR to one outside")
        plan, still = folder / "plan.sqlite", folder / "before.sqlite"
        _copied(config, plan)
        if plan.exists():
            for piece in folder.glob("plan.sqlite*"):
                shutil.copyfile(piece, folder / piece.name.replace("plan", "before"))
        stores = [Store.open(str(path), now=now()) for path in (plan, still)]
        for store in stores:
            stack.callback(store.close)
        yield stores[0], stores[1]


def _copied(config: Config, path: Path) -> None:
    """Copy the state without opening it, since SQLite tidies up in a file that it opens; there may be none yet."""
    if "://" in config.state:
        from syncjob.cli.house import opened

        with opened(config) as store:
            store.copy_to(path)
        return
    state = Path(config.state)
    if not state.exists():
        return
    from syncjob.store.lock import is_held
    from syncjob.store.opening import lock_path

    if is_held(lock_path(state)):
        raise Busy(f"a run is working with the state {state} at this moment; wait until it has ended")
    for ending in ("", "-wal"):
        piece = state.with_name(state.name + ending)
        if piece.exists():
            shutil.copyfile(piece, path.with_name(path.name + ending))


def _known(before: Store, planned: tuple[Delivery, ...]) -> dict[tuple[str, str], Delivery]:
    keys: dict[str, list[str]] = {}
    for one in planned:
        keys.setdefault(one.target, []).append(one.key)
    found: dict[tuple[str, str], Delivery] = {}
    for target, names in keys.items():
        for start in range(0, len(names), 500):
            found |= {(target, key): one for key, one in before.lookup(target, names[start : start + 500]).items()}
    return found


def _would_send(planned: tuple[Delivery, ...], known: dict[tuple[str, str], Delivery], diff: bool) -> list[str]:
    from syncjob.cli.night import price
    from syncjob.summary.render import named

    if not planned:
        return ["Nothing would be sent."]
    groups: dict[tuple[str, str, str], dict[str, int]] = {}
    numbers: dict[tuple[str, str, str], int] = {}
    for one in planned:
        group = (one.target, one.kind.value, one.action.value)
        numbers[group] = numbers.get(group, 0) + 1
        sums = groups.setdefault(group, {})
        amount = price(one)
        if amount is not None:
            sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    from syncjob.money import Money

    lines = ["Would be sent (nothing was):"]
    for (target, kind, action), sums in sorted(groups.items()):
        amounts = ", ".join(named(Money(minor, code)).replace(" ", _GLUE) for code, minor in sorted(sums.items()))
        number = numbers[target, kind, action]
        lines.append(_folded(f"  {target:<14} {action:<8} {kind:<12} {number:>6}  {amounts}", 48))
    if diff:
        for one in planned:
            lines.append(f"{one.target}: {one.action.value} {one.kind.value} {one.key}")
            lines += _changes(one, known.get((one.target, one.key)))
    return lines


def _changes(one: Delivery, before: Delivery | None) -> list[str]:
    old = before.body if before is not None and before.delivered_revision else {}
    lines: list[str] = []
    for name in sorted({*old, *one.body}):
        was, now = old.get(name), one.body.get(name)
        if was != now:
            lines += _change(name, was, now, new=not old)
    return lines


def _change(name: str, was: object, now: object, *, new: bool) -> list[str]:
    """One field as a person compares it; of a list of lines, such as postings, each stands by itself."""
    if _is_table(was) or _is_table(now):
        gone, come = _cells(was), _cells(now)
        lines = [f"      - {line}" for line in (gone - come).elements()]
        lines += [f"      {'' if new else '+ '}{line}" for line in (come - gone).elements()]
        return [f"    {name}:", *lines] if lines else [f"    {name}: the same lines in another order"]
    return [_folded(f"    {name}: {_plain(now)}" if new else f"    {name}: {_plain(was)} -> {_plain(now)}", 8)]


def _is_table(value: object) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _cells(value: object) -> Counter[str]:
    rows = value if isinstance(value, Sequence) else ()
    return Counter(" ".join(cell if isinstance(cell, str) else _plain(cell) for cell in row.values()) for row in rows)


def _plain(value: object) -> str:
    import json

    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=list)
