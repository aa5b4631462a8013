"""The own scheduler: APScheduler wakes, one run at a time is started, and a signal ends both in good order.

Each run is a process of its own, handed in as `start`: a crash, a leak or a kill ends with its run, and exit codes are those
of the command line. Two jobs share one lane. The tick comes by interval or cron; the nightly one has a trigger of its own, so
that the night begins on time where ticks are rare. Both start the same ordinary run, whose own state decides whether it is
the nightly one: a night is done once, however often the scheduler is restarted. Fire times are computed by `timetable`,
since APScheduler counts weekdays from Monday and stumbles where the clock is moved.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from apscheduler.events import EVENT_JOB_ERROR  # type: ignore[import-untyped]
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]
from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from syncjob.errors import EXIT_OK, EXIT_TRANSIENT, Busy
from syncjob.store.lock import file_lock
from syncjob.timetable import Timetable

TICK, NIGHT = "tick", "night"
GRACE_SECONDS = 30  # a run leaves within 20 s of SIGTERM
_STOPPED = (EXIT_TRANSIENT, -signal.SIGTERM)  # how a run ends that was asked to
_SAID_BYTES_MAX = 1 << 16
_LOOK_SECONDS = 30  # a machine that slept wakes to another time: never wait for long without looking at the clock


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run's process ended: its exit code (negative: the signal that killed it), and what it said on stderr."""

    began: datetime
    code: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the scheduler knows: the next runs (UTC), when the one under way began, and the exit code of the last one."""

    tick: datetime | None
    night: datetime | None
    began: datetime | None = None
    code: int | None = None


class Child(Protocol):
    """A run in a process of its own."""

    def wait(self) -> tuple[int, tuple[str, ...]]:
        """Wait for its end; gives its exit code and the lines that it wrote to stderr."""

    def stop(self) -> None:
        """Ask it to end in good order."""

    def kill(self) -> None:
        """End it at once."""


class News(Enum):
    """What the main thread is woken for."""

    STOP = "somebody wants us to stop"
    BEGAN = "a run began"
    ENDED = "a run ended"


Inbox: TypeAlias = "SimpleQueue[News | BaseException]"
Start: TypeAlias = Callable[[], Child]
Clock: TypeAlias = Callable[[], datetime]


# ---------------------------------------------------------------- one run at a time


@dataclass(slots=True)
class Lane:
    """Where runs are started one after the other; a turn that another one has done already is left out."""

    start: Start
    tell: Callable[[Ended], None]
    inbox: Inbox
    clock: Clock
    began: datetime | None = None  # the last run
    last: Ended | None = None
    _child: Child | None = None
    _stopping: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, following: Callable[[datetime], datetime | None]) -> None:
        """Do the run that is due now; `following` gives the next instant after another at which this turn would be due."""
        now = self.clock()
        with self._guard:
            due = following(self.began) if self.began is not None else now
            if self._stopping or due is None or due > now:
                return
            self.began = now
            try:
                self._child = child = self.start()
            except OSError as wrong:
                child = _StillBorn(f"the run could not be started: {wrong.strerror or wrong}; the next one will be tried")
        self.inbox.put(News.BEGAN)
        try:
            self.last = Ended(now, *child.wait())
            if not (self._stopping and self.last.code in _STOPPED):
                self.tell(self.last)
        finally:
            with self._guard:
                self._child = None
            self.inbox.put(News.ENDED)

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._child is not None

    def stop(self) -> None:
        """Begin no more runs, and ask the one under way to end in good order."""
        with self._guard:
            self._stopping = True
            if self._child is not None:
                self._child.stop()

    def kill(self) -> None:
        """End the run under way at once; its state is safe, as after any kill."""
        with self._guard:
            if self._child is not None:
                self._child.kill()


@dataclass(frozen=True, slots=True)
class _StillBorn:
    why: str

    def wait(self) -> tuple[int, tuple[str, ...]]:
        return EXIT_TRANSIENT, (self.why,)

    def stop(self) -> None:
        """There is nothing to stop."""

    def kill(self) -> None:
        """There is nothing to kill."""


class Process:
    """A run as a child process: its stderr is kept for one line about it, or passed on where a person is looking.

    It has a session of its own, so that Ctrl-C reaches the scheduler alone, which hands it on once: a second signal would
    stop the run at once. Raises OSError where it cannot be started.
    """

    def __init__(self, command: Sequence[str], *, watched: bool) -> None:
        # A file and not a pipe: what a run leaves running behind it cannot keep us waiting for the end of the pipe.
        self._said = None if watched else tempfile.TemporaryFile()  # noqa: SIM115 - `wait` closes it
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=subprocess.DEVNULL, stderr=self._said, start_new_session=True
            )
        except OSError:
            if self._said is not None:
                self._said.close()
            raise

    def wait(self) -> tuple[int, tuple[str, ...]]:
        """Wait for its end; gives its exit code and the first lines of its stderr."""
        code = self._popen.wait()
        if self._said is None:
            return code, ()
        with self._said as file:
            file.seek(0)
            text = file.read(_SAID_BYTES_MAX).decode(errors="replace")
        return code, tuple(line for line in text.splitlines() if line.strip())

    def stop(self) -> None:
        """SIGTERM: it takes no new work and leaves within 20 seconds."""
        self._popen.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        self._popen.kill()


# ---------------------------------------------------------------- APScheduler


class Trigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler's trigger around a pure function from an instant to the next due one, plus up to `jitter` of delay."""

    def __init__(self, following: Callable[[datetime], datetime | None], jitter: Callable[[], Any] | None = None) -> None:
        self._following = following
        self._jitter = jitter

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next time after the previous one, or after now."""
        due = self._following(previous_fire_time or now)
        return due + self._jitter() if due is not None and self._jitter is not None else due


def set_up(scheduler: BaseScheduler, table: Timetable, lane: Lane, random: Callable[[], float]) -> None:
    """Give a scheduler its two jobs: no overlap, one run for several missed ones, and a night that is never too late."""
    anchor = lane.clock()

    def following_tick(after: datetime) -> datetime | None:
        return table.next_tick(anchor, after)

    ticks = Trigger(following_tick, (lambda: table.jitter * random()) if table.jitter else None)
    more: dict[str, Any] = {} if table.cron else {"next_run_time": anchor}  # an interval begins with a run
    shared: dict[str, Any] = {"coalesce": True, "max_instances": 1}
    late = int(table.grace.total_seconds())
    nights = Trigger(table.next_night)
    # The night first: where both are due at one instant, the tick finds that it has been done.
    scheduler.add_job(lane.turn, nights, [table.next_night], id=NIGHT, misfire_grace_time=None, **shared)
    scheduler.add_job(lane.turn, ticks, [following_tick], id=TICK, misfire_grace_time=late, **shared, **more)


def _background() -> BackgroundScheduler:
    # What somebody needs is told by `tell`; APScheduler's own log would repeat it on stderr in words of its own.
    log = logging.getLogger("apscheduler")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, logger=log)


def _next_run(scheduler: BaseScheduler, id: str) -> datetime | None:
    job = scheduler.get_job(id)
    found: datetime | None = getattr(job, "next_run_time", None)
    return found


# ---------------------------------------------------------------- serving


@contextmanager
def sole(lock: Path, home: Path) -> Iterator[None]:
    """Be the only scheduler of a home; Busy, with the other's process id, where there is one. Freed when its holder dies."""
    with suppress(FileExistsError):
        lock.parent.mkdir(mode=0o700, parents=True)
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(lock, str(home)))
        except Busy:
            pid = lock.read_text(encoding="ascii", errors="replace").strip() or "unknown"
            raise Busy(
                f"another scheduler (process {pid}) is at work for {home}; stop that one first, or leave it be"
            ) from None
        yield


@contextmanager
def listening(inbox: Inbox) -> Iterator[None]:
    """SIGTERM, Ctrl-C and a terminal that closes become News.STOP."""
    names = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else [])]
    before = {name: signal.signal(name, lambda *_: inbox.put(News.STOP)) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def serve(
    table: Timetable,
    *,
    start: Start,
    tell: Callable[[Ended], None],
    keep: Callable[[Ahead], None],
    inbox: Inbox,
    clock: Clock,
    random: Callable[[], float],
    seconds_max: float | None = None,
    monotonic: Callable[[], float],
) -> int:
    """Start runs when they are due until News.STOP comes or `seconds_max` are over; gives the exit code.

    0 when the run under way, if any, has ended in good order; 5 when it had to be killed, after a second News.STOP or because
    it did not leave in time. `tell` is called once for each run that ended, `keep` whenever what lies ahead has changed.
    """
    lane = Lane(start, tell, inbox, clock)
    scheduler = _background()
    scheduler.add_listener(lambda event: inbox.put(event.exception), EVENT_JOB_ERROR)
    set_up(scheduler, table, lane, random)
    ends = monotonic() + seconds_max if seconds_max is not None else float("inf")
    scheduler.start()
    try:
        kept: Ahead | None = None
        while (left := ends - monotonic()) > 0:
            ahead = Ahead(_next_run(scheduler, TICK), _next_run(scheduler, NIGHT), *_now(lane))
            if ahead != kept:
                keep(kept := ahead)
            news = _next(inbox, min(left, _LOOK_SECONDS))
            if news is News.STOP:
                break
            scheduler.wakeup()
        scheduler.pause()
        return _wind_up(lane, inbox, monotonic)
    except BaseException:
        lane.stop()
        raise
    finally:
        keep(Ahead(None, None, *_now(lane)))
        scheduler.shutdown(wait=False)


def _now(lane: Lane) -> tuple[datetime | None, int | None]:
    return lane.began if lane.busy else None, lane.last.code if lane.last is not None else None


def _next(inbox: Inbox, seconds: float) -> News | None:
    try:
        news = inbox.get(timeout=seconds)
    except Empty:
        return None
    if isinstance(news, BaseException):
        raise news
    return news


def _wind_up(lane: Lane, inbox: Inbox, monotonic: Callable[[], float]) -> int:
    lane.stop()
    late = monotonic() + GRACE_SECONDS
    while lane.busy:
        left = late - monotonic()
        if left <= 0 or _next(inbox, left) is News.STOP:
            lane.kill()
            return EXIT_TRANSIENT
    return EXIT_OK
