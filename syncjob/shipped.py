"""Where the maps and posting rules that came with syncjob stand."""

from __future__ import annotations

from pathlib import Path

import syncjob
from syncjob.errors import Misconfigured


def folder() -> Path:
    """The folder of the maps that came with syncjob: inside the package, or at the top of a source checkout."""
    package = Path(syncjob.__file__).parent
    for one in (package / "mappings", package.parent / "mappings"):
        if (one / "gateways").is_dir():
            return one
    raise Misconfigured(f"the maps that come with syncjob are not beside {package}; install syncjob again")
