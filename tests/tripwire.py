"""A wire across every way that an amount takes through the program: a float that touches it ends the test at once.

Nothing that the job catches is raised, so no loop can turn a float into a held record and go on.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from syncjob import model, ports, strictjson
from syncjob.mapping import GatewayMap, TargetMap
from syncjob.money import Money
from syncjob.store import Store

OF_TIME = ("http", "jobs", "schedule", "timetable", "cli", "contract", "sandbox")  # rooms whose values hold lengths of time
OPERATIONS = (
    "__add__",
    "__radd__",
    "__sub__",
    "__rsub__",
    "__mul__",
    "__rmul__",
    "__truediv__",
    "__rtruediv__",
    "__floordiv__",
)


class Tripped(BaseException):
    """A float stood where an amount passes; nothing may catch this."""


def look(value: object, where: str) -> None:
    """Walk through a value of any depth, and through the JSON of a Call; raises Tripped at the first float."""
    waiting: list[tuple[object, str]] = [(value, where)]
    while waiting:
        one, path = waiting.pop()
        if isinstance(one, (float, complex)):
            raise Tripped(f"{path} is {one!r}")
        if isinstance(one, Mapping):
            waiting += [(inner, f"{path}[{key!r}]") for key, inner in one.items()]
            waiting += [(key, f"a key of {path}") for key in one]
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting += [(inner, f"{path}[{number}]") for number, inner in enumerate(one)]
        elif isinstance(one, ports.Call):  # what goes out; in what comes in, a vendor's rate of exchange may have a fraction
            json.loads(one.request, parse_float=lambda text, path=path: look(float(text), f"{path}.request"))
        elif dataclasses.is_dataclass(one) and not isinstance(one, type):
            waiting += [(getattr(one, each.name), f"{path}.{each.name}") for each in dataclasses.fields(one)]


class Watched(sqlite3.Connection):
    """A connection whose parameters are looked at."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        look(parameters, "a parameter of SQLite")
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        rows = list(parameters)
        look(rows, "a parameter of SQLite")
        return super().executemany(sql, rows)


@contextmanager
def laid() -> Iterator[Counter[str]]:
    """Lay the wires; the counter tells what passed them, so that a test can say that they were where it went."""
    passed: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        _around_money(patch, passed)
        _around_values(patch, passed)
        for owner, names in ((strictjson, ["read"]), (GatewayMap, ["read"]), (TargetMap, ["body"]), (Store, _public(Store))):
            for name in names:
                _around(patch, passed, owner, name)
        _around(patch, passed, model, "_ENCODE")
        _around(patch, passed, json, "dumps")
        patch.setattr(sqlite3, "connect", _watched(sqlite3.connect, passed))

        def sent(_: Any, __: Any, ___: str, parameters: Any, *____: Any) -> None:
            passed["SQL of the store"] += 1
            look(parameters, "a parameter of the store")

        event.listen(Engine, "before_cursor_execute", sent)
        try:
            yield passed
        finally:
            event.remove(Engine, "before_cursor_execute", sent)


def _public(owner: type) -> list[str]:
    made = ("open", "close", "run_lock", "together", "copy_to")  # these hand out a store or a lock
    return [name for name, one in vars(owner).items() if callable(one) and not name.startswith("_") and name not in made]


def _around(patch: pytest.MonkeyPatch, passed: Counter[str], owner: Any, name: str) -> None:
    """Look at what a function is given and at what it gives back."""
    real: Callable[..., Any] = getattr(owner, name)
    called = f"{getattr(owner, '__name__', owner)}.{name}"

    def watched(*given: Any, **named: Any) -> Any:
        passed[called] += 1
        look(given, f"what {called} is given")
        look(named, f"what {called} is given")
        made = real(*given, **named)
        look(made, f"what {called} gives")
        return made

    patch.setattr(owner, name, watched)


def _around_values(patch: pytest.MonkeyPatch, passed: Counter[str]) -> None:
    rooms = [(name, module) for name, module in sys.modules.items() if name.startswith("syncjob.")]
    for name, module in rooms:
        if name.split(".")[1] not in OF_TIME:
            for one in list(vars(module).values()):
                if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == name and one is not Money:
                    patch.setattr(one, "__init__", _looking(one, passed))
    made: Any = model.Delivery.__new__

    def new(cls: type, *given: Any, **named: Any) -> Any:
        passed["Delivery"] += 1
        look((given, named), "Delivery")
        return made(cls, *given, **named)

    patch.setattr(model.Delivery, "__new__", new)


def _looking(cls: type, passed: Counter[str]) -> Callable[..., None]:
    real: Any = cls.__init__  # type: ignore[misc]

    def init(self: Any, *given: Any, **named: Any) -> None:
        passed[cls.__name__] += 1
        real(self, *given, **named)
        look(self, cls.__name__)

    return init


def _around_money(patch: pytest.MonkeyPatch, passed: Counter[str]) -> None:
    post_init = Money.__post_init__

    def checked(self: Money) -> None:
        passed["Money"] += 1
        look((self.minor, self.currency), "Money")
        post_init(self)

    patch.setattr(Money, "__post_init__", checked)
    for name in OPERATIONS:
        real: Any = getattr(Money, name, None)

        def operated(self: Money, other: Any, name: str = name, real: Any = real) -> Any:
            look(other, f"the operand of Money.{name}")
            return real(self, other) if real is not None else NotImplemented

        patch.setattr(Money, name, operated, raising=False)


def _watched(connect: Callable[..., Any], passed: Counter[str]) -> Callable[..., Any]:
    def connected(*given: Any, **named: Any) -> Any:
        passed["SQLite"] += 1
        return connect(*given, **{"factory": Watched, **named})

    return connected


def reals(path: Any) -> list[str]:
    """Every column of a SQLite file in which a cell is kept as a float."""
    found = []
    db = sqlite3.connect(path)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
        for table in tables:
            for column in [row[0] for row in db.execute(f'SELECT * FROM "{table}" LIMIT 0').description]:  # noqa: S608
                (number,) = db.execute(f'SELECT count(*) FROM "{table}" WHERE typeof("{column}") = \'real\'').fetchone()  # noqa: S608
                found += [f"{table}.{column}"] if number else []
    finally:
        db.close()
    return found
