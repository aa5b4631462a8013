"""The lower bounds that setup.cfg states, as constraints for pip; and whether an environment really holds them.

    python3 .ci/lower_bounds.py              prints name==bound for each dependency
    PYTHON .ci/lower_bounds.py --installed   fails, naming each package of that Python that is not at its bound

It needs nothing but the standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SETUP = Path(__file__).resolve().parent.parent / "setup.cfg"
EXTRAS = ("postgresql", "test")  # bench measures another program beside ours; its newest version is wanted
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?P<bounds>[^;]*)")
_LOWEST = re.compile(r">=\s*([0-9][A-Za-z0-9.]*)")


def bounds(text: str) -> dict[str, str]:
    """Each dependency of a setup.cfg with its lower bound. Raises ValueError naming one without, or with two different ones."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    lines = parser["options"]["install_requires"].splitlines()
    for extra in EXTRAS:
        lines += parser["options.extras_require"][extra].splitlines()
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines)):
        parts = _REQUIREMENT.match(line)
        lowest = _LOWEST.findall(parts["bounds"]) if parts else []
        if parts is None or len(lowest) != 1:
            raise ValueError(f"setup.cfg: {line!r} states no lower bound; write NAME>=VERSION with the oldest that works")
        name = re.sub(r"[-_.]+", "-", parts["name"]).lower()
        if found.setdefault(name, lowest[0]) != lowest[0]:
            raise ValueError(f"setup.cfg: {name} has the lower bounds {found[name]} and {lowest[0]}; write the same in both")
    return found


def strayed(wanted: dict[str, str]) -> list[str]:
    """Packages of this Python that are not at their bound, one sentence each."""
    said = []
    for name, bound in wanted.items():
        try:
            seen = version(name)
        except PackageNotFoundError:
            said.append(f"{name} is not installed, its lower bound is {bound}")
            continue
        if _numbers(seen) != _numbers(bound):
            said.append(f"{name} is {seen}, its lower bound is {bound}")
    return said


def _numbers(text: str) -> list[str]:
    """8.2 and 8.2.0 are one version."""
    parts = text.split(".")
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return parts


def main(arguments: list[str]) -> int:
    """Print the constraints, or with --installed what does not hold them."""
    wanted = bounds(SETUP.read_text(encoding="utf-8"))
    if not arguments:
        print("\n".join(f"{name}=={bound}" for name, bound in wanted.items()))  # noqa: T201 - what it is for
        return 0
    wrong = strayed(wanted) if arguments == ["--installed"] else [f"{arguments[0]} is no option of this; --installed is"]
    print("\n".join(wrong) or f"all {len(wanted)} packages are at their lower bound")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
