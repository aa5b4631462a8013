"""init --live: the books tell their accounts, and each role gets one of the right type; check --live looks at them again."""

from __future__ import annotations

import csv
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.errors import EXIT_HELD, EXIT_OK, Misconfigured
from syncjob.model import Role
from syncjob.ports import Account
from syncjob.roles import PARTS, PER_SOURCE, guess, offers

if TYPE_CHECKING:
    from syncjob.config import Block, Config

SHOWN_MAX = 9
_GUESSED = "guessed from its name"
_NEW = "not in the books yet, opened when it is first used"
_HEAD = """\
# Which account of the books plays which role. source and currency may stay empty: the row that says most about a line wins.
# Change the codes as you like before the first run, afterwards they are bound.
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The account of one role, and how it was found: "" by a person, else the words of its comment; no code: none fits."""

    role: Role
    source: str
    code: str = ""
    comment: str = ""


def choose(home: Path, *, force: bool) -> int:
    """Write accounts.csv from the chart of the home's books; gives 3 where a role is left without an account.

    On a terminal each role is asked for. Raises Misconfigured where accounts.csv is a person's and `force` was not said.
    """
    from syncjob.wholefile import replacing

    path = home / "accounts.csv"
    config = _configured(home)
    if path.exists() and not force and not _untouched(path, config):
        raise Misconfigured(f"{path} is already there and is somebody's work; say --force to write it anew from the chart")
    charts = _charts(config)
    if not charts:
        names = ", ".join(one.name for one in config.of("accounting")) or "none"
        raise Misconfigured(f"no books in syncjob.yaml can list their accounts (it names {names}); write accounts.csv by hand")
    block, accounts = charts[0]
    if not any(one.active for one in accounts):
        if not path.exists():
            raise Misconfigured(f"{block.name} has no accounts yet; open them there, or write accounts.csv by hand")
        click.echo(f"{block.name} has no accounts yet: {path.name} stays as it is.")
        return EXIT_OK
    chosen = _chosen(config, accounts, opens=_opens(block))
    text = _text(config, chosen)
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as wrong:
        raise Misconfigured(f"{path} cannot be written: {wrong.strerror}; let this user write there") from wrong
    return _told(path, chosen)


def misfits(config: Config) -> list[str]:
    """What in accounts.csv does not fit the charts of the books: an account that is closed, missing, or of another type."""
    said: dict[str, None] = {}
    for block, accounts in _charts(config):
        by_code, opens = {one.code: one for one in accounts}, _opens(block)
        for (role, _, _), code in config.chart.rows.items():
            wrong = _misfit(Role(role), by_code.get(code), opens)
            if wrong:
                said[f"accounts.csv: {code!r} for the role {role} {wrong} in {block.name}; choose another"] = None
    return list(said)


def _misfit(role: Role, one: Account | None, opens: bool) -> str:
    if one is None:
        return "" if opens else "is no account"
    if not one.active:
        return "is closed"
    return "" if one.type in PARTS[role].types else f"is not {_types(role)} but {one.type.value}"


def is_ledger(folder: Path) -> bool:
    """Whether a folder holds a ledger for Beancount."""
    return folder.is_dir() and any(folder.glob("*.beancount"))


def _configured(home: Path) -> Config:
    """The home's configuration; accounts.csv, which is to be written, may be missing or wrong."""
    import tempfile

    from syncjob import config
    from syncjob.chart import HEADER

    try:
        return config.read(home)
    except Misconfigured:
        if not (home / "syncjob.yaml").is_file():
            raise
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        (bare / "syncjob.yaml").write_bytes((home / "syncjob.yaml").read_bytes())
        (bare / "accounts.csv").write_text(f"{','.join(HEADER)}\n")
        return replace(config.read(bare), home=home)


def _untouched(path: Path, config: Config) -> bool:
    """Whether accounts.csv is what init wrote."""
    from syncjob.cli.templates import accounts_csv

    text = path.read_bytes()
    return any(text == accounts_csv(block.name).encode() for block in config.of("gateways"))


def _charts(config: Config) -> list[tuple[Block, list[Account]]]:
    """The books that list their accounts, and those."""
    from syncjob.cli.keys import connected
    from syncjob.config import options
    from syncjob.ports import Chart

    found = []
    for block in config.of("accounting"):
        books = connected(config, block, options(config, block, os.environ).secret)
        if isinstance(books, Chart):
            found.append((block, books.accounts()))
    return found


def _opens(block: Block) -> bool:
    """Whether syncjob itself opens an account that these books do not have yet."""
    from syncjob.config import module

    opens = getattr(module(block), "opens_accounts", None)
    return opens is not None and bool(opens(block.settings))


# ---------------------------------------------------------------- choosing


def _chosen(config: Config, accounts: Sequence[Account], *, opens: bool) -> list[Chosen]:
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    gateways = [block.name for block in config.of("gateways")]
    by_code = {one.code: one for one in accounts}
    taken: set[str] = set()
    chosen: list[Chosen] = []
    for role in Role:
        for source in gateways if role in PER_SOURCE else [""]:
            offered = offers(role, source, accounts, config.home_currency)
            code = _standing(config, role, source)
            standing = by_code.get(code)
            best = standing if standing in offered else guess(role, source, accounts, config.home_currency, taken)
            if opens and code and standing is None:
                new = Account(code, _NEW, PARTS[role].types[0])
                offered, best = [*offered, new], best or new
            one = _asked(role, source, offered, best) if asks else _guessed(role, source, offered, best, standing)
            chosen.append(one)
            taken.add(one.code)
    return chosen


def _standing(config: Config, role: Role, source: str) -> str:
    """What accounts.csv says today."""
    try:
        return config.chart.code(role, source, "")
    except Misconfigured:
        return ""


def _guessed(role: Role, source: str, offered: Sequence[Account], best: Account | None, standing: Account | None) -> Chosen:
    if best is None:
        return Chosen(role, source, "", _nothing(role, source, offered))
    if best is standing or best.name == _NEW:
        return Chosen(role, source, best.code, best.name if best.name == _NEW else "")
    others = ", ".join(one.code for one in offered if one is not best)
    more = f"; it could also be {_short(others)}" if others else ""
    return Chosen(role, source, best.code, f"{_GUESSED}{more}")


def _nothing(role: Role, source: str, offered: Sequence[Account]) -> str:
    could = f"it could be {_short(', '.join(one.code for one in offered))}" if offered else f"no account is {_types(role)}"
    return f"MISSING: {could}; add a line such as {role.value},{source},,CODE"


def _asked(role: Role, source: str, offered: Sequence[Account], best: Account | None) -> Chosen:
    """Ask for one role on a terminal: a number of the list, an account code, or 0 for none."""
    shown = list(offered[:SHOWN_MAX])
    if best is not None and best not in shown:
        shown[-1:] = [best]
    asked = f"{_name(role, source)}: {PARTS[role].meaning} ({_types(role)})"
    click.echo("\n" + textwrap.fill(asked, 80, subsequent_indent="  "))
    for number, one in enumerate(shown, start=1):
        click.echo(f"  {number}  {_label(one)}")
    if len(offered) > len(shown):
        click.echo(f"     and {len(offered) - len(shown)} more: give its code")
    default = shown.index(best) + 1 if best is not None else 0
    codes = {one.code for one in offered}
    while True:
        said = str(click.prompt("Number or code (0: none)", default=str(default))).strip()
        if said == "0":
            return Chosen(role, source, "", _nothing(role, source, offered))
        if said in codes:
            return Chosen(role, source, said)
        if said.isascii() and said.isdigit() and int(said) <= len(shown):
            return Chosen(role, source, shown[int(said) - 1].code)
        click.echo(f"{said} is neither a number of this list nor an account that is {_types(role)}.")


def _name(role: Role, source: str) -> str:
    return f"{role.value} of {source}" if source else role.value


def _types(role: Role) -> str:
    return " or ".join(type.value for type in PARTS[role].types)


def _label(one: Account) -> str:
    name = f"  {one.name}" if one.name and one.name not in one.code else ""
    return f"{one.code}{name}{f'  ({one.currency} only)' if one.currency else ''}"


def _short(words: str) -> str:
    import textwrap

    return textwrap.shorten(words, 200, placeholder=" ...")


# ---------------------------------------------------------------- writing


def _text(config: Config, chosen: Sequence[Chosen]) -> str:
    """accounts.csv: a row for each role with its meaning above; rows that said more than the role are kept."""
    from syncjob.chart import HEADER, read

    out = io.StringIO()
    out.write(_HEAD)
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(HEADER)
    for one in chosen:
        out.write(f"# {PARTS[one.role].meaning} ({_types(one.role)})\n")
        if one.comment:
            out.write(f"# {' '.join(one.comment.split())}\n")
        if one.code:
            rows.writerow((one.role.value, one.source, "", one.code))
    written = {(one.role.value, one.source, "") for one in chosen} | {(role.value, "", "") for role in PER_SOURCE}
    kept = [(*key, code) for key, code in config.chart.rows.items() if key not in written]
    if kept:
        out.write("# as before: for one currency or one gateway\n")
        rows.writerows(kept)
    read(out.getvalue())  # what cannot be read back must not be written
    return out.getvalue()


def _told(path: Path, chosen: Sequence[Chosen]) -> int:
    missing = [_name(one.role, one.source) for one in chosen if not one.code]
    guessed = sum(1 for one in chosen if one.comment.startswith(_GUESSED))
    how = f" ({guessed} guessed from their names: read its comments)" if guessed else ""
    click.echo(f"Wrote {path}: {len(chosen) - len(missing)} of {len(chosen)} roles have an account{how}.")
    if missing:
        words = f"Without one: {', '.join(missing)}. Add their lines, then run: syncjob check"
        click.echo(textwrap.fill(words, 80, break_on_hyphens=False))
        return EXIT_HELD
    click.echo("Next: syncjob check --live")
    return EXIT_OK
