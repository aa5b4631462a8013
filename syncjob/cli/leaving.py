"""How a command ends when it cannot go on: one sentence on stderr and the documented exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from syncjob import errors
from syncjob.cli.command import Frame

PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # whoever makes room there may run the same command again
STATE_FAULTS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EDQUOT)
STOPPED = "stopped; nothing is lost, the next run goes on from here"


def cautious() -> None:
    """No core dumps (they would hold keys), and SIGTERM ends a command as Ctrl-C does."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def code_of(error: errors.SyncjobError) -> int:
    """The exit code of one of our own errors where it ends a command."""
    match error:
        case errors.StateDamaged():
            return errors.EXIT_STATE
        case errors.Busy():
            return errors.EXIT_BUSY
        case errors.NeedsPerson():
            return errors.EXIT_AUTHORISATION
        case errors.ConnectorDown() | errors.TryLater() | errors.NotSent() | errors.OutcomeUnknown():
            return errors.EXIT_TRANSIENT
    return errors.EXIT_CONFIGURATION


def leave(error: BaseException, frame: Frame) -> int:
    """Say why a command ends, and give its exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            error.show()
            return errors.EXIT_CONFIGURATION
        case KeyboardInterrupt() | click.Abort():
            say(STOPPED)
            return errors.EXIT_TRANSIENT
        case errors.SyncjobError():
            say(str(error))
            return code_of(error)
        case SystemExit():
            return errors.EXIT_OK  # click's own way out when nobody reads on (syncjob show ... | head)
        case OSError() if error.errno in STATE_FAULTS and error.filename is not None:
            say(f"{error.filename}: {error.strerror}; give the user who runs syncjob the right and the room to write there")
            return errors.EXIT_STATE
        case OSError() if error.errno in PASSING and _while_reporting(error):
            forget_stdout()
            say(f"standard output cannot be written: {error.strerror}; make room there and run it again")
            return errors.EXIT_TRANSIENT
    return _bug(error, frame)


def _while_reporting(error: BaseException) -> bool:
    """Whether it was a report that could not be written: they all leave through click.echo."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is click.echo.__code__


def forget_stdout() -> None:
    """What could not be written will not be tried again when Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _bug(error: BaseException, frame: Frame) -> int:
    kept = keep_traceback(error, frame.home)
    where = f"the traceback is in {kept}" if kept else "the traceback could not be kept"
    say(f"syncjob itself failed ({type(error).__name__}); the state is safe, {where}: please report it")
    return errors.EXIT_BUG


def keep_traceback(error: BaseException, home: Path) -> Path | None:
    """Write a traceback, redacted and readable by its owner alone, under state/ (else in the temporary folder)."""
    import traceback
    from datetime import UTC, datetime

    from syncjob.redact import clean

    text = clean("".join(traceback.format_exception(error)))
    name = f"failed-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
    for folder in (home / "state", Path(tempfile.gettempdir())):
        with suppress(OSError):
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return folder / name
    return None


def say(sentence: str) -> None:
    """One line for people, on stderr."""
    click.echo(f"syncjob: {sentence}", err=True)
