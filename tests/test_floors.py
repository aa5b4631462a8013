"""The house has floors: imports go down only, neighbours do not know each other, a third-party package has one home.

The table below is the plan of the house. A new module stands in it before it is used: an unknown one fails.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "syncjob"

# A room is a module, or a package with all that is in it. "gateways.*": each module in it is a room of its own.
FLOORS: dict[float, str] = {
    0: "money moment redact yamlfile strictjson csvfile wholefile shipped",
    1: "model",
    2: "ports places crosswalk bankfile",
    3: "mapping posting matching plan deliver reconcile landing chart roles summary workflows audit timetable",
    4: "http store secrets mail",
    5: "gateways.* accounting.* crm.* events.*",
    5.5: "config",
    6: "jobs watch schemas",
    7: "schedule review contract",
    8: "cli __main__",
}
EVERYBODYS = {"errors", "__version__"}
APART = "sandbox"  # imports nothing of syncjob; only the command line starts it

# Who knows a neighbour all the same, and why.
NEIGHBOURS: dict[tuple[str, str], str] = {
    ("matching", "posting"): "an application settles what posting calls the claim of a movement",
    ("plan", "posting"): "planning is where entries are made",
    ("plan", "matching"): "and where payments find their invoices",
    ("plan", "chart"): "documents for books carry account codes",
    ("summary", "reconcile"): "the page shows the legs as they were compared",
    ("__main__", "cli"): "python -m syncjob is the command line",
}

HOMES: dict[str, set[str]] = {
    "requests": {"http", "contract"},  # the contract plays vendors in the place where requests would open a connection
    "urllib3": {"http", "contract"},
    "pytest": {"contract"},
    "tenacity": {"http"},
    "sqlmodel": {"store"},
    "sqlalchemy": {"store"},
    "psycopg": {"store"},
    "yaml": {"yamlfile"},
    "dateutil": {"moment"},
    "babel": {"summary"},
    "pycountry": {"places"},
    "jinja2": {"summary", "review"},
    "openpyxl": {"summary"},
    "xlsxwriter": {"summary"},
    "werkzeug": {"sandbox", "review"},
    "rich": {"cli"},
    "click": {"cli"},
    "apscheduler": {"schedule"},
    "authlib": {"cli", "http"},
    "keyring": {"secrets"},
    # Standard library, but dangerous enough to have one home as well.
    "sqlite3": {"store", "crm.sqlite"},
    "decimal": {"money"},
    "smtplib": {"mail"},
}


def rooms() -> dict[str, float]:
    """Every room that the plan names, with its floor."""
    return {room: floor for floor, names in FLOORS.items() for room in names.split()}


def room_of(module: str) -> str | None:
    """The room a module stands in, None where the plan has none: plan.books is in plan, crm.sqlite.schema in crm.sqlite."""
    first, _, rest = module.partition(".")
    known = rooms()
    if first in known or first in EVERYBODYS or first == APART:
        return first
    if f"{first}.*" in known:
        return f"{first}.{rest.partition('.')[0]}" if rest else ""
    return None if first else ""


def floor_of(room: str) -> float:
    """The floor of a room."""
    known = rooms()
    return known[room] if room in known else known[f"{room.partition('.')[0]}.*"]


def modules() -> dict[str, str]:
    """Every module of the package by its dotted name without "syncjob", with its text."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path.read_text(encoding="utf-8")
    return found


def imported(module: str, text: str, packages: set[str]) -> Iterator[str]:
    """What a module imports, absolute: "syncjob.money", "requests.adapters". Imports inside functions count as well."""
    inside = ["syncjob", *module.split(".")] if module else ["syncjob"]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                up = node.level - (module in packages or not module)
                base = inside[: len(inside) - up] if up else inside
                origin = ".".join([*base, origin] if origin else base)
            # "from syncjob.crm import sqlite" names a module, "from syncjob.money import Money" does not: longer is safe.
            yield from (f"{origin}.{alias.name}" if origin.startswith("syncjob") else origin for alias in node.names)


def wrongs(texts: Mapping[str, str]) -> list[str]:
    """Every import that goes where it must not, as a sentence."""
    packages = {name.rpartition(".")[0] for name in texts if "." in name}
    found: list[str] = []
    for module, text in texts.items():
        here = room_of(module)
        if here is None:
            found.append(f"{module} stands on no floor: give it its place in FLOORS")
            continue
        for name in imported(module, text, packages):
            top, _, rest = name.partition(".")
            complaint = _wrong_inside(here, rest) if top == "syncjob" else _wrong_outside(here, top)
            if complaint:
                found.append(f"{module or 'syncjob'} imports {name}: {complaint}")
    return found


def _wrong_inside(here: str, name: str) -> str:
    there = room_of(name)
    if there is None:
        return "that stands on no floor"
    if there in ("", here) or (there in EVERYBODYS and here != APART):
        return ""
    if APART in (here, there):
        return "" if here == "cli" else "the sandbox stands apart"
    if here in EVERYBODYS or here == "":
        return "what everybody uses knows nobody"
    if (here, there) in NEIGHBOURS or floor_of(there) < floor_of(here):
        return ""
    return "imports go down only" if floor_of(there) > floor_of(here) else "neighbours do not know each other"


def _wrong_outside(here: str, top: str) -> str:
    if top in HOMES:
        return "" if here in HOMES[top] else f"its home is {' or '.join(sorted(HOMES[top]))}"
    if top in sys.stdlib_module_names:
        return ""
    # An embedded target brings its own library, and nobody else uses it.
    return "" if here in (f"accounting.{top}", f"crm.{top}", f"gateways.{top}") else "it has no home: give it one in HOMES"


def test_every_import_of_the_house_goes_where_it_may() -> None:
    texts = modules()
    assert {"money", "plan.books", "store.tables", ""} <= set(texts)  # the house was found
    assert wrongs(texts) == []


def test_only_the_permissions_that_are_used_are_kept() -> None:
    texts = modules()
    packages = {name.rpartition(".")[0] for name in texts if "." in name}
    used = {
        (room_of(module), room_of(name.removeprefix("syncjob.")))
        for module, text in texts.items()
        for name in imported(module, text, packages)
        if name.startswith("syncjob.")
    }
    built = {room_of(module) for module in texts}
    assert [pair for pair in NEIGHBOURS if pair not in used and set(pair) <= built] == []


@pytest.mark.parametrize(
    ("module", "text", "complaint"),
    [
        ("money", "from syncjob.model import Line", "imports go down only"),
        ("money", "from syncjob import moment", "neighbours"),
        ("posting", "from syncjob.matching import match", "neighbours"),
        ("plan.books", "from syncjob import deliver", "neighbours"),
        ("plan.books", "def f():\n    import syncjob.store", "imports go down only"),
        ("plan.books", "from ..store import Store", "imports go down only"),
        ("gateways.stripe", "from syncjob.crm import sqlite", "neighbours"),
        ("gateways.stripe", "import syncjob.gateways.paypal", "neighbours"),
        ("crm.sqlite", "from syncjob.jobs import run", "imports go down only"),
        ("errors", "from syncjob.money import Money", "knows nobody"),
        ("jobs.poll", "from syncjob.sandbox import stripe", "stands apart"),
        ("sandbox.stripe", "from syncjob.money import decimals", "stands apart"),
        ("sandbox.stripe", "from syncjob.errors import Problem", "stands apart"),
        ("posting", "import requests", "its home is contract or http"),
        ("jobs", "from sqlalchemy import select", "its home is store"),
        ("gateways.stripe", "import sqlite3", "its home is crm.sqlite or store"),
        ("gateways.stripe", "import stripe_sdk", "has no home"),
        ("crm.sqlite", "import beancount", "has no home"),
        ("utils", "", "stands on no floor"),
        ("jobs", "from syncjob import utils", "stands on no floor"),
    ],
)
def test_an_import_that_goes_where_it_must_not_is_named(module: str, text: str, complaint: str) -> None:
    (told,) = wrongs({module: text})
    assert complaint in told


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("plan", "from syncjob.posting import post"),
        ("plan.books", "from syncjob.plan import proceed\nfrom . import crm"),
        ("crm.sqlite.schema", "from syncjob.crm.sqlite.export import rows\nimport sqlite3"),
        ("accounting.beancount", "from beancount import loader\nfrom syncjob.errors import Problem"),
        ("sandbox.stripe", "from syncjob.sandbox import world\nfrom werkzeug import Request"),
        ("cli", "from syncjob.sandbox import stripe\nimport click"),
        ("store.schema", "from syncjob import __version__"),
    ],
)
def test_an_import_that_goes_where_it_may_is_not(module: str, text: str) -> None:
    assert wrongs({module: text}) == []


HANDLING_AMOUNTS = {
    *("money", "model", "ports", "mapping", "posting", "matching", "plan", "reconcile", "chart"),
    *("store", "summary", "landing", "deliver", "gateways", "accounting", "crm"),
}


def test_no_float_is_made_where_money_passes() -> None:
    """Waiting times are floats; amounts never are, so the rooms of amounts make none at all."""
    for module, text in modules().items():
        if (room_of(module) or "").partition(".")[0] in HANDLING_AMOUNTS:
            for node in ast.walk(ast.parse(text)):
                made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
                written = isinstance(node, ast.Constant) and isinstance(node.value, float)
                assert not made, f"{module}:{node.lineno} makes a float"  # type: ignore[attr-defined]
                assert not written, f"{module}:{node.lineno} writes a float"  # type: ignore[attr-defined]
