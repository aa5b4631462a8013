"""bank: the statements of a bank account, on which payouts arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.model import Json

_TEXT = 30


@verb("import", "syncjob bank import statement.csv --account current")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--account", default="", metavar="NAME", help="The bank account, as syncjob.yaml calls it (else the only one).")
def import_(file: Path, account: str) -> None:
    """Read a statement of a bank account, as the bank gave it.

    How it is written stands under bank: in syncjob.yaml. A line that was read before is not read again, so statements may
    overlap. A file with a line that cannot be read is refused as a whole, with that line.
    """
    from syncjob.cli.house import configured, now, opened
    from syncjob.jobs.bank import layout_of, take

    config = configured(frame().home)
    name, layout = layout_of(config.bank, account)
    try:
        data = file.read_bytes()
    except OSError as wrong:
        raise Misconfigured(f"{file} cannot be read: {wrong.strerror}; name the statement that the bank gave you") from wrong
    with opened(config) as store:
        number, new = take(store, name, layout, data, file.name, now())
    lines = "line" if number == 1 else "lines"
    click.echo(f"{number} {lines} of {name}, {new} of them new. syncjob payouts list says which payouts they are.")


@verb("list", "syncjob bank list")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(as_json: bool) -> None:
    """List the lines of the bank that are payouts, and those that may be."""
    import json

    from syncjob.cli.house import configured, opened
    from syncjob.jobs.bank import banked_payouts
    from syncjob.summary.render import amount
    from syncjob.summary.wire import money

    config = configured(frame().home)
    with opened(config) as store:
        found = banked_payouts(store, [block.name for block in config.of("gateways")])
        number = len(store.bank_lines())
    rows = sorted((line.day, account, line, payout) for (_, payout, _), (account, line) in found.lines.items())
    if as_json:
        told: list[Json] = [
            {"date": f"{day}", "account": account, "amount": money(line.amount), "text": line.text, "payout": payout}
            for day, account, line, payout in rows
        ]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for day, _, line, payout in rows:
        text = line.text if len(line.text) <= _TEXT else f"{line.text[: _TEXT - 3]}..."
        click.echo(f"{day}  {amount(line.amount):>12} {line.currency}  {payout}  {text}".rstrip())
    contested = f"; {len(found.contested)} payouts fit several lines, or their line fits several" if found.contested else ""
    click.echo(f"{len(rows)} of {number} lines are payouts{contested}.")


bank = Verbs(
    "bank",
    commands=[import_, list_],
    help="""Read the bank's statements, on which payouts arrive.

    A line is a payout where it has its amount, comes within ten days of it and nothing else fits, or names its id.""",
    short_help="Read the bank's statements, on which payouts arrive.",
    epilog=example("syncjob bank import statement.csv", "syncjob bank list"),
)
