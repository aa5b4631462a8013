"""mapping preview: what an edited map or account code would alter, before it alters anything; and then exactly that."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from syncjob.config import Config
    from syncjob.jobs.preview import Difference, Seen, Totals
    from syncjob.model import Json
    from syncjob.plan.correcting import Correction
    from syncjob.plan.preview import Change, Held, Otherwise
    from syncjob.store import Store, Subject

SHOWN_MAX = 20  # of each kind, as text
WIDTH = 80
_STATES = {"delivered": "delivered already", "unsent": "not sent yet", "new": "new"}


@verb(
    "preview",
    "syncjob mapping preview --since 2026-10-06",
    "syncjob mapping preview --since 2026-10-06 --json",
    "syncjob mapping preview --since 2026-10-06 --apply from-now --yes",
    "syncjob mapping preview --since 2026-10-06 --apply correct --yes",
)
@click.option("--since", required=True, metavar="DAY", help="The first day of the documents, in the books' zone.")
@click.option("--until", default=None, metavar="DAY", help="The last day, included; else all that follows.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON; text names 20 of each kind.")
@click.option(
    "--apply",
    "way",
    type=click.Choice(["from-now", "correct"]),
    help="from-now: what was delivered stays. correct: what is listed is corrected in open periods.",
)
@click.option("--yes", is_flag=True, help="With --apply: the preview was seen and is wanted; do not ask.")
def preview(since: str, until: str | None, as_json: bool, way: str | None, yes: bool) -> None:
    """Show what edited maps and account codes would alter.

    The past is derived again from what was landed, with the maps and the accounts.csv of the home as they are now, and compared
    with what stands: by account and month, and document by document. Nothing is written. With --apply that is done, after a
    question; the next run sends it.
    """
    from syncjob.cli.house import configured, opened

    config = configured(frame().home)
    with opened(config):
        pass  # there is a state, or the sentence says what to run first
    seen = _previewed(config, _wish(since, until), way, as_json=as_json)
    if way is None:
        return
    if not any(seen.totals.counts.values()):
        # Codes may have changed of which these days have no document: from now on they count all the same.
        click.echo("Of these days nothing would change.", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise Misconfigured(f"nothing was done yet: if this is right, give the command again with --apply {way} --yes")
        if not click.confirm(f"Apply this ({way})?", err=True):
            click.echo("Nothing was done.", err=True)
            return
    click.echo(_applied(config, seen, way), err=as_json)


def _wish(since: str, until: str | None) -> Correction:
    from syncjob.jobs.preview import span

    return span(_day("--since", since), _day("--until", until) if until is not None else None)


def _day(option: str, text: str) -> date:
    from datetime import datetime

    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of the books, which has no zone of its own
    except ValueError:
        raise Misconfigured(f"{option} {text!r} is not a day; write it as 2026-10-06") from None


def _previewed(config: Config, wish: Correction, way: str | None, *, as_json: bool) -> Seen:
    """Derive in a throw-away copy, compare, print; gives what was seen."""
    from syncjob.cli.house import assembled
    from syncjob.cli.running import progress, throw_away
    from syncjob.jobs.preview import Seen, Totals, derive, differences, latest_run, refuse_reverse

    totals = Totals()
    with throw_away(config) as (copy, before):
        run, freed = latest_run(before), _Freed(before)
        with progress() as tell:
            job = assembled(config, copy, tell)
            totals.later = derive(job, wish)
            found = freed.noted(differences(before, job, wish, totals))
            if as_json:
                _print_json(wish, found, totals)
            shown = _Shown(found)  # what is left to be shown
        if not as_json:
            click.echo("\n".join(_page(wish, shown, totals, applies=way is not None)))
        for sink in job.sinks if way == "correct" else ():
            refuse_reverse(sink, totals)
    return Seen(run, wish, totals, freed.subjects)


class _Freed:
    """The subjects whose held records could be read again."""

    def __init__(self, before: Store) -> None:
        self._names: set[tuple[str, str]] = set()
        self._held = {(subject.scope, subject.name): subject for subject, _ in before.refusals()}

    def noted(self, found: Iterable[Difference]) -> Iterator[Difference]:
        from syncjob.plan.preview import Held

        for one in found:
            if isinstance(one, Held) and one.freed:
                self._names.add((one.source, one.subject))
            yield one

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Each once."""
        return tuple(self._held[name] for name in sorted(self._names))


def _applied(config: Config, seen: Seen, way: str) -> str:
    from syncjob.cli.house import assembled, opened, who
    from syncjob.cli.running import progress
    from syncjob.jobs.preview import apply_correct, apply_from_now

    with opened(config) as store, progress() as tell:
        job = assembled(config, store, tell)
        if way == "from-now":
            number = apply_from_now(job, seen, who())
            waiting = f", and for {_many(number, 'subject')} that wait to be planned or sent" if number else ""
            return _filled(
                f"The edited maps and codes count for everything from now on{waiting}; what was delivered stays as it is. "
                "Next: syncjob run"
            )
        later = apply_correct(job, seen, who())
    counts = seen.totals.counts
    number = sum(counts.get(name, 0) for name in ("delivered", "unsent", "new"))
    left = f" {_many(counts.get('closed', 0), 'document')} in closed periods stayed." if counts.get("closed") else ""
    wait = f" {_many(later, 'subject')} had something on its way: give the command again when it has arrived." if later else ""
    return _filled(f"{_many(number, 'document')} will be sent as corrected by the next run.{left}{wait} Next: syncjob run")


# ---------------------------------------------------------------- as text


class _Shown:
    """The first of each kind, and how many more there are."""

    def __init__(self, found: Iterable[Difference]) -> None:
        from syncjob.plan.preview import Change, Held

        self.changes: list[Change] = []
        self.held: list[Held] = []
        self.otherwise: list[Otherwise] = []
        for one in found:
            if isinstance(one, Change):
                self.changes += [one] if len(self.changes) < SHOWN_MAX else []
            elif isinstance(one, Held):
                self.held += [one] if len(self.held) < SHOWN_MAX else []
            else:
                self.otherwise += [one] if len(self.otherwise) < SHOWN_MAX else []


def _page(wish: Correction, shown: _Shown, totals: Totals, *, applies: bool) -> Iterator[str]:
    until = f" through {_last(wish)}" if wish.until is not None else ""
    if not any(totals.counts.values()):
        yield f"Since {wish.since}{until} nothing would change: what stands is what the maps and codes make."
        if totals.later:
            yield _on_its_way(totals)
        return
    counts = totals.counts
    yield from _accounts(totals)
    changed = sum(counts.get(name, 0) for name in ("delivered", "closed", "unsent", "new"))
    held, read = counts.get("freed", 0) + counts.get("held", 0), counts.get("otherwise", 0)
    yield from _section("Documents that would change", changed, map(_change, shown.changes))
    yield from _section("Held records", held, map(_held, shown.held))
    yield from _section("Posted money that the maps read otherwise now; it stays", read, map(_otherwise, shown.otherwise))
    if totals.later:
        yield _on_its_way(totals)
        yield ""
    yield _filled(f"Since {wish.since}{until}: {_sum(counts)}.")
    if applies:
        return
    yield "Nothing was written. Two ways to apply it:"
    yield "  --apply from-now   it counts from now on; what was delivered stays as it is"
    yield "  --apply correct    delivered documents in open periods are corrected, too"


def _last(wish: Correction) -> date:
    from datetime import timedelta

    return wish.until - timedelta(days=1) if wish.until is not None else wish.since


def _on_its_way(totals: Totals) -> str:
    return _filled(
        f"{_many(totals.later, 'subject')} with something on its way to a target cannot be told yet; "
        "look again after the next run."
    )


def _accounts(totals: Totals) -> Iterator[str]:
    from syncjob.money import plain

    before: tuple[str, str, str] | None = None
    for target, account, currency, month, closed in totals.moved():
        if before is None:
            yield "What accounts hold from documents of these days"
            yield f"  {'month':<16}{'now':>20}{'then':>20}{'difference':>20}"
        if before != (target, account, currency):
            before = (target, account, currency)
            yield f"  {target}: {account} {currency}"
        key = (target, account, currency, month, closed)
        now, then = totals.now.get(key, 0), totals.then.get(key, 0)
        amounts = "".join(f"{plain(minor, currency):>20}" for minor in (now, then, then - now))
        yield f"  {month + (' closed' if closed else ''):<16}{amounts}"
    if before is not None:
        yield ""


def _section(title: str, number: int, shown: Iterable[Iterable[str]]) -> Iterator[str]:
    """What is shown of one kind, each with its lines, and how many more there are."""
    if not number:
        return
    yield title
    for lines in shown:
        yield from lines
    if number > SHOWN_MAX:
        yield f"  and {number - SHOWN_MAX} more; --json has them all"
    yield ""


def _change(one: Change) -> Iterator[str]:
    yield f"  {one.key}"
    day = f"{one.date}, " if one.date is not None else ""
    period = "" if one.date is None else ", in a closed period" if one.closed else ", in an open period"
    yield _filled(f"{day}{one.kind.value}, {_STATES[one.state]}{period}", "    ")
    if one.closed:
        yield "    stays: move it by a journal entry" if one.stays else "    the books refuse it until the period is opened"
    for name, before, after in () if one.state == "new" else one.fields:
        yield _filled(f"{name}: {_value(before)} -> {_value(after)}", "      ")
    for moved in one.moved:
        yield _filled(f"{moved.account}: {moved.before} -> {moved.after}", "      ")


def _held(one: Held) -> Iterator[str]:
    yield _filled(f"{one.type} {one.id} of {one.source}", "  ")
    word = "held so far, would be read" if one.freed else "would be held"
    stays = " (what was posted of it stays)" if one.posted and not one.freed else ""
    cure = f"; {one.problem.cure}" if one.problem.cure and not one.freed else ""
    yield _filled(f"{word}{stays}: {one.problem.why}{cure}", "    ")


def _otherwise(one: Otherwise) -> Iterator[str]:
    yield _filled(f"{one.key}, posted on {one.date}", "  ")
    for name, before, after in one.said:
        yield _filled(f"{name}: posted {before}, the map says {after}", "    ")
    yield _filled("stays: undo it by a journal entry in the books", "    ")


def _sum(counts: dict[str, int]) -> str:
    told = {
        "delivered": "delivered {} would be corrected",
        "closed": "delivered {} in closed periods would stay",
        "unsent": "{} not sent yet would be changed",
        "new": "new {} would be made",
    }
    parts = []
    for name, words in told.items():
        if number := counts.get(name, 0):
            parts.append(f"{number} {words.format('document' if number == 1 else 'documents')}")
    parts += [f"{_many(counts['freed'], 'held record')} would be read"] if counts.get("freed") else []
    parts += [f"{_many(counts['held'], 'record')} would be held"] if counts.get("held") else []
    parts += [f"{_many(counts['otherwise'], 'posted movement')} read otherwise"] if counts.get("otherwise") else []
    return ", ".join(parts)


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _value(value: Json) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _filled(words: str, indent: str = "") -> str:
    return textwrap.fill(
        *(words, WIDTH),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


# ---------------------------------------------------------------- as JSON


def _print_json(wish: Correction, found: Iterable[Difference], totals: Totals) -> None:
    """Written as it is found: a change of a whole year need not fit in memory."""
    from syncjob.money import plain

    until = _last(wish).isoformat() if wish.until is not None else None
    click.echo(f'{{"since": {json.dumps(wish.since.isoformat())}, "until": {json.dumps(until)}, "differences": [', nl=False)
    comma = "\n"
    for one in found:
        click.echo(comma + json.dumps(_plain(one), ensure_ascii=False), nl=False)
        comma = ",\n"
    rows: list[Json] = []
    for key in totals.moved():
        target, account, currency, month, closed = key
        now, then = totals.now.get(key, 0), totals.then.get(key, 0)
        amounts = {name: plain(minor, currency) for name, minor in (("now", now), ("then", then), ("difference", then - now))}
        rows.append({"target": target, "account": account, "currency": currency, "month": month, "closed": closed, **amounts})
    click.echo(
        f'\n], "accounts": {json.dumps(rows, ensure_ascii=False)}, "counts": {json.dumps(totals.counts)}, '
        f'"under_way": {totals.later}}}'
    )


def _plain(one: Difference) -> dict[str, Json]:
    from syncjob.money import plain
    from syncjob.plan.preview import Change, Held

    if isinstance(one, Change):
        return {
            "what": "document",
            "target": one.target,
            "key": one.key,
            "kind": one.kind.value,
            "subject": one.subject,
            "date": one.date.isoformat() if one.date is not None else None,
            "state": one.state,
            "closed": one.closed,
            "stays": one.stays,
            "fields": [{"field": name, "before": before, "after": after} for name, before, after in one.fields],
            "postings": [
                {
                    "account": moved.account,
                    "currency": moved.before.currency,
                    "before": plain(moved.before.minor, moved.before.currency),
                    "after": plain(moved.after.minor, moved.after.currency),
                }
                for moved in one.moved
            ],
        }
    if isinstance(one, Held):
        return {
            "what": "freed" if one.freed else "held",
            "source": one.source,
            "subject": one.subject,
            "type": one.type,
            "id": one.id,
            "why": one.problem.why,
            "cure": one.problem.cure,
            "posted": one.posted,
        }
    return {
        "what": "otherwise",
        "source": one.source,
        "subject": one.subject,
        "entry": one.key,
        "date": one.date.isoformat(),
        "said": [{"field": name, "posted": before, "map": after} for name, before, after in one.said],
    }
