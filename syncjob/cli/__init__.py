"""What people type. Each command imports what it alone needs, so that --help costs nothing.

Reports go to stdout, everything else to stderr; the exit codes are those of syncjob.errors and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click

from syncjob.cli.command import Frame, Verbs, version_option
from syncjob.cli.leaving import cautious, leave

__all__ = ["main", "syncjob"]

# One line registers a verb: the module of this package, and its name there. The order is that of --help.
VERBS = {
    "Every day": (
        "running.run",
        "scheduling.schedule",
        "standing.status",
        "standing.summary",
    ),
    "Set up": (
        "setup.init",
        "keys.auth",
        "setup.check",
        "setup.connectors",
        "maps.mapping",
        "scaffold.new",
    ),
    "Repair": (
        "held.held",
        "backfilling.backfill",
        "undoing.undo",
        "undoing.redo",
        "customers.customers",
        "matches.matches",
    ),
    "Evidence": (
        "reconcile.reconcile",
        "shadow.shadow",
        "payouts.payouts",
        "bank.bank",
        "story.show",
        "export.export",
        "closing.close",
    ),
    "Try it": (
        "demo.demo",
        "demo.sandbox",
    ),
}


def _verb(place: str) -> click.Command:
    module, _, name = place.partition(".")
    found = getattr(import_module(f"syncjob.cli.{module}"), name)
    if not isinstance(found, click.Command):
        raise TypeError(f"{place} is no command")
    return found


_COMMANDS = {title: [_verb(place) for place in places] for title, places in VERBS.items()}
SECTIONS = {title: tuple(command.name or "" for command in commands) for title, commands in _COMMANDS.items()}

syncjob = Verbs(
    "syncjob",
    sections=SECTIONS,
    commands=[command for commands in _COMMANDS.values() for command in commands],
    params=[version_option()],
    help="""Bring payments from the gateway to the books and the CRM, each effect once, and prove the balance every night.

    A home is a folder with syncjob.yaml and accounts.csv; its place is --home, else SYNCJOB_HOME, else the current folder.""",
    epilog="""\b
Example:
  syncjob demo
\b
Exit codes:
  0 complete                          4 another run holds the lock
  1 a bug; the state is safe          5 passing: network, quota, time
  2 usage or configuration            6 a key or consent needs a person
  3 done, but something is held       7 the state is damaged, full or newer""",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command and give its exit code; every refusal is one sentence on stderr."""
    cautious()
    frame = Frame()
    try:
        code = syncjob.main(
            args=list(arguments) if arguments is not None else None, prog_name="syncjob", obj=frame, standalone_mode=False
        )
    except BaseException as error:
        return leave(error, frame)
    return code if isinstance(code, int) else 0
