"""export: what an embedded target holds, as a file for a spreadsheet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured


@verb("crm", "syncjob export crm --format csv --table payments --out payments.csv")
@click.option("--format", "kind", type=click.Choice(["csv"]), default="csv", show_default=True, help="The form.")
@click.option("--table", default="payments", show_default=True, help="A table or view of the CRM.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write (else standard output).")
@click.option("--target", default="", metavar="NAME", help="Which CRM, where syncjob.yaml names several.")
def crm(kind: str, table: str, out: Path | None, target: str) -> None:
    """Write a table of the local CRM as CSV.

    No cell is a formula. A file that exists is replaced as a whole or not at all.
    """
    from syncjob.cli.house import configured
    from syncjob.crm.sqlite import export_csv

    del kind  # there is one form so far
    config = configured(frame().home)
    blocks = [one for one in config.of("crm") if one.connector == "sqlite" and target in ("", one.name)]
    if len(blocks) != 1:
        names = ", ".join(one.name for one in config.of("crm") if one.connector == "sqlite") or "none"
        raise Misconfigured(f"--target must name one CRM in a file; syncjob.yaml names {names}")
    path = config.home / (blocks[0].settings.get("path") or "crm.sqlite")
    if out is None:
        export_csv(path, table, sys.stdout)
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            export_csv(path, table, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as wrong:
        raise Misconfigured(f"{out} cannot be written: {wrong.strerror}; choose another --out") from wrong
    finally:
        part.unlink(missing_ok=True)


export = Verbs(
    "export",
    commands=[crm],
    sections={"Commands": ("crm",)},
    help="Write what an embedded target holds as CSV.",
    epilog=example("syncjob export crm --format csv --table payments"),
)
