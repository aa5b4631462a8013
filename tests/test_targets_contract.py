"""What every target promises, for the targets that come with syncjob; the tests themselves come with syncjob too."""

from __future__ import annotations

from pathlib import Path

from syncjob import config
from syncjob.contract import cases
from syncjob.contract.test_targets import *  # noqa: F403

ROOT = Path(__file__).parent.parent
GROUPS = ("accounting", "crm")


def test_every_target_that_comes_with_syncjob_has_examples_and_is_spoken_to() -> None:
    found = [(group, name, load()) for group in GROUPS for name, load in config.connectors(group).items()]
    bundled = {(group, name) for group, name, module in found if module.__name__.startswith("syncjob.")}
    assert bundled == {(one.group, one.name) for one in cases.found(GROUPS, ROOT) if one.speaks()}
