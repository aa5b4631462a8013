"""What every test may ask for: a fresh state in SQLite and in PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import postgres
import pytest

from syncjob.store import Store

_NUMBERS = count(1)
pytest_plugins = ["syncjob.contract.plugin"]  # --connector, also where syncjob itself is not installed


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One PostgreSQL server for the whole session; skipped by name where the machine has none."""
    if postgres.binaries() is None:
        if os.environ.get(postgres.NEEDED) == "1":
            pytest.fail("no PostgreSQL binaries on this machine, and SYNCJOB_REQUIRE_POSTGRESQL is 1")
        pytest.skip("no PostgreSQL binaries on this machine")
    with postgres.server(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes the URL of a new, empty state each time it is called, in each kind of database."""
    if request.param == "sqlite":
        return lambda: str(tmp_path / f"state-{next(_NUMBERS)}" / "syncjob.sqlite")
    server = request.getfixturevalue("postgresql")

    def database() -> str:
        import psycopg

        name = f"state_{next(_NUMBERS)}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return server.rsplit("/", 1)[0] + f"/{name}"

    return database


@pytest.fixture
def store_url(fresh_url: Callable[[], str]) -> str:
    """The URL of one new, empty state."""
    return fresh_url()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """One new, empty state, open."""
    opened = Store.open(store_url)
    yield opened
    opened.close()
