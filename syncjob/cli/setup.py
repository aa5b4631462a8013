"""init, check and connectors: what is done before the first run, and after every change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK, Misconfigured, Problem

if TYPE_CHECKING:
    from types import ModuleType

    from syncjob.config import Block, Config
    from syncjob.ports import PayoutSchedule


@verb(
    "init",
    "syncjob init --home shop --zone Europe/Berlin --currency EUR",
    "syncjob init --live --books ~/ledger --home shop",
)
@click.option("--zone", default="Europe/Berlin", show_default=True, help="The zone of the books: it makes a payment's day.")
@click.option("--currency", default="EUR", show_default=True, help="The home currency of the books.")
@click.option("--gateway-name", default="stripe", show_default=True, help="What the gateway account is called from now on.")
@click.option(
    "--sales",
    type=click.Choice(["invoiced_in_books", "recorded_here", "recorded_elsewhere"]),
    default="invoiced_in_books",
    show_default=True,
    help="Where the sales behind the payments are recorded.",
)
@click.option(
    "--mode",
    type=click.Choice(["per_transaction", "per_payout"]),
    default="per_transaction",
    show_default=True,
    help="A document of the books for each movement, or for all that one payout pays out.",
)
@click.option("--live", is_flag=True, help="Choose each role's account from those that the books have.")
@click.option("--books", type=click.Path(path_type=Path), metavar="DIR", help="With --live: your Beancount ledger's folder.")
@click.option("--force", is_flag=True, help="With --live: write accounts.csv anew, even where you changed it.")
def init(
    zone: str, currency: str, gateway_name: str, sales: str, mode: str, live: bool, books: Path | None, force: bool
) -> int:
    """Write a commented syncjob.yaml and accounts.csv.

    The cut-over (start) is midnight today in the books' zone: nothing older is posted by itself. Nothing that exists is
    overwritten. --live, in a new home or in one that has its books, reads their chart of accounts and offers, for each role,
    the accounts of the right type; without a terminal the best guess is written with a comment.
    """
    home = frame().home
    if (books or force) and not live:
        raise Misconfigured("--books and --force belong to --live; add it")
    if not live:
        _begin(home, (zone, currency), gateway_name, (sales, mode))
        click.echo(f"Next:\n  syncjob auth {gateway_name} --home {home}\n  syncjob check --live --home {home}")
        return EXIT_OK
    from syncjob.cli.choosing import choose, is_ledger

    if books and not is_ledger(books):
        raise Misconfigured(f"--books is {books}, and no *.beancount file is there; name the folder of your ledger")
    if not (home / "syncjob.yaml").exists():
        _begin(home, (zone, currency), gateway_name, (sales, mode), books.absolute() if books else None)
    elif books:
        raise Misconfigured(f"{home / 'syncjob.yaml'} names its books already; write path: {books} there and leave --books out")
    return choose(home.absolute(), force=force)


def _begin(home: Path, house: tuple[str, str], gateway: str, how: tuple[str, str], books: Path | None = None) -> None:
    """Write a new home whose cut-over is midnight today; `books` is a ledger that somebody keeps already."""
    (zone, currency), (sales, mode) = house, how
    from syncjob import moment
    from syncjob.cli.house import now

    where = moment.zone(zone)
    _known_currency(currency)
    start = moment.iso(moment.start_of(moment.business_date(now(), where), where))
    write_home(
        home, zone=zone, currency=currency, start=start, gateway=gateway, key="env:STRIPE_KEY", sales=sales, mode=mode,
        books=books,
    )  # fmt: skip
    click.echo(f"Wrote syncjob.yaml and accounts.csv in {home}: read both.")
    if books:
        click.echo(f'Add to your main file in {books}:\n  include "[0-9][0-9][0-9][0-9]-[0-9][0-9].beancount"')


def _known_currency(code: str) -> None:
    from syncjob.errors import RecordRefused
    from syncjob.money import decimals

    try:
        decimals(code)
    except RecordRefused as wrong:
        raise Misconfigured(f"--currency: {wrong}; write three capitals such as EUR") from wrong


def write_home(
    home: Path,
    *,
    zone: str,
    currency: str,
    start: str,
    gateway: str,
    key: str,
    sales: str = "invoiced_in_books",
    mode: str = "per_transaction",
    more: dict[str, str] | None = None,
    books: Path | None = None,
) -> None:
    """Write the files of a new home, with the books in it or in a ledger that is there already.

    Raises Misconfigured naming the file that is there already, before it writes any.
    """
    import re

    from syncjob.cli import templates

    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", gateway, re.ASCII):
        cure = "use lower-case letters, digits and '-', beginning with a letter"
        raise Misconfigured(f"the gateway's name is {gateway!r}; {cure}")
    text = templates.syncjob_yaml(
        zone=zone, currency=currency, start=start, gateway=gateway, key=key, sales=sales, mode=mode, more=more
    )
    files = {
        home / "syncjob.yaml": text if books is None else _with_books(text, books),
        home / "accounts.csv": templates.accounts_csv(gateway),
    }
    invoices = (books or home / "books") / "invoices.csv"
    if books is None or not invoices.exists():
        files[invoices] = templates.INVOICES_HEADER
    for path in files:
        if path.exists():
            raise Misconfigured(f"{path} is already there and is never overwritten; remove it, or choose another --home")
    try:
        invoices.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        (home / "state").mkdir(mode=0o700, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        ignore = home / "state" / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n!.gitignore\n")
    except OSError as wrong:
        raise Misconfigured(f"{wrong.filename or home} cannot be written: {wrong.strerror}; choose another --home") from wrong


def _with_books(text: str, books: Path) -> str:
    """A new syncjob.yaml whose books are an existing ledger: its accounts are opened there, by whoever keeps it."""
    from syncjob.yamlfile import with_text

    told = text.encode()
    for word, value in (("open_accounts", "no"), ("path", str(books))):
        told = with_text(told, ("accounting", "books", word), value, after="connector", file="syncjob.yaml")
    return told.decode()


@verb("check", "syncjob check", "syncjob check --live")
@click.option("--live", is_flag=True, help="Also ask gateways and targets whether keys, rights and accounts fit.")
def check(live: bool) -> int:
    """Say whether everything fits, without any request.

    Looks at syncjob.yaml, accounts.csv, the maps, the keys' places and the state; each problem is one line.
    """
    from syncjob.cli.house import configured
    from syncjob.cli.leaving import say
    from syncjob.mapping.files import known, outdated, own

    config = configured(frame().home)
    for name in outdated(config.home):
        file = own(config.home, name, known()[name]).relative_to(config.home).as_posix()
        why = "was copied from a map that has changed since"
        say(f"{file} {why}; move it away, run: syncjob mapping edit {name}, and carry your changes over")
    problems = [*_unplayed(config), *_unmapped(config), *_unresolved(config)]
    for problem in problems:
        click.echo(str(problem))
    if problems:
        return EXIT_CONFIGURATION
    _openable(config)
    misfits = _misfits(config) if live else []
    for misfit in misfits:
        click.echo(misfit)
    code = _asked(config) if live else 0
    if misfits:
        return EXIT_CONFIGURATION
    if not code:
        click.echo("everything fits")
    return code


def _unplayed(config: Config) -> list[str]:
    """Every role that the rules can post to, for each source, has an account that its books accept."""
    from syncjob.model import Role

    said: dict[str, None] = {}
    for source in config.of("gateways"):
        for role in Role:
            try:
                code = config.chart.code(role, source.name, config.home_currency)
            except Misconfigured as missing:
                said[str(missing)] = None
                continue
            for books in config.of("accounting"):
                if not _accepts(books, code):
                    cure = "write an account code that these books know"
                    said[f"accounts.csv: {code!r} for the role {role.value} is no account of {books.connector}; {cure}"] = None
    return list(said)


def _misfits(config: Config) -> list[str]:
    from syncjob.cli.choosing import misfits
    from syncjob.errors import ConnectorDown

    try:
        return misfits(config)
    except ConnectorDown as wrong:
        return [str(wrong)]


def _accepts(books: Block, code: str) -> bool:
    """Whether a books connector takes a code for an account; one that does not say takes any."""
    from syncjob.config import module

    accepts = getattr(module(books), "accepts_account", None)
    if accepts is None and books.connector == "beancount":
        from syncjob.accounting.beancount.block import is_account

        accepts = is_account
    return accepts is None or bool(accepts(code))


def _unmapped(config: Config) -> list[str]:
    """The first thing that is wrong with each map; a map that one cannot read says nothing else."""
    from syncjob.mapping import load_gateway, load_target

    said: dict[str, None] = {}
    for block in config.blocks:
        try:
            if block.group == "gateways":
                load_gateway(block.connector, config.home)
            else:
                load_target("accounting" if block.group == "accounting" else "crm", block.connector, config.home)
        except Misconfigured as wrong:
            said[str(wrong)] = None
    return list(said)


def _unresolved(config: Config) -> list[str]:
    from syncjob.config import options

    said = []
    for block in config.blocks:
        try:
            options(config, block, os.environ)
        except Misconfigured as wrong:
            said.append(str(wrong))
    return said


def _openable(config: Config) -> None:
    """Put everything together in the state that is there, or in a throw-away one: a check leaves nothing behind."""
    import tempfile
    from dataclasses import replace

    from syncjob.cli.house import assembled, opened

    there = "://" in config.state or Path(config.state).exists()
    with tempfile.TemporaryDirectory() as folder:
        tried = config if there else replace(config, state=str(Path(folder) / "state.sqlite"))
        with opened(tried, create=not there) as store:
            assembled(tried, store)
    if not there:
        _writable(Path(config.state).parent)


def _writable(folder: Path) -> None:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise Misconfigured(f"{there} cannot be written to; give the user who runs syncjob the right, or change state:")


def _asked(config: Config) -> int:
    import tempfile
    from contextlib import ExitStack
    from dataclasses import replace

    from syncjob.cli.house import assembled, opened
    from syncjob.errors import exit_code
    from syncjob.plan.units import Mode
    from syncjob.ports import PayoutSchedule

    codes: set[int] = set()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = stack.enter_context(opened(replace(config, state=str(Path(folder) / "state.sqlite")), create=True))
        job = assembled(config, store)
        by_payout = [one.name for one in job.sinks if one.ledger.booking.mode is Mode.PER_PAYOUT]
        for source in job.sources:
            codes |= _ask(source.name, source.gateway.check)
            if by_payout and isinstance(source.gateway, PayoutSchedule):
                codes |= _ask_schedule(by_payout[0], source.name, source.gateway)
        for sink in job.sinks:
            codes |= _ask(sink.name, sink.target.check)
    return EXIT_CONFIGURATION if EXIT_CONFIGURATION in codes else exit_code(codes)


def _ask_schedule(books: str, name: str, gateway: PayoutSchedule) -> set[int]:
    """Books that are kept by payout need payouts that the gateway begins itself."""
    from syncjob.cli.leaving import code_of
    from syncjob.errors import SyncjobError

    try:
        if gateway.pays_out_by_hand():
            why = "its payouts are started by hand, so nobody says what is in them, and mode is per_payout"
            click.echo(f"{books}: {name}: {why}; write mode: per_day, or let the gateway pay out by a schedule")
            return {EXIT_CONFIGURATION}
    except SyncjobError as error:
        click.echo(f"{name}: {error}")
        return {code_of(error)}
    return set()


def _ask(name: str, ask: Callable[[], list[Problem]]) -> set[int]:
    from syncjob.cli.leaving import code_of
    from syncjob.errors import EXIT_AUTHORISATION, SyncjobError

    try:
        problems = ask()
    except SyncjobError as error:
        click.echo(f"{name}: {error}")
        return {code_of(error)}
    for problem in problems:
        click.echo(str(problem))
    return {EXIT_AUTHORISATION} if problems else set()


@verb("connectors", "syncjob connectors")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def connectors(as_json: bool) -> None:
    """List what syncjob can read from and write to."""
    import json

    from syncjob import config

    rows = []
    for group in config.GROUPS:
        for name, load in sorted(config.connectors(group).items()):
            rows.append(_described(group, name, load()))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['group']}: {row['name']}")
        for label, value in row.items():
            if label not in ("group", "name") and value:
                words = ", ".join(value) if isinstance(value, list) else str(value)
                click.echo(click.wrap_text(f"{label}: {words}", 80, "    ", "        "))


def _described(group: str, name: str, module: ModuleType) -> dict[str, object]:
    from syncjob.cli.standing import feeds_in

    about = (module.__doc__ or "").strip().splitlines()
    row: dict[str, object] = {"group": group, "name": name, "about": about[0] if about else ""}
    promises = getattr(module, "PROMISES", None)
    feeds = feeds_in(module)
    if feeds:
        row["reads"] = [f"{feed.name}{' (posts)' if feed.posts else ''}" for feed in feeds]
    if promises is not None:
        row["writes"] = [kind.value for kind in promises.kinds]
        row["class"] = _CLASSES[promises.grade.value]
        row["batch"] = promises.batch
        row["corrects by"] = promises.corrects_by
        row["text limits"] = [f"{field} {limit}" for field, limit in promises.text_limits.items()]
        row["requests a day"] = promises.quota_per_day
    row["settings"] = list(getattr(module, "SETTINGS", {}))
    return row


_CLASSES = {
    "A": "A: the same document again changes nothing",
    "B": "B: an idempotency key for a while, then a search",
    "C": "C: a search by reference",
    "D": "D: neither; what is doubtful goes to a person",
}
