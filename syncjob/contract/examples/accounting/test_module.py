"""Acmebooks: what only this vendor does. What every target promises is asked by: pytest --connector acmebooks."""

# ruff: noqa: D103, S101 - a test asserts, and its name tells its story

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from syncjob.contract import cases
from syncjob.contract.wire import Reply
from syncjob.ports import Delivered, Refused

(ACMEBOOKS,) = cases.found(["accounting"], Path(__file__).parent.parent, "acmebooks")


@pytest.fixture
def books(tmp_path: Path) -> cases.TargetCase:
    return cases.TargetCase(ACMEBOOKS, tmp_path)


def test_a_voucher_that_the_vendor_refuses_is_refused_alone_with_the_vendors_sentence(books: cases.TargetCase) -> None:
    first, second, third = next(books.waves())
    (call,) = books.target.prepare([first, second, third])
    assert books.wire is not None
    shown = [{"reference": one.reference, "id": "v_1", "version": 1} for one in (first, third)]
    shown.append({"reference": second.reference, "error": "account 1200 is closed"})
    books.wire.vendor = lambda _: Reply(200, {"vouchers": shown})
    outcomes = {one.key: one for one in books.target.send(call)}
    refused = outcomes[second.key]
    assert isinstance(refused, Refused)
    assert "account 1200 is closed" in str(refused.problem)
    assert isinstance(outcomes[first.key], Delivered)
    assert isinstance(outcomes[third.key], Delivered)


def test_a_field_that_a_voucher_does_not_have_is_refused_before_anything_is_sent(books: cases.TargetCase) -> None:
    one = next(books.waves())[0]
    (call,) = books.target.prepare([replace(one, body={**one.body, "colour": "red"})])
    (refused,) = books.target.send(call)
    assert isinstance(refused, Refused)
    assert "colour" in str(refused.problem)
    assert books.wire is not None
    assert books.wire.requests == []
