"""The bundled Stripe simulator as a child process, and its control routes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

KEY = "sk_test_sandbox"
_STOP_SECONDS = 10
_NOT_FIXED = ("limit", "starting_after", "ending_before")


@dataclass(frozen=True, slots=True)
class Feed:
    """A list that the job pages by time, with the parameters that every page of it carries."""

    name: str
    path: str
    params: tuple[tuple[str, str], ...]


class Simulator:
    """A running simulator's control routes."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One control request; the JSON value of its answer."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_sandbox/{path}", data, method=method)  # noqa: S310 - our own loopback address
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def start(self) -> int:
        """The first instant of the scenario in Unix seconds."""
        return int(self.ask("GET", "clock")["start"])

    def movements(self) -> int:
        """How many balance transactions the gateway has by now."""
        return int(self.ask("GET", "books")["transactions"])

    def forget_requests(self) -> None:
        """Empty the journal."""
        self.ask("DELETE", "requests")

    def targets(self) -> list[str]:
        """Path and query of each vendor request since the journal was emptied."""
        return [line["path"] for line in self.ask("GET", "requests")]

    def trade(self, charges: int) -> None:
        """Let customers pay so many times, and let the clock go on until nobody waits for a settling lag any more."""
        self.ask("POST", "advance", {"seconds": 900})
        for index in range(charges):
            pay = {"action": "charge", "customer": f"k{index % 10 + 1}", "amount": 2_000 + index, "currency": "eur"}
            self.ask("POST", "act", {**pay, "description": f"Order ORD-T{index + 1}"})
        self.ask("POST", "advance", {"seconds": 900})


def feeds_of(targets: list[str]) -> list[Feed]:
    """The lists that were paged by time, as the requests show them: the loop and dlt are given exactly these."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    for target in targets:
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if not any(name.startswith("created[") for name, _ in query):
            continue
        fixed = tuple((name, text) for name, text in query if name not in _NOT_FIXED and not name.startswith("created["))
        name = parts.path.rsplit("/", 1)[-1]
        alike = sum(known[0] == parts.path for known in found)
        found.setdefault((parts.path, fixed), f"{name}_{alike + 1}" if alike else name)
    return [Feed(name, path, fixed) for (path, fixed), name in found.items()]


@contextmanager
def running(charges: int, folder: Path, environ: Mapping[str, str]) -> Iterator[Simulator]:
    """Serve the scenario "bulk" for as long as the block lasts."""
    command = [sys.executable, "-m", "syncjob.sandbox.stripe", "--port", "0", "--scenario", "bulk", "--charges", str(charges)]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            word, _, url = line.strip().partition(" ")
            if word != "ready":
                raise RuntimeError(f"the simulator did not start: it said {line!r}")
            yield Simulator(url)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
