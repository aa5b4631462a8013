"""shadow: books for which everything is derived and nothing sent, beside what people booked there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb, wrapped
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncjob.jobs import Job, Sink
    from syncjob.model import Json
    from syncjob.reconcile.shadow import Beside

_SHOWN_MAX = 20


def _shadow(target: str, everything: bool, as_json: bool) -> None:
    if click.get_current_context().invoked_subcommand is not None:
        return
    from syncjob.cli.house import assembled, configured, opened
    from syncjob.jobs import shadow as job_of_it

    config = configured(frame().home)
    with opened(config) as store:
        job = assembled(config, store)
        found = {sink.name: job_of_it.compare(job, sink) for sink in _in_shadow(job, target)}
    if as_json:
        click.echo(json.dumps(_told(found), indent=2, ensure_ascii=False))
        return
    for name, rows in found.items():
        click.echo("\n".join(_lines(name, rows, everything=everything)))


def _in_shadow(job: Job, target: str) -> list[Sink]:
    from syncjob.jobs import chosen

    found = [sink for sink in chosen(job.sinks, target, "target") if sink.ledger.booking.shadow]
    if not found:
        raise Misconfigured("no books are in shadow; write shadow: yes under them in syncjob.yaml, as docs/shadow.md shows")
    return found


def _told(found: dict[str, list[Beside]]) -> Json:
    from syncjob.summary.wire import money

    return [
        {
            "target": target,
            "kind": one.kind.value,
            "date": one.day.isoformat(),
            "document": one.key,
            "place": one.place or None,
            "amount": money(one.amount),
            "why": one.why,
        }
        for target, rows in found.items()
        for one in rows
    ]


def _lines(name: str, rows: Sequence[Beside], *, everything: bool) -> list[str]:
    from syncjob.money import totals
    from syncjob.reconcile.shadow import Kind
    from syncjob.summary.render import named

    words = {
        Kind.ALIKE: "booked alike",
        Kind.TIMING: "booked on another day",
        Kind.MAPPING: "booked in other accounts or amounts",
        Kind.DUPLICATE: "booked more than once",
        Kind.MISSING: "not booked",
        Kind.NOT_YET: "not booked yet",
        Kind.THEIRS: "only in the books",
    }
    lines = [f"{name}, derived beside what people booked:"]
    for kind, head in words.items():
        mine = [one for one in rows if one.kind is kind]
        if not mine:
            continue
        sums = ", ".join(named(amount) for amount in totals(one.amount for one in mine).values())
        lines += wrapped(f"{len(mine)} {head} ({sums})", 2)
        shown = [] if kind is Kind.ALIKE and not everything else mine if everything else mine[:_SHOWN_MAX]
        for one in shown:
            place = f", {one.place}" if one.place and one.place != one.key else ""
            lines += wrapped(f"{one.day}  {named(one.amount)}  {one.key}{place}", 4)
            lines += wrapped(one.why, 8) if one.why else []
        if kind is not Kind.ALIKE and len(shown) < len(mine):
            lines.append(f"    and {len(mine) - len(shown)} more; --all names them")
    return lines if len(lines) > 1 else [*lines, "  nothing yet: it has not run, or nothing has moved."]


@verb("end", "syncjob shadow end --before 2026-10-20")
@click.option("--before", "day", required=True, metavar="DAY", help="What is dated before this day people have booked.")
@click.option("--target", default="", metavar="NAME", help="Which books, where several are in shadow.")
def end(day: str, target: str) -> None:
    """Leave the shadow at a day.

    What is dated before it people have booked: it is given up, and stays in the sub-ledger. Take shadow: yes out of the file
    as well; the next run then sends what is dated DAY or later. Who said so is written down.
    """
    from datetime import date

    from syncjob.cli.house import assembled, configured, opened, who
    from syncjob.jobs import chosen
    from syncjob.jobs import shadow as job_of_it

    try:
        before = date.fromisoformat(day)
    except ValueError:
        raise Misconfigured(f"--before is {day!r}, which is no day; write one such as 2026-12-01") from None
    config = configured(frame().home)
    with opened(config) as store:
        job = assembled(config, store)
        books = [sink for sink in chosen(job.sinks, target, "target") if sink.ledger.books]
        if len(books) != 1:
            raise Misconfigured(f"there are several books ({', '.join(one.name for one in books)}); name one with --target")
        gone, left = job_of_it.end(job, books[0], before, who())
        still = books[0].ledger.booking.shadow
    click.echo(f"{gone} given up as booked by people, {left} will be sent by the next run.")
    if still:
        click.echo(f"Take shadow: yes of {books[0].name} out of syncjob.yaml first.")


shadow = Verbs(
    "shadow",
    commands=[end],
    sections={"Leave it": ("end",)},
    params=[
        click.Option(["--target"], default="", metavar="NAME", help="Only these books."),
        click.Option(["--all", "everything"], is_flag=True, help=f"Name every document, not {_SHOWN_MAX} of each kind."),
        click.Option(["--json", "as_json"], is_flag=True, help="Everything as JSON."),
    ],
    callback=_shadow,
    invoke_without_command=True,
    help="""Compare what would be sent with what people booked.

    For books with shadow: yes in syncjob.yaml everything is derived and nothing sent. What people booked by hand meanwhile is
    held against it, document by document: alike, on another day, in other accounts, not booked, booked twice, or only in the
    books. Nothing is written.""",
    short_help="Compare what would be sent with what people booked.",
    epilog=example("syncjob shadow", "syncjob shadow --json"),
)
