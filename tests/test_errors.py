"""A run says the worst that happened, and a problem is one sentence with its cure."""

from __future__ import annotations

from itertools import combinations

import pytest

from syncjob import errors
from syncjob.errors import Problem, exit_code


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (set(), 0),
        ({3}, 3),
        ({3, 5}, 5),
        ({3, 5, 6}, 6),
        ({1, 3, 5, 6}, 1),
        ({1, 3, 5, 6, 7}, 7),
        ({0, 3}, 3),
        ({0, 5}, 5),
    ],
)
def test_the_exit_code_is_the_first_that_applies(codes: set[int], code: int) -> None:
    assert exit_code(codes) == code


def test_of_any_two_codes_the_graver_one_is_told() -> None:
    gravest_first = [7, 1, 6, 5, 3, 0]
    for graver, milder in combinations(gravest_first, 2):
        assert exit_code({graver, milder}) == graver


def test_a_problem_reads_as_one_sentence_with_place_thing_reason_and_cure() -> None:
    assert str(Problem("movement txn_1", "shop", "its amount changed", "compare it")) == (
        "shop: movement txn_1: its amount changed; compare it"
    )
    assert str(Problem("movement txn_1", "", "its amount changed")) == "movement txn_1: its amount changed"


def test_every_error_is_one_family_and_a_person_is_needed_only_where_a_connector_is_down() -> None:
    raised = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert all(issubclass(one, errors.SyncjobError) for one in raised)
    assert issubclass(errors.NeedsPerson, errors.ConnectorDown)


def test_an_error_carries_what_the_next_step_needs() -> None:
    assert errors.TryLater("429").not_before is None
    refused = errors.RecordRefused("type is 'x'", "map.yaml:3", "add it")
    assert (str(refused), refused.place, refused.cure) == ("type is 'x'", "map.yaml:3", "add it")
