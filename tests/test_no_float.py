"""No float in any amount's path: the sources of the rooms of amounts make none, and none touches an amount while a job runs."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tripwire
from simulated import START, House
from test_demo import ask, served
from test_floors import modules, room_of
from tripwire import Tripped

from syncjob import model, posting, strictjson
from syncjob.cli import main
from syncjob.crm import sqlite
from syncjob.mapping import conversions
from syncjob.model import Fee, Line, Role, canonical
from syncjob.money import Money
from syncjob.ports import Call, Put
from syncjob.store import Store

# ---------------------------------------------------------------- in the sources

# Every room handles amounts but these, in which floats are lengths of time and nothing else.
ROOMS_OF_TIME = {
    "http": "how long to wait for an answer, and before the next try",
    "jobs": "when a run must end, how far a backfill has come, how wide a window is",
    "schedule": "how long until the next run",
    "cli": "time limits, and what is shown of a backfill's progress",
    "contract": "clocks of the vendors that it plays",
    "sandbox": "stands apart; tests of its own prove that its ledger is exact",
}
NAMES = {
    **dict.fromkeys(("float", "complex", "round"), "makes a float, or rounds one"),
    **dict.fromkeys(("math", "cmath", "statistics", "numpy", "fsum", "truediv"), "computes in floats"),
    **dict.fromkeys(("total_seconds", "timestamp", "perf_counter", "monotonic"), "is a float of seconds"),
    **dict.fromkeys(("Float", "REAL", "Double", "Numeric"), "is a column that keeps floats"),
}
SQL = re.compile(r"\b(avg|total|round|julianday)\s*\(|\bREAL\b|\bFLOAT\b|\bDOUBLE PRECISION\b")
FORMAT = re.compile(r"[eEfFgG%]$")
PERCENT_FORMAT = re.compile(r"%[-+ #0-9.]*[eEfFgG](?![A-Za-z])")
FOLDERS = {
    "Path",
    "folder",
    "home",
    "package",
    "parent",
    "root",
    "place",
    "shipped",
}  # what begins a path that is put together with /
ALLOWED = {
    ("deliver", "promises.key_lifetime / 2"): "half of a length of time, which is a length of time",
    ("money", "10 ** (-shift)"): "shift is not above zero there, so the power is a whole number",
}


def floats_in(module: str, text: str) -> Iterator[str]:
    """Every place where a source makes or could make a float, as a sentence."""
    for node in ast.walk(ast.parse(text)):
        why = _why(node)
        if why and (module, ast.unparse(node)) not in ALLOWED:
            yield f"{module}:{getattr(node, 'lineno', '?')}: {ast.unparse(node)}: {why}"


def _why(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=float() | complex()):
            return "is a float"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            return "" if isinstance(node, ast.BinOp) and _is_path(node) else "divides into a float"
        case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
            return "is a float where the power is negative"
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in NAMES:
            return NAMES[name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            imported = {one.name.partition(".")[0] for one in names} | {(getattr(node, "module", "") or "").partition(".")[0]}
            return next((NAMES[name] for name in imported if name in NAMES), "")
        case ast.FormattedValue(format_spec=ast.JoinedStr(values=parts)) if parts:
            last = parts[-1]
            return "is spelled as a float" if isinstance(last, ast.Constant) and FORMAT.search(str(last.value)) else ""
        case ast.Constant(value=str() as said):
            return "is SQL, or a spelling, of floats" if SQL.search(said) or PERCENT_FORMAT.search(said) else ""
    return ""


def _is_path(node: ast.BinOp) -> bool:
    """Whether a / puts a path together: a text stands on one side, or a folder begins it."""
    parts = [node.right]
    left: ast.expr = node.left
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div):
        parts.append(left.right)
        left = left.left
    first = left.func if isinstance(left, ast.Call) else left
    name = first.attr if isinstance(first, ast.Attribute) else first.id if isinstance(first, ast.Name) else ""
    text = any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str)) for part in parts
    )
    return text or name in FOLDERS


def test_the_rooms_of_amounts_make_no_float() -> None:
    texts = {
        module: text for module, text in modules().items() if (room_of(module) or "").partition(".")[0] not in ROOMS_OF_TIME
    }
    assert {
        "money",
        "model",
        "posting",
        "mapping.gateway",
        "plan.books",
        "store.tables",
        "summary.render",
        "crm.sqlite",
    } <= set(texts)
    assert [said for module, text in texts.items() for said in floats_in(module, text)] == []


def test_every_exception_is_still_needed() -> None:
    found = {
        (module, ast.unparse(node)) for module, text in modules().items() for node in ast.walk(ast.parse(text)) if _why(node)
    }
    assert ALLOWED.keys() <= found
    rooms = {(room_of(module) or "").partition(".")[0] for module, text in modules().items() if list(floats_in(module, text))}
    assert rooms == ROOMS_OF_TIME.keys()


@pytest.mark.parametrize(
    "line",
    [
        "share = amount.minor / 3",
        "minor /= 100",
        "minor = int(0.5 + 1)",
        "minor = float(text)",
        "minor = round(minor, -1)",
        "import math",
        "from math import floor",
        "from operator import truediv",
        "minor = 5 * 10 ** -2",
        "seconds = (until - since).total_seconds()",
        'shown = f"{minor:.2f}"',
        'shown = "%.2f" % minor',
        'db.execute("SELECT total(amount) FROM payments")',
        'column = "amount REAL"',
        "from sqlalchemy import Numeric",
    ],
)
def test_a_line_that_would_make_a_float_is_found(line: str) -> None:
    assert list(floats_in("posting", line)) != []


@pytest.mark.parametrize(
    "line", ["path = folder / name", "path = x / 'a'", "n = a // b", 'f"{n:03d}"', "'a total of 5'", "10 ** 2"]
)
def test_a_line_that_makes_none_is_not(line: str) -> None:
    assert list(floats_in("posting", line)) == []


# ---------------------------------------------------------------- while a job runs


def job(tmp_path: Path, scenario: str, *, ticks: int = 0) -> tuple[House, Any]:
    """A first, nightly run over a simulated month, and ticks after it, between the wires."""
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", 7, "--clock", START.isoformat()) as url:
        with served("stripe", "--port", 0, "--scenario", scenario, "--seed", 7) as whole:
            invoices = ask(whole, "invoices")
        ask(url, "advance", {"seconds": int(timedelta(days=26).total_seconds())})
        house = House(tmp_path / "home", url, invoices, whole=True)
        with tripwire.laid() as passed:
            tripwire.look(house.run(nightly=True), "the report")
            for _ in range(ticks):
                ask(url, "advance", {"seconds": 86_400})
                tripwire.look(house.run(nightly=True), "the report")
            for arguments in (["summary"], ["summary", "--json"], ["status", "--json"]):
                main(["--home", str(house.folder), *arguments])
    return house, passed


def test_no_float_touches_an_amount_in_a_whole_job(tmp_path: Path) -> None:
    house, passed = job(tmp_path, "whole", ticks=2)
    assert len(house.crm()["payments"]) > 20
    # The wires lay where the job went: amounts, values, both maps, the state, the calls, JSON and the CRM's own file.
    ways = ("Money", "Transaction", "Fee", "Entry", "Line", "Document", "Delivery", "Call", "Balance", "Leg", "GatewayMap.read")
    more = ("TargetMap.body", "Store.save", "Store.commit_calls", "SQL of the store", "SQLite", "json.dumps")
    assert [way for way in (*ways, *more, "syncjob.model._ENCODE", "syncjob.strictjson.read") if not passed[way]] == []
    assert tripwire.reals(house.folder / "state/syncjob.sqlite") == []
    assert tripwire.reals(house.folder / "crm.sqlite") == []


EURO = Money(100, "EUR")
PLANTS: dict[str, Callable[[Path], object]] = {
    "as minor units": lambda _: Money(1.5, "EUR"),  # type: ignore[arg-type]
    "added to an amount": lambda _: EURO + 0.5,  # type: ignore[operator]
    "taken from an amount": lambda _: EURO - 0.5,  # type: ignore[operator]
    "times an amount": lambda _: EURO * 1.19,  # type: ignore[operator]
    "an amount times it": lambda _: 1.19 * EURO,  # type: ignore[operator]
    "an amount by it": lambda _: EURO / 1.19,  # type: ignore[operator]
    "in a fee": lambda _: Fee("stripe_fee", 1.5),  # type: ignore[arg-type]
    "in a line of an entry": lambda _: Line(Role.CLEARING, EURO, home=0.5),  # type: ignore[arg-type]
    "in a body": lambda _: Put(
        "k", model.DocumentKind.PAYMENT, model.Action.CREATE, 1, 1, "r", {"postings": [{"amount": 1.5}]}
    ),
    "in the bytes of a call": lambda _: Call("k", (), b'[{"amount": 48.25}]'),
    "in canonical JSON": lambda _: canonical({"amount": 48.25}),
    "in JSON": lambda _: json.dumps({"amount": 48.25}),
    "in the state": lambda home: Store.open(str(home / "s.sqlite"), create=True).set_fact("rate", [1.1575]),  # type: ignore[list-item]
    "in a file of SQLite": lambda home: sqlite3.connect(home / "x.sqlite").execute("SELECT ?", (0.5,)),
}


@pytest.mark.parametrize("planted", PLANTS)
@pytest.mark.filterwarnings("ignore:unclosed database")
def test_a_planted_float_trips(planted: str, tmp_path: Path) -> None:
    with tripwire.laid(), pytest.raises(Tripped):
        PLANTS[planted](tmp_path)


def test_a_float_that_the_reader_of_json_lets_through_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictjson, "_FAST", json.JSONDecoder())
    with tripwire.laid(), pytest.raises(Tripped, match=r"strictjson\.read gives\['amount'\] is 48\.25"):
        strictjson.read(b'{"amount": 48.25}')


def amounts_as_floats(_: Any, body: Any) -> dict[str, Any]:
    return {"amount_minor": float(body["amount"]), "currency": body["currency"]}


@pytest.mark.parametrize(
    ("module", "name", "instead"),
    [
        (conversions, "from_gateway", lambda _, amount, currency: Money(amount / 100, currency)),
        (posting, "claim", lambda one: Money(one.gross.minor * 1.0, one.gross.currency)),
        (sqlite, "_amounts", amounts_as_floats),
    ],
    ids=["the gateway's map", "posting", "the CRM"],
)
def test_a_float_that_a_mistake_lets_into_a_job_trips(
    module: Any, name: str, instead: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, instead)
    with pytest.raises(Tripped):
        job(tmp_path, "tidy")
