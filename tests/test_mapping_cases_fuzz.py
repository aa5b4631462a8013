"""However a case file is spoilt, it says where, or it says what came: trying one never fails with anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from syncjob.jobs.cases import Bench, Trial
from syncjob.mapping import cases

SHIPPED = cases.found(None)
VALUES = [
    "",
    "[]",
    "{}",
    "null",
    "5",
    "-1",
    "true",
    "x",
    "{a: b}",
    "[1]",
    "'5'",
    "2026-13-01",
    "1e5",
    "9" * 20,
    "~",
    "5 EUR",
    "🍞",
]
SIGNS = ":- {}[],'\"#a5"


def without_a_line(lines: list[str], at: int, dice: random.Random) -> list[str]:
    return lines[:at] + lines[at + 1 :]


def with_a_line_twice(lines: list[str], at: int, dice: random.Random) -> list[str]:
    return [*lines[:at], dice.choice(lines), *lines[at:]]


def with_another_value(lines: list[str], at: int, dice: random.Random) -> list[str]:
    return [*lines[:at], f"{lines[at].partition(':')[0]}: {dice.choice(VALUES)}", *lines[at + 1 :]]


def with_a_sign(lines: list[str], at: int, dice: random.Random) -> list[str]:
    column = dice.randrange(len(lines[at]) + 1)
    return [*lines[:at], lines[at][:column] + dice.choice(SIGNS) + lines[at][column:], *lines[at + 1 :]]


EDITS: list[Callable[[list[str], int, random.Random], list[str]]] = [
    without_a_line,
    with_a_line_twice,
    with_another_value,
    with_a_sign,
]


def test_a_spoilt_case_says_where_or_what(tmp_path: Path):
    dice, bench, outcomes = random.Random(4), Bench(None), list[Trial]()  # noqa: S311 - no secret
    for number in range(600):
        file = dice.choice(SHIPPED)
        lines = file.path.read_text(encoding="utf-8").splitlines()
        for _ in range(dice.choice([1, 1, 2])):
            lines = dice.choice(EDITS)(lines, dice.randrange(len(lines)), dice)
        path = tmp_path / f"{number}.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        outcomes.append(bench.trial(replace(file, path=path), SHIPPED))
    unreadable = [trial for trial in outcomes if trial.unreadable]
    assert all(trial.unreadable.startswith(f"{trial.file.called}:") for trial in unreadable)
    assert len(unreadable) > 100
    assert sum(bool(trial.findings) for trial in outcomes) > 100
