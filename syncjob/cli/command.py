"""How commands look: --home before or after the verb, verbs in sections, and a worked example under each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click


@dataclass(slots=True)
class Frame:
    """What a command was called with before its own options: the home, and whether somebody named it."""

    home: Path = field(default_factory=lambda: Path(os.environ.get("SYNCJOB_HOME") or "."))
    home_named: bool = False


def frame() -> Frame:
    """The frame of the command that is running."""
    found = click.get_current_context().find_object(Frame)
    return found if found is not None else Frame()


def _name_home(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        known = context.ensure_object(Frame)
        known.home, known.home_named = Path(value), True


def _home_option() -> click.Option:
    return click.Option(
        ["--home"],
        metavar="DIR",
        expose_value=False,
        is_eager=True,
        callback=_name_home,
        help="The home: the folder with syncjob.yaml (else SYNCJOB_HOME, else the current folder).",
    )


def version_option() -> click.Option:
    """--version, without reading any package metadata."""

    def say(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            from syncjob import __version__

            click.echo(f"syncjob {__version__}")
            context.exit(0)

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=say, help="Print the version and leave."
    )


class Verb(click.Command):
    """A command that also takes --home after its name."""

    def __init__(self, name: str | None, params: Sequence[click.Parameter] = (), **settings: Any) -> None:
        super().__init__(name, params=[*params, _home_option()], **settings)


class Verbs(click.Group):
    """A group whose help shows its verbs in sections."""

    command_class = Verb

    def __init__(
        self,
        name: str | None,
        *,
        sections: Mapping[str, Iterable[str]] | None = None,
        commands: Sequence[click.Command] = (),
        params: Sequence[click.Parameter] = (),
        **settings: Any,
    ) -> None:
        super().__init__(
            name,
            commands=list(commands),
            params=[_home_option(), *params],
            context_settings={"max_content_width": 80, "help_option_names": ["-h", "--help"]},
            **settings,
        )
        self._sections = sections or {"Commands": tuple(command.name or "" for command in commands)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of their sections."""
        ordered = [name for names in self._sections.values() for name in names if name in self.commands]
        return [*ordered, *(name for name in super().list_commands(ctx) if name not in ordered)]

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Each section with its verbs."""
        placed = {name for names in self._sections.values() for name in names}
        rest = [name for name in self.commands if name not in placed]
        for title, names in (*self._sections.items(), *([("Commands", rest)] if rest else [])):
            rows = [(name, self.commands[name].get_short_help_str(60)) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def wrapped(words: str, indent: int) -> list[str]:
    """Words in lines of a terminal's width, continued with a hanging indent; a key or path is never cut in two."""
    import textwrap

    return textwrap.wrap(
        words,
        80,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_on_hyphens=False,
        break_long_words=False,
    )


def example(*lines: str) -> str:
    """The worked example under a command's help."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def verb(name: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function, with the lines of its worked example."""
    return click.command(name, cls=Verb, epilog=example(*lines))
