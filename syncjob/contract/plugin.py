"""`pytest --connector NAME`: the contract of one connector, and its own tests, in whatever project pytest was started.

pytest loads it by itself where syncjob is installed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

_HERE = Path(__file__).parent
_SUITES = {"gateways": "test_gateways.py", "accounting": "test_targets.py", "crm": "test_targets.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    group = parser.getgroup("syncjob")
    group.addoption(
        "--connector",
        metavar="NAME",
        help="run the contract of this syncjob connector, and its own tests/test_NAME.py (or the paths that are given)",
    )
    group.addoption(
        "--write-expected", action="store_true", help="write what a gateway's examples mean into expected.json, to be read"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose what is collected: the suites of the connector's families, then its own tests or the paths that were given."""
    name = config.getoption("connector", None)
    if name is None:
        return
    from syncjob.config import GROUPS, connectors

    families = [group for group in GROUPS if name in connectors(group)]
    if not families:
        known = ", ".join(sorted({one for group in GROUPS for one in connectors(group)}))
        raise pytest.UsageError(f"--connector {name}: no such connector is installed; there are {known}")
    suites = dict.fromkeys(str(_HERE / _SUITES[group]) for group in families)
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    config.args[:] = [*suites, *(config.args if given else _own(config.rootpath / "tests", name))]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """The suites are modules of an installed package, wherever that stands."""
    if module_path.parent != _HERE:
        return None
    suite: pytest.Module = _Suite.from_parent(parent, path=module_path, nodeid=f"syncjob/contract/{module_path.name}")
    return suite


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that is for none of the connectors at hand is left out: it is no skip that somebody would have to read."""
    idle = [one for one in items if _is_idle(one)]
    if idle:
        items[:] = [one for one in items if one not in idle]
        config.hook.pytest_deselected(items=idle)


def _is_idle(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not item.function.__module__.startswith("syncjob.contract."):
        return False
    skip = item.get_closest_marker("skip")
    return skip is not None and str(skip.kwargs.get("reason", "")).startswith("got empty parameter set")


class _Suite(pytest.Module):
    """A suite, imported by its name: by its path, pytest would put the folder of all installed packages first on sys.path."""

    def _getobj(self) -> ModuleType:
        return importlib.import_module(f"syncjob.contract.{self.path.stem}")


def _own(folder: Path, name: str) -> list[str]:
    return [str(path) for pattern in (f"test_{name}.py", f"test_{name}_*.py") for path in sorted(folder.glob(pattern))]
