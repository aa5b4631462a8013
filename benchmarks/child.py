"""One command in a process of its own, and what it cost: wall and CPU seconds, peak memory in bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_MAX = 1_800
# ru_maxrss is in KiB on Linux and in bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1_024


class Failed(Exception):
    """A measured command did not end as it should; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost, and what it said. `cpu` is user + system seconds of the process and of all it waited for."""

    wall: float
    cpu: float
    peak: int
    code: int
    out: str
    err: str


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str], good: Sequence[int] = (0,)) -> Cost:
    """Run a command and measure it; raises Failed when its exit code is none of the good ones.

    The peak cannot be told below that of this process (the kernel counts the moment between fork and exec), so this
    process imports little and keeps nothing big.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err)  # noqa: S603
        watch = threading.Timer(SECONDS_MAX, process.kill)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # wait4 took the status away from Popen
        cost = Cost(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            peak=usage.ru_maxrss * _RSS_UNIT,
            code=process.returncode,
            out=_text(out),
            err=_text(err),
        )
    if cost.code not in good:
        said = "\n".join((cost.err or cost.out).splitlines()[-30:])
        raise Failed(f"exit code {cost.code} of: {' '.join(command)}\n{said}")
    return cost


def _text(file: object) -> str:
    file.seek(0)  # type: ignore[attr-defined]
    return str(file.read().decode("utf-8", "replace"))  # type: ignore[attr-defined]


def bytes_in(folder: Path) -> int:
    """How many bytes the files below a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
