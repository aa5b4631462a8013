"""held: what waits for a person, with its cure, and sending it on its way again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.model import Delivery, Json
    from syncjob.money import Money
    from syncjob.store import Store, Subject

_DIRTY_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits: a record that could not be read or posted, or a document that was not taken."""

    id: str
    place: str
    what: str
    why: str
    cure: str
    amount: Money | None
    subject: Subject | None = None  # of a held record
    delivery: Delivery | None = None


def items(store: Store) -> list[Item]:
    """Everything that waits for a person."""
    from syncjob.cli.night import price

    found = [
        Item(refusal.id, subject.scope, refusal.problem.what, refusal.problem.why, refusal.problem.cure, refusal.net, subject)
        for subject, refusal in store.refusals()
    ]
    for one in store.held():
        why = one.problem.why if one.problem else "whether it arrived is not known yet; the next run asks"
        cure = one.problem.cure if one.problem else ""
        what = f"{one.action.value} {one.kind.value}"
        found.append(Item(one.key, one.target, what, why, cure, price(one), delivery=one))
    return found


@verb("list", "syncjob held list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(as_json: bool) -> None:
    """List what waits for a person: reason, cure, amount."""
    import json

    from syncjob.cli.house import configured, opened
    from syncjob.summary.wire import money

    config = configured(frame().home)
    with opened(config) as store:
        found = items(store)
    if as_json:
        rows = [
            {
                "id": one.id,
                "place": one.place,
                "what": one.what,
                "why": one.why,
                "cure": one.cure,
                "amount": money(one.amount) if one.amount is not None else None,
            }
            for one in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not found:
        click.echo("Nothing waits for a person.")
    else:
        click.echo("\n".join(line for one in found for line in _lines(one)))
        click.echo("After the cure: syncjob held retry ID, or syncjob held retry --all")


def _lines(one: Item) -> list[str]:
    import textwrap

    from syncjob.summary.render import named

    price = f"  {named(one.amount)}" if one.amount is not None else ""
    lines = [f"{one.id}{price}"]
    for words in (f"{one.place}: {one.what}: {one.why}", one.cure and f"cure: {one.cure}"):
        if words:
            lines += textwrap.wrap(words, 80, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False)
    return lines


@verb("show", "syncjob held show txn_1SxExample")
@click.argument("id")
def show(id: str) -> None:
    """Show one held thing with all that is known of it."""
    from syncjob.cli.house import configured, opened

    config = configured(frame().home)
    with opened(config) as store:
        chosen = _chosen(items(store), id)
    for one in chosen:
        click.echo("\n".join(_lines(one)))
        if one.delivery is not None:
            for line in one.delivery.history:
                click.echo(f"    {line}")
    click.echo(f"The whole story: syncjob show {id}")


def _chosen(found: list[Item], id: str) -> list[Item]:
    chosen = [one for one in found if one.id == id]
    if not chosen:
        raise Misconfigured(f"nothing held is called {id!r}; syncjob held list names what waits")
    return chosen


@verb("retry", "syncjob held retry txn_1SxExample", "syncjob held retry --all")
@click.argument("id", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is held.")
def retry(id: str | None, everything: bool) -> None:
    """Let the next run try again what was held.

    Do it after the cure. A held record is read and planned again, a held document is sent as a new request. Doing it twice
    does it once; who did it is written down.
    """
    from syncjob.cli.house import configured, opened

    if (id is None) == (not everything):
        raise Misconfigured("name one held thing, or give --all; syncjob held list names what waits")
    config = configured(frame().home)
    with opened(config) as store:
        found = items(store)
        if id is not None and not any(one.id == id for one in found) and store.search(id):
            click.echo(f"{id} is not held any more: nothing to do.")
            return
        chosen = _chosen(found, id) if id is not None else found
        number = again(store, chosen)
    waiting = len(chosen) - number
    others = f" {waiting} already {'waits' if waiting == 1 else 'wait'} for it." if waiting else ""
    click.echo(f"{number} will be tried again by the next run.{others}")


@verb("approve", "syncjob held approve txn_1SxExample", "syncjob held approve --all")
@click.argument("id", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that waits for an approval.")
def approve(id: str | None, everything: bool) -> None:
    """Let what falls into a closed period go to the first open day.

    Where the books are kept with late: approval, a movement whose day they have closed is held with its price. Once approved
    the next run posts it on the first open day, with its true date beside it. Who approved it is written down.
    """
    from syncjob.cli.house import configured, now, opened, who
    from syncjob.jobs import approving

    if (id is None) == (not everything):
        raise Misconfigured("name one held movement, or give --all; syncjob held list names what waits")
    config = configured(frame().home)
    with opened(config) as store:
        found = approving.waiting(store)
        chosen = [one for one in found if everything or one[1].id == id]
        if not chosen and id is not None and store.search(id):
            click.echo(f"{id} waits for no approval: nothing to do.")
            return
        if not chosen and id is not None:
            names = ", ".join(one.id for _, one in found[:3]) or "nothing"
            raise Misconfigured(f"{id!r} waits for no approval; {names} does")
        approving.approve(store, chosen, who(), now())
    goes = "movement goes" if len(chosen) == 1 else "movements go"
    click.echo(f"{len(chosen)} {goes} to the first open day with the next run: syncjob run")


def again(store: Store, chosen: list[Item]) -> int:
    """Send these on their way with the next run, with an audit line each; returns how many were not on it already."""
    from syncjob.cli.house import now, who
    from syncjob.jobs.delivery import retry as next_generation
    from syncjob.model import Status

    number = 0
    with store.together():
        dirty = {(one.scope, one.name) for one in store.dirty(_DIRTY_MAX)}
        for one in chosen:
            at = now()
            detail: dict[str, Json] = {"id": one.id, "place": one.place, "why": one.why}
            if one.subject is not None and (one.subject.scope, one.subject.name) not in dirty:
                store.mark_dirty([one.subject])
                dirty.add((one.subject.scope, one.subject.name))
            elif one.delivery is not None and one.delivery.status is Status.HELD:
                store.settle(one.delivery.target, [], [next_generation(one.delivery, at)], at)
            else:
                continue
            store.audit(at, who(), "held retry", detail)
            number += 1
    return number


held = Verbs(
    "held",
    commands=[list_, show, retry, approve],
    sections={"Commands": ("list", "show", "retry", "approve")},
    help="""See, retry and approve what waits for a person.

    Ends with 0 whether or not something is held; status tells by its exit code.""",
    short_help="See, retry and approve what waits for a person.",
    epilog=example("syncjob held list", "syncjob held retry --all"),
)
