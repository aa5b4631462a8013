"""auth: a key is asked for unseen, kept where only its owner reads it, and named in syncjob.yaml by its place."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import EXIT_OK, ConnectorDown, Misconfigured, SyncjobError

if TYPE_CHECKING:
    from syncjob.config import Block, Config
    from syncjob.ports import Gateway, Target
    from syncjob.redact import Secret

Given = TypeVar("Given")
_BYTES_MAX = 64 * 1024


@verb("auth", "syncjob auth stripe --home shop", "pass show stripe | syncjob auth stripe --stdin --check")
@click.argument("name", metavar="SOURCE-OR-TARGET")
@click.option("--stdin", "piped", is_flag=True, help="Read the key from standard input, for scripts.")
@click.option("--check/--no-check", "ask", default=None, help="Ask the other side at once whether the key fits.")
def auth(name: str, piped: bool, ask: bool | None) -> int:
    """Store the key of a gateway or target for its owner.

    The key is asked for unseen and goes into the home's secrets folder, so that cron finds it without an environment. Its
    place is written into syncjob.yaml, and nothing else changes there. On a terminal it offers to try the key.
    """
    from syncjob.cli.house import configured

    home = frame().home.absolute()
    config = configured(home)
    block = _block(config, name)
    if not _takes_key(config, block):
        raise Misconfigured(f"{name} ({block.connector}) takes no key: nothing to store")
    edit = _edit(home, block)  # before anything is asked: what cannot be written down need not be typed
    secret = _read(name, piped)
    _guarded(block, secret, lambda: connected(config, block, secret))
    named = _stored(home, config, block, secret, edit)
    click.echo(f"Stored the key of {name} in {home / 'secrets' / name} (only its owner reads it){named}")
    if ask is None:
        ask = not piped and click.confirm(f"Ask {name} now whether the key fits?", default=True)
    return _guarded(block, secret, lambda: _tried(config, block, secret)) if ask else EXIT_OK


def _block(config: Config, name: str) -> Block:
    found = next((one for one in config.blocks if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in config.blocks)
        raise Misconfigured(f"nothing in syncjob.yaml is called {name!r}; it names {names}")
    return found


def _takes_key(config: Config, block: Block) -> bool:
    """A connector that can be put together without a key takes none."""
    if block.key:
        return True
    try:
        connected(config, block, None)
    except Misconfigured:
        return True
    return False


def _read(name: str, piped: bool) -> Secret:
    from syncjob import secrets

    if piped and not sys.stdin.isatty():
        # Bytes that are no text become characters that no key has.
        text = sys.stdin.buffer.read(_BYTES_MAX + 2).decode("utf-8", "surrogateescape")
    elif sys.stdin.isatty():
        text = click.prompt(f"Key of {name} (not shown)", hide_input=True, default="", show_default=False, err=True)
    else:
        raise Misconfigured("there is no terminal to ask for the key; pipe it in and add --stdin")
    return secrets.typed(text)


def connected(config: Config, block: Block, secret: Secret | None) -> Gateway | Target:
    """The connector with this key, without any request: its own rule says whether that can be a key at all."""
    import random
    import time

    from syncjob.cli.house import now
    from syncjob.config import module
    from syncjob.http import Http, Meter
    from syncjob.ports import Options

    http = Http(
        "https://localhost", sleep=time.sleep, monotonic=time.monotonic, now=now, random=random.random, meter=Meter()
    )
    made: Gateway | Target = module(block).connect(Options(block.name, config.home, block.settings, secret), http)
    return made


# ---------------------------------------------------------------- storing


def _edit(home: Path, block: Block) -> tuple[bytes, bytes]:
    """syncjob.yaml as it is and as it will be: the same but for one key."""
    from syncjob import secrets, yamlfile

    try:
        old = (home / "syncjob.yaml").read_bytes()
    except OSError as wrong:
        raise Misconfigured(f"{home / 'syncjob.yaml'} cannot be read: {wrong.strerror}; check its permissions") from wrong
    reference = secrets.kept_in(block.name)
    if block.key == reference:
        return old, old
    keys = (block.group, block.name, "key")
    return old, yamlfile.with_text(old, keys, reference, after="connector", file="syncjob.yaml")


def _stored(home: Path, config: Config, block: Block, secret: Secret, edit: tuple[bytes, bytes]) -> str:
    """Keep the key and name it in syncjob.yaml; gives the words that tell what was changed there."""
    from syncjob import secrets
    from syncjob.wholefile import replacing

    old, new = edit
    path, kept = home / "syncjob.yaml", home / secrets.FOLDER / block.name
    had = kept.exists()
    secrets.keep(home, block.name, secret)
    if new == old:
        return ""
    try:
        if path.read_bytes() != old:
            raise Misconfigured(f"{path} was changed by somebody else just now; run it again")
        with replacing(path) as file:
            file.write(new)
        _same(home, config, block, old)
    except OSError as wrong:
        _undo(kept, had)
        raise Misconfigured(f"{path} cannot be written: {wrong.strerror}; write key: {secrets.kept_in(block.name)}") from None
    except SyncjobError:
        _undo(kept, had)
        raise
    return f" and wrote key: {secrets.kept_in(block.name)} into syncjob.yaml"


def _undo(kept: Path, had: bool) -> None:
    if not had:  # nothing refers to it
        kept.unlink(missing_ok=True)


def _same(home: Path, config: Config, block: Block, old: bytes) -> None:
    """Everything but this one reference still means what it meant, or the file is put back."""
    from dataclasses import replace

    from syncjob import secrets
    from syncjob.cli.house import configured
    from syncjob.wholefile import replacing

    def meaning(read: Config) -> Config:
        return replace(read, blocks=tuple(replace(one, place="") for one in read.blocks))  # a new line moves those below

    wanted = tuple(replace(one, key=secrets.kept_in(one.name)) if one == block else one for one in config.blocks)
    wrong: SyncjobError | None = None
    try:
        if meaning(configured(home)) == meaning(replace(config, blocks=wanted)):
            return
    except SyncjobError as error:
        wrong = error
    with replacing(home / "syncjob.yaml") as file:
        file.write(old)
    cure = f"syncjob.yaml was put back; write key: {secrets.kept_in(block.name)} by hand"
    raise Misconfigured(f"the line for {block.name} would have changed more than its key; {cure}") from wrong


# ---------------------------------------------------------------- trying


def _tried(config: Config, block: Block, secret: Secret) -> int:
    from syncjob.cli.leaving import code_of
    from syncjob.errors import EXIT_AUTHORISATION

    connector = connected(config, block, secret)
    try:
        problems = [str(problem) for problem in connector.check()] or _others(config, block, connector)
    except SyncjobError as error:
        click.echo(_hushed(f"{block.name}: {error}", secret))
        return code_of(error)
    for problem in problems:
        click.echo(_hushed(problem, secret))
    if problems:
        return EXIT_AUTHORISATION
    click.echo(f"{block.name}: the key fits")
    return EXIT_OK


def _others(config: Config, block: Block, connector: Gateway | Target) -> list[str]:
    """Whether the key opens another account than the one whose history the state holds."""
    from syncjob.cli.house import opened

    if "://" not in config.state and not Path(config.state).exists():
        return []
    with opened(config) as store:
        bound = store.bindings().get(block.name)
    if bound is None:
        return []
    known, found = bound[0], connector.identity()
    if (known.account, known.mode) == (found.account, found.mode):
        return []
    cure = "store the old account's key, or give the new account a name of its own"
    return [f"{block.name}: this home has {known.account} ({known.mode}), the key opens {found.account} ({found.mode}); {cure}"]


def _guarded(block: Block, secret: Secret, work: Callable[[], Given]) -> Given:
    """Do something with a connector; whatever it raises, the key is in no sentence and in no traceback."""
    try:
        return work()
    except SyncjobError as error:
        if secret.reveal() not in str(error):
            raise
        kind = Misconfigured if isinstance(error, Misconfigured) else ConnectorDown
        told = kind(_hushed(str(error), secret))
    except Exception as bug:
        if secret.reveal() not in "".join(traceback.format_exception(bug)):
            raise
        told = ConnectorDown(f"{block.connector} failed ({type(bug).__name__}), and what it said held the key; report it")
    raise told


def _hushed(text: str, secret: Secret) -> str:
    return text.replace(secret.reveal(), repr(secret))
