"""payouts: whether each payout is what it pays out, and what it is made of."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.model import Json
    from syncjob.reconcile import Banked, Item, Payout, Tie
    from syncjob.store import Store

_WIDTH = 80
_ITEMS_MAX = 3
_WORDS = {"ties": "ties", "differs": "DIFFERS", "not itemised": "not itemised"}


@verb("list", "syncjob payouts list", "syncjob payouts list --json")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(as_json: bool) -> None:
    """List the payouts, and whether each is what it pays out.

    By night the gateway is asked what each payout is made of: payments less fees, refunds and disputes, adjustments and
    reserves. A payout that it does not itemise, such as one made by hand, is proven by the running balance.
    """
    import json

    from syncjob.cli.house import configured, opened
    from syncjob.jobs.bank import on_the_bank
    from syncjob.summary.render import amount

    config = configured(frame().home)
    with opened(config) as store:
        found, bank = _all(config, store), _bank(config, store)
    if as_json:
        rows = [_wire(payout, tie, bank) for payout, tie in found]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("No payout has left a balance yet.")
    for payout, tie in found:
        money = f"{amount(payout.amount)} {payout.amount.currency}"
        click.echo(f"{payout.sent}  {money:>18}  {_word(tie):<17} {payout.id}")
        said = on_the_bank(payout, bank)
        if said:
            click.echo(f"    {said}")
        items = tie.items if tie is not None else ()
        for item in items[:_ITEMS_MAX]:
            click.echo(_told(item))
        if len(items) > _ITEMS_MAX:
            click.echo(f"    and {len(items) - _ITEMS_MAX} more: syncjob payouts show {payout.id}")


@verb("show", "syncjob payouts show po_1Example")
@click.argument("payout")
def show(payout: str) -> None:
    """Show what a payout is made of, by kind of movement."""
    from syncjob.cli.house import configured, opened
    from syncjob.jobs.bank import on_the_bank
    from syncjob.summary.render import amount

    config = configured(frame().home)
    with opened(config) as store:
        found, bank = [(one, tie) for one, tie in _all(config, store) if one.id == payout], _bank(config, store)
    if not found:
        raise Misconfigured(f"{payout!r} is no payout that left a balance; syncjob payouts list names them")
    for one, tie in found:
        click.echo(f"{one.source} payout {one.id} of {one.sent}: {_word(tie)}")
        for part in tie.parts if tie is not None else ():
            click.echo(f"  {part.kind.replace('_', ' '):<36}{part.count:>8}{amount(part.amount):>16}")
        click.echo(f"  {'payout':<44}{amount(one.amount):>16} {one.amount.currency}")
        said = on_the_bank(one, bank)
        if said:
            click.echo(f"  {said}")
        for item in tie.items if tie is not None else ():
            click.echo(_told(item))


def _all(config: Config, store: Store) -> list[tuple[Payout, Tie | None]]:
    from syncjob.jobs.payouts import LONG_AGO, ties

    found = [pair for block in config.of("gateways") for pair in ties(store, block.name, LONG_AGO)]
    return sorted(found, key=lambda pair: (pair[0].effective, pair[0].source, pair[0].id))


def _bank(config: Config, store: Store) -> Banked:
    from syncjob.jobs.bank import banked_payouts

    return banked_payouts(store, [block.name for block in config.of("gateways")])


def _word(tie: Tie | None) -> str:
    return _WORDS[tie.state.value] if tie is not None else "not looked at yet"


def _wire(payout: Payout, tie: Tie | None, bank: Banked) -> dict[str, Json]:
    from syncjob.summary.wire import money

    line = bank.lines.get(payout.key)
    return {
        "source": payout.source,
        "payout": payout.id,
        "sent": payout.sent.isoformat(),
        "amount": money(payout.amount),
        "state": tie.state.value if tie is not None else None,
        "bank": {"account": line[0], "date": line[1].day.isoformat(), "text": line[1].text} if line is not None else None,
        "parts": [
            {"kind": part.kind, "count": part.count, "amount": money(part.amount)} for part in (tie.parts if tie else ())
        ],
        "items": [
            {"name": item.name, "amount": money(item.amount), "why": item.why, "reason": item.reason, "cure": item.cure}
            for item in (tie.items if tie else ())
        ],
    }


def _told(item: Item) -> str:
    text = f"{item.name} {item.amount}: {item.why}" + (f"; {item.cure}" if item.cure else "")
    return "\n".join(textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False))


payouts = Verbs(
    "payouts",
    commands=[list_, show],
    help="""See whether each payout is what it pays out.

    The running balance proves what the gateway does not itemise.""",
    short_help="See whether each payout is what it pays out.",
    epilog=example("syncjob payouts list", "syncjob payouts show po_1Example"),
)
