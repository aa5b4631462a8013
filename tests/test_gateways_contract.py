"""What every gateway promises, for the gateways that come with syncjob; the tests themselves come with syncjob too."""

from __future__ import annotations

from pathlib import Path

from syncjob import config
from syncjob.contract import cases
from syncjob.contract.test_gateways import *  # noqa: F403

ROOT = Path(__file__).parent.parent


def test_every_gateway_that_comes_with_syncjob_has_examples() -> None:
    bundled = {name for name, load in config.connectors("gateways").items() if load().__name__.startswith("syncjob.")}
    assert bundled == {one.name for one in cases.found(["gateways"], ROOT)}
