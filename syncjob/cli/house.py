"""A home opened for a command: its configuration, its state, and the job put together from both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs import Job
    from syncjob.store import Store


def now() -> datetime:
    """The machine's own clock; gateways' clocks rule everything that is read from them."""
    return datetime.now(UTC)


def who() -> str:
    """Who decides, for the audit log: the user of this machine."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def configured(home: Path) -> Config:
    """The home's checked configuration; Misconfigured names file, line and cure."""
    from syncjob import config

    return config.read(home.absolute())


@contextmanager
def opened(config: Config, *, create: bool = False) -> Iterator[Store]:
    """The home's state; where there is none yet and none may be made, Misconfigured says what to run first."""
    from syncjob.store import Store

    store = Store.open(config.state, create=create, now=now())
    try:
        yield store
    finally:
        store.close()


def assembled(config: Config, store: Store, say: Callable[[str], None] = lambda _: None) -> Job:
    """The job of a home, secrets resolved; Misconfigured before any request where something does not fit."""
    from dataclasses import replace

    from syncjob.jobs.assembly import assemble

    return replace(assemble(config, store, os.environ), say=say)
