"""matches: payments that are for no invoice yet, and what a person says that they are for."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured, RecordRefused

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs.matches import Unmatched
    from syncjob.mapping import GatewayMap
    from syncjob.model import Invoice
    from syncjob.money import Money
    from syncjob.store import Store

WIDTH = 80
_AGES = (30, 60, 90)  # days
_MOST = 3  # candidates on a line


@verb("list", "syncjob matches list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(as_json: bool) -> None:
    """List payments of which something is for no invoice.

    Each with its age, what is left of it, why, and the open invoices that ask for exactly that. None is ever chosen by an
    amount alone: syncjob matches accept PAYMENT INVOICE says which it is.
    """
    import json

    from syncjob.cli.house import configured, now, opened
    from syncjob.jobs.matches import unmatched
    from syncjob.moment import business_date
    from syncjob.summary.wire import money

    config = configured(frame().home)
    with opened(config) as store:
        found = sorted(unmatched(store, _maps(config), _open(config, store)), key=lambda one: (one.day, one.key))
    today = business_date(now(), config.zone)
    if as_json:
        rows = [
            {
                "payment": one.payment.id,
                "source": one.subject.scope,
                "origin": one.payment.origin,
                "date": one.day.isoformat(),
                "days": (today - one.day).days,
                "left": money(one.left),
                "customer": one.payment.customer or None,
                "description": one.payment.description or None,
                "why": one.why,
                "candidates": [invoice.number for invoice in one.candidates],
            }
            for one in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("Every payment is for an invoice, or was given back.")
        return
    for one in found:
        click.echo("\n".join(_lines(one, (today - one.day).days)))
    click.echo(_aged([((today - one.day).days, one.left) for one in found]))
    click.echo("Say what one is for: syncjob matches accept PAYMENT INVOICE")


@verb("accept", "syncjob matches accept ch_1Example INV-1007", "syncjob matches accept ch_1Example INV-1007=60.00 INV-1008")
@click.argument("payment")
@click.argument("invoices", nargs=-1, required=True, metavar="INVOICE[=AMOUNT]...")
def accept(payment: str, invoices: tuple[str, ...]) -> None:
    """Say which invoices a payment is for.

    PAYMENT is any id that syncjob show takes. An invoice gets what it still asks for, or the AMOUNT behind =; what none gets
    stays the customer's credit. The next run brings it to the books as an application; the receipt stays as it was.
    """
    from syncjob.cli.house import configured, now, opened, who
    from syncjob.jobs.matches import accept as decide
    from syncjob.jobs.matches import payment_of
    from syncjob.posting import claim

    config = configured(frame().home)
    with opened(config) as store:
        subject, one = payment_of(store, _maps(config), payment)
        wish = [_wish(text, claim(one).currency) for text in invoices]
        shares = decide(store, subject, one, wish, who(), now())
    for number, share in shares:
        click.echo(f"{share} of {one.id} is for {number}.")
    click.echo("The next run brings it to the books: syncjob run")


@verb("unmatch", "syncjob matches unmatch ch_1Example")
@click.argument("payment")
def unmatch(payment: str) -> None:
    """Say that a payment is for no invoice: it becomes the customer's credit, whatever it names."""
    from syncjob.cli.house import configured, now, opened, who
    from syncjob.jobs.matches import payment_of
    from syncjob.jobs.matches import unmatch as decide

    config = configured(frame().home)
    with opened(config) as store:
        subject, one = payment_of(store, _maps(config), payment)
        decide(store, subject, one, who(), now())
    click.echo(f"{one.id} is for no invoice. The next run brings it to the books: syncjob run")


@verb("reject", "syncjob matches reject ch_1Example INV-1007")
@click.argument("payment")
@click.argument("invoices", nargs=-1, required=True, metavar="INVOICE...")
def reject(payment: str, invoices: tuple[str, ...]) -> None:
    """Say that a payment is not for these invoices: the rules decide among the others.

    It holds until somebody accepts one of them for it, or takes it back with syncjob matches forget.
    """
    from syncjob.cli.house import configured, now, opened, who
    from syncjob.jobs.matches import payment_of
    from syncjob.jobs.matches import reject as decide

    config = configured(frame().home)
    with opened(config) as store:
        subject, one = payment_of(store, _maps(config), payment)
        all_of = decide(store, subject, one, invoices, who(), now())
    click.echo(f"{one.id} is not for {', '.join(all_of)}. The next run brings it to the books: syncjob run")


@verb("forget", "syncjob matches forget ch_1Example")
@click.argument("payment")
def forget(payment: str) -> None:
    """Take back what a person said about a payment: the rules decide again."""
    from syncjob.cli.house import configured, now, opened, who
    from syncjob.jobs.matches import forget as decide
    from syncjob.jobs.matches import payment_of

    config = configured(frame().home)
    with opened(config) as store:
        subject, one = payment_of(store, _maps(config), payment)
        was_decided = decide(store, subject, one, who(), now())
    said = "The rules decide again with the next run" if was_decided else "Nobody has decided about it: nothing to do"
    click.echo(f"{one.id}: {said}.")


@verb("rules", "syncjob matches rules")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def rules(as_json: bool) -> None:
    """Offer what people's decisions say as a rule, tried on the past first.

    Where every decision about a gateway's customer names invoices of one customer of the books, the two may be linked: then
    the sums of that customer decide by themselves. Nothing is changed here.
    """
    import json
    import shlex

    from syncjob.cli.house import configured, opened
    from syncjob.crosswalk import spelled
    from syncjob.jobs.learning import lessons

    config = configured(frame().home)
    with opened(config) as store:
        found = lessons(store, _maps(config), [block.name for block in config.of("accounting")])
    if as_json:
        rows = [
            {
                "gateway": spelled(one.gateway),
                "books": spelled(one.books),
                "decided": one.decided,
                "alike": one.alike,
                "otherwise": one.otherwise,
                "more": one.more,
            }
            for one in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("No decision says anything that the rules do not know.")
    for one in found:
        say = "decision says" if one.decided == 1 else "decisions say"
        click.echo(f"{spelled(one.gateway)} is {one.books[1]} of {one.books[0]}: {one.decided} {say} so.")
        tried = f"{one.alike} of {one.decided} would be matched alike, {one.otherwise} otherwise, {one.more} more as well."
        click.echo(f"    Tried on the past: {tried}")
        click.echo(f"    syncjob customers link {spelled(one.gateway)} {shlex.quote(spelled(one.books))}")


def _maps(config: Config) -> Mapping[str, GatewayMap]:
    from syncjob.mapping import load_gateway

    return {block.name: load_gateway(block.connector, config.home) for block in config.of("gateways")}


def _open(config: Config, store: Store) -> list[Invoice]:
    """The invoices of all books with what they still ask for after all that is applied to them."""
    from dataclasses import replace

    found = [state for block in config.of("accounting") for state in store.invoice_states(block.name)]
    return [replace(invoice, open=invoice.open - brought) for invoice, brought in found]


def _wish(text: str, currency: str) -> tuple[str, Money | None]:
    from syncjob.money import Money

    number, equals, amount = text.partition("=")
    if not equals:
        return number, None
    try:
        return number, Money.of(amount, currency)
    except RecordRefused as wrong:
        raise Misconfigured(f"{text!r} says no amount: {wrong}; write one such as {number}=60.00") from wrong


def _lines(one: Unmatched, days: int) -> list[str]:
    from syncjob.summary.render import named

    about = one.payment.description or one.payment.customer or ""
    head = f"{one.day}  {named(one.left)}  {one.payment.origin or one.payment.id}"
    lines = [f"{head}  {about}"[:WIDTH].rstrip(), *_wrapped(f"{days} days, {one.why}")]
    if one.candidates:
        more = len(one.candidates) - _MOST
        numbers = ", ".join(invoice.number for invoice in one.candidates[:_MOST]) + (f" and {more} more" if more > 0 else "")
        lines += _wrapped(f"exactly this is asked for by {numbers}")
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)


def _aged(found: list[tuple[int, Money]]) -> str:
    """How much has waited for how long."""
    from syncjob.money import totals
    from syncjob.summary.render import named

    parts = []
    for first, last in zip((0, *(age + 1 for age in _AGES)), (*_AGES, None), strict=True):
        sums = totals(money for days, money in found if days >= first and (last is None or days <= last))
        if sums:
            span = f"{first} to {last} days" if last is not None else f"more than {first - 1} days"
            parts.append(f"{span}: {', '.join(named(money) for money in sums.values())}")
    return "\n".join(textwrap.wrap("; ".join(parts) + ".", WIDTH))


matches = Verbs(
    "matches",
    commands=[list_, accept, unmatch, reject, forget, rules],
    help="""See which payments are for no invoice, and say what they are for.

    What a person says stands until it is taken back, and is written down with who said it and when.""",
    short_help="See which payments are for no invoice, and say what for.",
    epilog=example("syncjob matches list", "syncjob matches accept ch_1Example INV-1007"),
)
