"""A file is replaced whole or not at all: a temporary file beside it, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NEW = 0o666  # less what the user's umask takes away


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well; when it does not, the old one stands untouched.

    `mode` None keeps that of the old file. A link is followed, so that it stays a link. Raises OSError where the disk refuses,
    and for what is there and no file.
    """
    real = Path(os.path.realpath(path))
    there = _mode_of(real)
    wanted = mode if mode is not None else there
    part = real.with_name(f".{real.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _NEW if wanted is None else wanted)
    try:
        with os.fdopen(handle, "wb") as file:
            if wanted is not None:
                os.fchmod(file.fileno(), wanted)  # the umask may have taken something away
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(real)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    folder = os.open(real.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _mode_of(path: Path) -> int | None:
    """The permissions of a file, None where there is none; a device or folder in its place is an OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(17, "it is there and is no file", str(path))
    return stat.S_IMODE(found.st_mode)
