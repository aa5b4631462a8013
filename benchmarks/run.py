"""What the job costs, beside a hand-written loop and dlt that only load the same lists: python benchmarks/run.py.

Everything is measured in child processes against one running simulator; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import home
import simulator
from child import Cost, Failed, bytes_in, run
from simulator import Feed, Simulator

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SMALL_TICK_CHARGES = 20
_DONE = (0, 3)  # 3: something is held for a person, which is a result
_MEGA = 1_000_000
# What a tick cannot do without. Whatever else it imports counts as its own.
PACKAGES = ("click", "dateutil", "requests", "sqlmodel", "tenacity", "yaml")


@dataclass(frozen=True, slots=True)
class Line:
    """One measured thing. Seconds, bytes; `written` is by how much its folder grew, `records` what the lists held."""

    what: str
    wall: float
    cpu: float
    peak: int
    requests: int = 0
    written: int = 0
    records: int = 0
    charges: int = 0


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that must not be exceeded."""

    name: str
    value: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it is not exceeded."""
        return self.value <= self.limit


class Bench:
    """The running simulator, the folder to work in, and what was measured so far."""

    def __init__(
        self, world: Simulator, folder: Path, environ: Mapping[str, str], charges: int, repeat: int, latency: int
    ) -> None:
        self.world, self.folder, self.environ, self.charges, self.repeat = world, folder, environ, charges, repeat
        self.latency = latency  # milliseconds that each answer is held back
        if latency:
            world.ask("POST", "quirks", {"name": "slow", "ms": latency})
        self.start = world.start()
        self.lines: list[Line] = []
        self.feeds: list[Feed] = []
        self.records = 0

    def measure(self, what: str, command: Sequence[str], folder: Path, charges: int = 0, good: Sequence[int] = _DONE) -> Cost:
        """Run one command in its folder, note what it cost, and give it back."""
        tell(f"{what} ...")
        folder.mkdir(parents=True, exist_ok=True)
        before = bytes_in(folder)
        self.world.forget_requests()
        cost = run(command, folder, self.environ, good)
        records = self.records if charges == self.charges else 0
        requests, written = len(self.world.targets()), bytes_in(folder) - before
        self.lines.append(Line(what, cost.wall, cost.cpu, cost.peak, requests, written, records, charges))
        return cost

    def least(self, what: str, command: Sequence[str], folder: Path) -> None:
        """Run a short command several times and note the run with the least CPU seconds: other work only adds to it."""
        for _ in range(self.repeat):
            self.measure(what, command, folder)
        runs = [self.lines.pop() for _ in range(self.repeat)]
        self.lines.append(min(runs, key=lambda line: line.cpu))

    def line(self, what: str) -> Line:
        """What was measured under this name."""
        return next(line for line in self.lines if line.what == what)


FULL = "syncjob, full sync"
QUIET = "syncjob, quiet tick"
IMPORTS = "bare import of its packages"
SMALL = f"syncjob, {SMALL_TICK_CHARGES} new charges"
LOOP = "requests loop, full load"
DLT = "dlt, full load"
DLT_FLAT = "dlt, full load, nested as JSON"
DLT_PARALLEL = "dlt, full load, parallelized"
DLT_QUIET = "dlt, nothing new"


def measure_all(bench: Bench, with_dlt: bool) -> None:
    """Everything in the order that leaves the same world to all: the job, the loop, dlt, and last the new charges."""
    house = bench.folder / "home"
    home.make(house, bench.world.url, bench.start, bench.world.ask("GET", "invoices"))
    job = [sys.executable, "-m", "syncjob", "--home", str(house), "run"]
    bench.measure(FULL, job, house, bench.charges)
    _refuse_unfinished(bench, house)
    bench.feeds = simulator.feeds_of(bench.world.targets())
    bench.least(QUIET, job, house)
    bench.least(IMPORTS, [sys.executable, "-c", f"import {', '.join(PACKAGES)}"], house)
    loader = _loader(bench, "plain_loop.py")
    bench.records = json.loads(bench.measure(LOOP, loader("loop"), bench.folder / "loop", bench.charges).out)["records"]
    bench.lines = [_with_records(bench, line) for line in bench.lines]
    if with_dlt:
        loader = _loader(bench, "dlt_load.py")
        bench.measure(DLT, loader("dlt"), bench.folder / "dlt", bench.charges)
        bench.measure(DLT_QUIET, loader("dlt"), bench.folder / "dlt")
        bench.measure(DLT_FLAT, [*loader("dlt-flat"), "flat"], bench.folder / "dlt-flat", bench.charges)
        if bench.latency:
            bench.measure(DLT_PARALLEL, [*loader("dlt-par"), "parallel"], bench.folder / "dlt-par", bench.charges)
    bench.world.trade(SMALL_TICK_CHARGES)
    bench.measure(SMALL, job, house, SMALL_TICK_CHARGES)
    _refuse_unfinished(bench, house)


def _refuse_unfinished(bench: Bench, house: Path) -> None:
    wanted, held = bench.world.movements(), home.movements_in(house)
    if held != wanted:
        raise Failed(f"the gateway has {wanted} balance transactions, the books {held}: what was measured is not the whole job")


def _with_records(bench: Bench, line: Line) -> Line:
    # The job does not say how many rows it read; the loop read the same lists and does.
    return Line(**{**asdict(line), "records": bench.records if line.charges == bench.charges else 0})


def _loader(bench: Bench, script: str) -> Callable[[str], list[str]]:
    feeds = json.dumps([asdict(feed) for feed in bench.feeds])
    return lambda name: [
        *(sys.executable, str(HERE / script), bench.world.url, str(bench.folder / name), feeds, str(bench.start))
    ]


def goals(bench: Bench, with_dlt: bool) -> list[Goal]:
    """The promises, with what was measured in this run."""
    full, quiet, imports = bench.line(FULL), bench.line(QUIET), bench.line(IMPORTS)
    found = [
        Goal("peak memory of the full sync", full.peak / _MEGA, 150, "MB"),
        Goal("quiet tick beyond the bare import", (quiet.cpu - imports.cpu) * 1_000, 250, "ms CPU"),
        Goal("requests of a quiet tick", quiet.requests, len(bench.feeds), "(one per feed)"),
    ]
    if with_dlt:
        found.insert(0, Goal("CPU of the full sync / dlt's full load", full.cpu / bench.line(DLT).cpu, 0.6))
        if bench.latency:
            slow = bench.line(DLT_PARALLEL).wall
            found.insert(1, Goal("wall time of the full sync / dlt's parallelized load", full.wall / slow, 0.5))
    return found


def table(bench: Bench) -> str:
    """The measurements as plain text."""
    head = f"{'':32}{'wall s':>8}{'CPU s':>8}{'per 10k':>9}{'records/s':>11}{'peak MB':>9}{'requests':>10}{'kept MB':>9}"
    rows = [head]
    for line in bench.lines:
        per = f"{line.cpu / line.charges * 10_000:9.2f}" if line.charges == bench.charges else f"{'-':>9}"
        rate = f"{line.records / line.wall:11,.0f}" if line.records else f"{'-':>11}"
        cost = f"{line.wall:8.2f}{line.cpu:8.2f}{per}{rate}{line.peak / _MEGA:9.1f}"
        rows.append(f"{line.what:32}{cost}{line.requests:10d}{line.written / _MEGA:9.2f}")
    return "\n".join(rows)


def verdict(found: Sequence[Goal]) -> str:
    """The goals as plain text."""
    return "\n".join(
        f"{'reached' if goal.met else 'MISSED ':8} {goal.name}: {goal.value:.2f} of at most {goal.limit:g} {goal.unit}".rstrip()
        for goal in found
    )


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    return {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count() or 0}


def environment(folder: Path) -> dict[str, str]:
    """The environment of every child: this checkout first, no proxy, nobody's settings, nobody's home."""
    kept = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy") and name != "SYNCJOB_HOME"}
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "HOME": str(folder), home.KEY_NAME: simulator.KEY, "TZ": "UTC"}


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    if sys.stderr.isatty():
        sys.stderr.write(text + "\n")


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="syncjob-benchmark-") as name:
        yield Path(name).resolve()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charges", type=int, default=10_000, help="how many charges the simulator holds (10000)")
    parser.add_argument("--skip-dlt", action="store_true", help="leave dlt out (it needs the extra: pip install '.[bench]')")
    parser.add_argument("--latency", type=int, default=0, metavar="MS", help="hold each answer back so long (0)")
    parser.add_argument("--repeat", type=int, default=3, help="of the two short measurements, take the best of so many (3)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder and leave it there to look at")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there as well")
    parser.add_argument("--assert", dest="strict", action="store_true", help="exit 1 when a goal is missed")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and say whether the goals are reached."""
    wish = _arguments()
    with_dlt = not wish.skip_dlt
    if with_dlt and importlib.util.find_spec("dlt") is None:
        sys.stderr.write("dlt is not installed here; install the extra (pip install '.[bench]') or add --skip-dlt\n")
        return 2
    with _workplace(wish.keep) as folder:
        environ = environment(folder)
        # Whoever runs first would pay for compiling the others' modules.
        run([sys.executable, "-m", "compileall", "-q", str(REPOSITORY / "syncjob"), str(HERE)], folder, environ, (0, 1))
        with simulator.running(wish.charges, folder, environ) as world:
            bench = Bench(world, folder, environ, wish.charges, max(1, wish.repeat), wish.latency)
            measure_all(bench, with_dlt)
    found = goals(bench, with_dlt)
    described = ", ".join(f"{name} {value}" for name, value in machine().items())
    feeds = ", ".join(feed.name for feed in bench.feeds)
    heading = f"{wish.charges:,} charges, {bench.records:,} records in {feeds}; {described}"
    sys.stdout.write(f"{heading}\n\n{table(bench)}\n\n{verdict(found)}\n")
    if wish.json is not None:
        report = {
            "machine": machine(),
            "charges": wish.charges,
            "records": bench.records,
            "feeds": [asdict(feed) for feed in bench.feeds],
            "packages": PACKAGES,
            "measured": [asdict(line) for line in bench.lines],
            "goals": [{**asdict(goal), "met": goal.met} for goal in found],
        }
        wish.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 1 if wish.strict and not all(goal.met for goal in found) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"benchmark: {failed}")
