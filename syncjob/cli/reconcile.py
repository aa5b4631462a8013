"""reconcile: gateway, sub-ledger and books beside one another, the objects that explain each gap, and what becomes of them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs import Job, Sink
    from syncjob.jobs.reconciling import Proof
    from syncjob.model import Json
    from syncjob.reconcile import Edit, Item, Leg
    from syncjob.store import Store

_WIDTH = 80
_LABEL = 26
_AMOUNT = 16


def _reconcile(source: str, target: str, as_json: bool) -> int | None:
    if click.get_current_context().invoked_subcommand is not None:
        return None
    from syncjob.cli.house import assembled, configured, opened

    config = configured(frame().home)
    with opened(config) as store:
        job = assembled(config, store)
        found = _proof(job, source, target)
        if as_json:
            click.echo(json.dumps(_told(found), indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(_lines(config, store, found, target)))
    return found.exit


def _proof(job: Job, source: str, target: str) -> Proof:
    from syncjob.jobs import chosen
    from syncjob.jobs.job import Deadline
    from syncjob.jobs.nightly import today
    from syncjob.jobs.reconciling import proof

    sources = chosen(job.sources, source, "source") if source or not target else ()
    sinks = chosen(job.sinks, target, "target") if target or not source else ()
    if job.store.runs(1, "nightly") == []:
        raise Misconfigured("nothing can be compared before the first night; run: syncjob run --nightly")
    return proof(job, sources, sinks, today(job), Deadline(job.monotonic))


# ---------------------------------------------------------------- as JSON


def _told(found: Proof) -> Json:
    from syncjob.moment import iso
    from syncjob.summary.wire import item_json, money

    return {
        "legs": [
            {
                "leg": leg.name,
                "source": leg.source,
                "target": leg.target,
                "place": leg.place,
                "currency": leg.currency,
                "as_of": iso(leg.as_of) if isinstance(leg.as_of, datetime) else str(leg.as_of) if leg.as_of else None,
                "theirs": money(leg.theirs) if leg.theirs is not None else None,
                "ours": money(leg.ours),
                "difference": money(leg.difference),
                "items": [item_json(item) for item in leg.items],
                "unexplained": money(leg.unexplained),
                "hints": list(leg.hints),
            }
            for leg in found.legs
        ],
        "changed": [
            {
                "target": target,
                "document": one.key,
                "reason": one.reason.value,
                "why": one.why,
                "cure": one.cure,
                "decided": one.decided,
            }
            for target, one in found.edits
        ],
        "coverage": [
            {
                "source": one.source,
                "feed": one.feed,
                "offered": one.offered,
                "complete": [{"since": iso(since), "until": iso(until)} for since, until in one.intervals],
                "gaps": [{"since": iso(since), "until": iso(until)} for since, until in one.gaps],
                "number": one.number,
                "under_way": one.under_way,
            }
            for one in found.coverage
        ],
        "problems": [{"what": one.what, "where": one.where, "why": one.why, "cure": one.cure} for one in found.problems],
        "exit": found.exit,
    }


# ---------------------------------------------------------------- as text


def _lines(config: Config, store: Store, found: Proof, target: str) -> list[str]:
    from syncjob.cli.night import coverage

    lines: list[str] = []
    for leg in found.legs:
        if leg.theirs is None or leg.theirs.minor or leg.ours.minor or leg.items:
            lines += _leg(config, leg)
    named = {item.name for leg in found.legs for item in leg.items}
    beside = [(books, one) for books, one in found.edits if one.key not in named]
    if beside:
        lines.append("Changed in the books beside these balances")
        for books, one in beside:
            decided = f" ({one.decided})" if one.decided else ""
            lines += _wrapped(f"{one.reason} in {books}{decided}: {one.key} {one.why}", 2)
            lines += _cure(one.cure)
    for source in dict.fromkeys(one.source for one in found.coverage) if not target else ():
        lines += _wrapped(f"Coverage of {source}: {'; '.join(coverage(config, store, source))}.", 0)
    told = named | {one.key for _, one in found.edits} | {"reconciliation"}
    for problem in found.problems:
        lines += _wrapped(str(problem), 0) if problem.what not in told else []
    return [*lines, *_verdict(found)]


def _leg(config: Config, leg: Leg) -> list[str]:
    from syncjob.summary import instant
    from syncjob.summary.render import amount, day, named

    if leg.as_of is None:
        when = "no balance stated"
    else:
        when = instant(leg.as_of, config.zone) if isinstance(leg.as_of, datetime) else f"through {day(leg.as_of)}"
    head = f"{leg.source or leg.target}: {leg.place}, {when}"
    lines = [f"{head}, {leg.currency}"]
    theirs = "gateway states" if leg.name == "gateway" else "books state"
    ours = "sub-ledger" if leg.name == "gateway" else "delivered"

    def row(label: str, text: str) -> str:
        return f"  {label:<{_LABEL}}{text:>{_AMOUNT}}"

    if leg.theirs is None:
        return [*lines, row(ours, amount(leg.ours)), "  not provable: payouts tie, the balance does not"]
    if leg.ties:
        figure = f"{amount(leg.ours)} {leg.currency} ties"
        room = _WIDTH - len(head) - 1
        return [f"{head} {figure:>{room}}"] if len(figure) <= room else [head, f"{figure:>{_WIDTH}}"]
    lines += [row(theirs, amount(leg.theirs)), row(ours, amount(leg.ours)), row("difference", amount(leg.difference))]
    for item in leg.items:
        lines += _item(item)
    if leg.unexplained.minor:
        lines += _wrapped(f"NOT EXPLAINED: {named(leg.unexplained)}", 2)
        lines += [line for hint in leg.hints for line in _wrapped(f"perhaps {hint}", 4)]
    return lines


def _item(item: Item) -> list[str]:
    from syncjob.summary.render import named

    decided = f" ({item.decided})" if item.decided else ""
    lines = _wrapped(f"{named(item.amount)} {item.reason or 'held'}{decided}: {item.name}", 4)
    return [*lines, *_wrapped(item.why, 8), *_cure(item.cure)]


def _cure(cure: str) -> list[str]:
    return _wrapped(f"-> {cure}", 8) if cure else []


def _wrapped(words: str, indent: int) -> list[str]:
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _verdict(found: Proof) -> list[str]:
    left = [leg for leg in found.legs if leg.unexplained.minor]
    objects = {item.name for leg in found.legs for item in leg.items} | {one.key for _, one in found.edits}
    if left:
        return [f"{len(left)} {'balance is' if len(left) == 1 else 'balances are'} not explained whole."]
    if objects:
        number = "One object is" if len(objects) == 1 else f"{len(objects)} objects are"
        return [f"{number} named, and every difference is explained."]
    return ["All that is stated agrees to the last cent."] if found.legs and not found.problems else []


# ---------------------------------------------------------------- deciding


def _decide(verdict: str, key: str, target: str) -> None:
    from syncjob.cli.house import assembled, configured, now, opened, who
    from syncjob.jobs.deciding import decide

    config = configured(frame().home)
    with opened(config) as store:
        job = assembled(config, store)
        sink, edit = _chosen(job, key, target)
        said = decide(job, sink, edit, verdict, who(), now())
    click.echo("\n".join(_wrapped(said, 0)))


def _chosen(job: Job, key: str, target: str) -> tuple[Sink, Edit]:
    """The object of this key in the books that show it otherwise than we left it."""
    from syncjob.jobs import chosen
    from syncjob.jobs.handedits import find
    from syncjob.jobs.nightly import balance_accounts, today

    sinks: Sequence[Sink] = [sink for sink in chosen(job.sinks, target, "target") if sink.ledger.books]
    found = [
        (sink, one)
        for sink in sinks
        for one in find(job, sink, balance_accounts(job, sink, today(job)) if key.startswith("foreign:") else ())
        if one.key == key
    ]
    if not found:
        raise Misconfigured(f"nothing in the books is otherwise than we left it under {key!r}; see: syncjob reconcile")
    if len(found) > 1:
        names = ", ".join(dict.fromkeys(sink.name for sink, _ in found))
        raise Misconfigured(f"{key} is otherwise in several places ({names}); name one with --target, or take one away there")
    return found[0]


_KEY = click.argument("key")
_TARGET = click.option("--target", default="", metavar="NAME", help="Which books, where several show it otherwise.")


@verb("adopt", "syncjob reconcile adopt books:shop:txn_1SxExample:receipt")
@_KEY
@_TARGET
def adopt(key: str, target: str) -> None:
    """Take what stands in the books for right.

    Its difference stays a named item of the proof, without asking anybody again; an update that waited to be written over it
    counts as delivered. Another edit of the same object is news again.
    """
    _decide("adopt", key, target)


@verb("restore", "syncjob reconcile restore books:shop:txn_1SxExample:receipt")
@_KEY
@_TARGET
def restore(key: str, target: str) -> None:
    """Let the next run write our document again.

    It is written over exactly what stands there now, so that another edit in between is not lost either.
    """
    _decide("restore", key, target)


@verb("ignore", "syncjob reconcile ignore books:shop:txn_1SxExample:receipt")
@_KEY
@_TARGET
def ignore(key: str, target: str) -> None:
    """Go on listing it every night, as known."""
    _decide("ignore", key, target)


reconcile = Verbs(
    "reconcile",
    commands=[adopt, restore, ignore],
    sections={"Decide about what was changed in the books": ("adopt", "restore", "ignore")},
    params=[
        click.Option(["--source"], default="", metavar="NAME", help="Only this gateway account."),
        click.Option(["--target"], default="", metavar="NAME", help="Only these books."),
        click.Option(["--json", "as_json"], is_flag=True, help="The same as JSON."),
    ],
    callback=_reconcile,
    invoke_without_command=True,
    help="""Prove gateway, sub-ledger and books, or name what explains each gap.

    Nothing is landed or sent. The gateway's balance is the one that the last night read; where it is not ours, the feeds of
    those days are read again and compared. Ends with 3 where a person has something to look at, with 5 or 6 where a gateway
    or the books cannot be asked, else with 0.""",
    short_help="Prove the balances, or name what explains each gap.",
    epilog=example("syncjob reconcile", "syncjob reconcile --source stripe-demo --json"),
)
