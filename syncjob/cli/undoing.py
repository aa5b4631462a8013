"""undo and redo: take back what a run, or one document, brought to books and CRM, and send it again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb, wrapped
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs.undoing import Outcome, Undo, Wish
    from syncjob.plan.undoing import Step
    from syncjob.store import Store

_SHOWN_MAX = 20


@verb("undo", "syncjob undo 12 --yes", "syncjob undo --document books:shop:txn_1SxExample:receipt --yes")
@click.argument("run", required=False, type=click.IntRange(min=1))
@click.option("--document", "keys", multiple=True, metavar="KEY", help="This document alone, with all that stands on it.")
@click.option("--target", default="", metavar="NAME", help="Only in these books or this CRM.")
@click.option("--all", "everything", is_flag=True, help=f"Name every document of the plan, not {_SHOWN_MAX} of each kind.")
@click.option("--yes", is_flag=True, help="The plan was seen and is wanted; do not ask.")
def undo(run: int | None, keys: tuple[str, ...], target: str, everything: bool, yes: bool) -> int:
    """Take back what a run brought to books and CRM.

    RUN is the number of a run; without one the runs are listed with what each of them brought. First the plan is shown: what
    stands on another goes first; where the period is open a document is made void, else a journal entry of the first open day
    takes it back; what the books report as reconciled with the bank or filed stays. Then, after a question, it is done and the
    balances are proven. The sub-ledger keeps what happened at the gateway; what was undone is named on the nightly page until
    it is sent again: syncjob redo.

    An undo that was interrupted goes on with the next run, or when it is given again. Ends with 3 where something cannot be
    undone or waits, with 5 where books or CRM cannot be reached.
    """
    from syncjob.cli.house import assembled, configured, opened, who
    from syncjob.cli.running import progress
    from syncjob.jobs import chosen, undoing

    config = configured(frame().home)
    if run is None and not keys:
        with opened(config) as store:
            click.echo("\n".join(_runs(config, store)))
        return 0
    wish = _wish(run, keys)
    with opened(config) as store, progress() as tell:
        job = assembled(config, store, tell)
        sinks = chosen(job.sinks, target, "target")
        plan = undoing.planned(job, sinks, wish)
        click.echo("\n".join(_lines(plan, wish, everything=everything)))
        if plan.is_empty:
            return _nothing(plan)
        if not yes:
            if not sys.stdin.isatty():
                raise Misconfigured("nothing was done yet: if this is right, give the command again with --yes")
            if not click.confirm("Undo this?", err=True):
                click.echo("Nothing was done.", err=True)
                return 0
        outcome = undoing.undo(job, sinks, wish, plan, who())
    click.echo("\n".join(_came_to(outcome)))
    return outcome.exit


@verb("redo", "syncjob redo 12", "syncjob redo --document books:shop:txn_1SxExample:receipt")
@click.argument("run", required=False, type=click.IntRange(min=1))
@click.option("--document", "keys", multiple=True, metavar="KEY", help="This document alone, with all that it stands on.")
@click.option("--target", default="", metavar="NAME", help="Only in these books or this CRM.")
def redo(run: int | None, keys: tuple[str, ...], target: str) -> None:
    """Send again what was undone.

    RUN is the number that was given to undo. The next run sends each document as a new object, told by today's maps and account
    codes. An undo that was not carried out yet is given up. Doing it twice does it once; who did it is written down.
    """
    from syncjob.cli.house import assembled, configured, opened, who
    from syncjob.jobs import chosen, undoing

    wish = _wish(run, keys)
    config = configured(frame().home)
    with opened(config) as store:
        job = assembled(config, store)
        found = undoing.redo(job, chosen(job.sinks, target, "target"), wish, who())
    if not found:
        click.echo("Nothing of this is undone: nothing to do.")
        return
    click.echo(f"{_documents(len(found))} will be sent again by the next run: syncjob run")


def _wish(run: int | None, keys: tuple[str, ...]) -> Wish:
    from syncjob.jobs.undoing import Wish

    if (run is None) == (not keys):
        raise Misconfigured("give the number of a run, or --document KEY; syncjob undo lists the runs")
    return Wish(run, keys)


def _nothing(plan: Undo) -> int:
    from syncjob.errors import EXIT_HELD, EXIT_OK
    from syncjob.plan.undoing import Way

    click.echo("There is nothing to undo.")
    return EXIT_HELD if plan.of(Way.REFUSED) else EXIT_OK


# ---------------------------------------------------------------- as text


def _runs(config: Config, store: Store) -> list[str]:
    """The latest runs that brought something, and what."""
    from itertools import groupby, islice

    from syncjob.summary import instant

    rows = [("Run", "Kind", "Began", "Documents")]
    for run, of_run in islice(groupby(store.undoing.runs(), key=lambda one: one.run), _SHOWN_MAX):
        brought = list(of_run)
        what = ", ".join(f"{one.target} {one.number}" for one in brought)
        rows.append((str(run), brought[0].kind, instant(brought[0].started, config.zone), what))
    if len(rows) == 1:
        return ["No run has brought anything yet."]
    wide = [max(len(row[at]) for row in rows) for at in range(3)]
    return [f"{row[0]:<{wide[0]}}  {row[1]:<{wide[1]}}  {row[2]:<{wide[2]}}  {row[3]}" for row in rows]


def _lines(plan: Undo, wish: Wish, *, everything: bool) -> list[str]:
    from syncjob.plan.undoing import Way

    lines = [f"To undo {wish}:"]
    heads = {
        Way.VOID: "to be made void",
        Way.REVERSE: "to be taken back by a journal entry, since the day is closed",
        Way.REFUSED: "cannot be undone",
        Way.LEFT: "left as it is",
        Way.DONE: "undone already",
    }
    for target in plan.steps:
        for way, head in heads.items():
            steps = [one for name, one in plan.of(way) if name == target]
            if steps:
                lines.append(f"  {target}: {len(steps)} {head}{_sums(steps)}")
                shown = steps if everything or way is Way.REFUSED else steps[:_SHOWN_MAX]
                lines += [line for one in shown for line in _step(one)]
                if len(shown) < len(steps):
                    lines.append(f"    and {len(steps) - len(shown)} more; --all names them")
    return lines if len(lines) > 1 else [*lines, "  it brought nothing."]


def _step(one: Step) -> list[str]:
    from syncjob.cli.night import price
    from syncjob.plan.undoing import Way
    from syncjob.summary.render import named

    amount = price(one.delivery)
    words = f"{one.delivery.key}{f', {named(amount)}' if amount is not None else ''}"
    if one.way is Way.REVERSE:
        words += f", on {one.day}"
    lines = wrapped(words, 4)
    for text in (one.why, f"cure: {one.cure}" if one.cure else "") if one.way in (Way.REFUSED, Way.LEFT) else ():
        lines += wrapped(text, 8) if text else []
    return lines


def _sums(steps: list[Step]) -> str:
    from syncjob.cli.night import price
    from syncjob.money import totals
    from syncjob.summary.render import named

    found = totals(amount for one in steps if (amount := price(one.delivery)) is not None)
    return f" ({', '.join(named(amount) for amount in found.values())})" if found else ""


def _came_to(outcome: Outcome) -> list[str]:
    lines = [f"{_documents(outcome.done)} undone."]
    for target, one in outcome.left:
        why = one.problem.why if one.problem else "not done yet; the next run goes on"
        lines += wrapped(f"{target}: {one.key}: {why}", 2)
        if one.problem and one.problem.cure:
            lines += wrapped(f"cure: {one.problem.cure}", 6)
    named = {one.key for _, one in outcome.left}
    for problem in outcome.problems:
        lines += wrapped(str(problem), 2) if problem.what not in named else []
    books = [leg for leg in outcome.legs if leg.name == "books"]
    if books and not any(leg.unexplained.minor for leg in books):
        lines.append("The books agree with what was delivered to the last cent; see: syncjob reconcile")
    return lines


def _documents(number: int) -> str:
    return f"{number} document{'' if number == 1 else 's'}"
