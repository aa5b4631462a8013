"""When runs begin: nights on which the clock is moved, cron's own words, one run at a time, and an end in good order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time as clock_of_this_machine
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from zoneinfo import ZoneInfo

import pytest
from apscheduler.executors import base as executing
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers import base as scheduling_of_apscheduler

from syncjob import config, moment, schedule, timetable
from syncjob.cli import main, scheduling
from syncjob.errors import EXIT_BUSY, EXIT_CONFIGURATION, EXIT_OK, EXIT_TRANSIENT, Busy, Misconfigured
from syncjob.schedule import Ended, Lane, News
from syncjob.timetable import Timetable

ROOT = Path(__file__).parent.parent
BERLIN = moment.zone("Europe/Berlin")
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(text, zone="Europe/Berlin"):
    """The instant of a time on a zone's clocks; "2026-10-25 02:30 again" is its second coming."""
    second = text.endswith(" again")
    wall = datetime.fromisoformat(text.removesuffix(" again")).replace(fold=int(second))
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# ---------------------------------------------------------------- nights


# Zones that move by an hour, by half an hour, at midnight, on the evening before, for Ramadan, and one that left a day out.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Scoresbysund", "Africa/Cairo", "Asia/Beirut"]
ZONES += ["Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia", "Asia/Tokyo"]
CLOCKS = [time(2, 0), time(2, 30), time(0, 15), time(23, 30)]


def shows(wall, zone):
    """Whether the clocks of a zone ever show a time: an answer that does not come from the program."""
    there = wall.replace(tzinfo=zone)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def days_of(zone, first, last):
    days = (first + DAY * number for number in range((last - first).days))
    return {day for day in days if any(shows(datetime.combine(day, time(hour)), zone) for hour in range(24))}


@pytest.mark.parametrize("clock", CLOCKS, ids=str)
@pytest.mark.parametrize("name", ZONES)
def test_every_night_of_every_year_begins_exactly_once(name, clock):
    zone, theirs = moment.zone(name), ZoneInfo(name)
    for first, last in ((date(2011, 1, 1), date(2013, 1, 1)), (date(2023, 1, 1), date(2029, 1, 1))):
        nights, now = [], datetime.combine(first, time(0), theirs).astimezone(UTC) - timedelta(microseconds=1)
        while (now := timetable.next_night(clock, zone, now)) < datetime.combine(last, time(0), theirs):
            nights.append(now)
        expected = days_of(theirs, first, last)
        assert len(nights) == len(expected)
        on_time = {night.astimezone(theirs).date() for night in nights if night.astimezone(theirs).time() == clock}
        for night in nights:
            local = night.astimezone(theirs)
            assert local.fold == 0  # where a time comes twice, at its first coming
            if local.time() != clock:
                # The clock has just jumped over it: a minute before, another offset held.
                assert (night - MINUTE).astimezone(theirs).utcoffset() < local.utcoffset()
        skipped = expected - on_time
        assert all(not shows(datetime.combine(day, clock), theirs) for day in skipped)


def test_the_night_of_the_hour_that_never_comes_begins_when_the_clock_has_jumped():
    assert timetable.next_night(time(2, 30), BERLIN, at("2026-03-28 12:00")) == at("2026-03-29 03:00")


def test_the_night_of_the_hour_that_comes_twice_begins_at_its_first_coming():
    first = timetable.next_night(time(2, 30), BERLIN, at("2026-10-24 12:00"))
    assert first == at("2026-10-25 02:30")
    assert timetable.next_night(time(2, 30), BERLIN, first) == at("2026-10-26 02:30")


def test_a_night_of_a_day_that_a_zone_left_out_is_left_out():
    apia = moment.zone("Pacific/Apia")
    assert timetable.night_of(date(2011, 12, 30), time(2), apia) is None
    before = at("2011-12-29 12:00", "Pacific/Apia")
    assert timetable.next_night(time(2), apia, before) == at("2011-12-31 02:00", "Pacific/Apia")


# ---------------------------------------------------------------- cron


def times(expression, since, number, zone="Europe/Berlin"):
    """The next times of an expression as the zone's clocks show them."""
    read, found, now = timetable.cron(expression), [], at(since, zone)
    for _ in range(number):
        now = read.after(now, moment.zone(zone))
        found.append(f"{now.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}")
    return found


def test_weekdays_are_those_of_cron():
    assert times("0 6 * * 1-5", "2026-11-06 12:00", 2) == ["Mon 2026-11-09 06:00 CET", "Tue 2026-11-10 06:00 CET"]
    for sunday in ("0", "7", "sun"):
        assert times(f"0 6 * * {sunday}", "2026-11-06 12:00", 1) == ["Sun 2026-11-08 06:00 CET"]
    assert [one[:3] for one in times("0 6 * * fri-sun", "2026-11-02 12:00", 3)] == ["Fri", "Sat", "Sun"]


def test_a_day_of_the_month_and_a_weekday_are_either():
    found = times("0 6 13 * fri", "2026-11-01 12:00", 3)
    assert found == ["Fri 2026-11-06 06:00 CET", "Fri 2026-11-13 06:00 CET", "Fri 2026-11-20 06:00 CET"]
    assert times("0 6 12 * fri", "2026-11-06 12:00", 2)[0].startswith("Thu 2026-11-12")


def test_steps_lists_and_names_mean_what_they_mean_in_cron():
    assert [one[15:20] for one in times("5/20,30 8-9 * nov *", "2026-11-03 07:00", 5)] == [
        "08:05",
        "08:25",
        "08:30",
        "08:45",
        "09:05",
    ]
    assert times("0 0 29 2 *", "2096-03-01 12:00", 1)[0].startswith("Fri 2104-02-29")


def test_a_time_that_comes_twice_or_never_is_due_once():
    assert times("30 2 * * *", "2026-10-24 12:00", 2) == ["Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"]
    assert times("30 2 * * *", "2026-03-28 12:00", 2) == ["Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"]
    assert times("*/30 2 * * *", "2026-03-28 12:00", 2)[:2] == ["Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:00 CEST"]


@pytest.mark.parametrize("night", ["2026-10-24 21:00", "2026-03-28 21:00"])
def test_every_quarter_of_an_hour_stays_a_quarter_of_an_hour_when_the_clock_is_moved(night):
    read, now, seen = timetable.cron("*/15 * * * *"), at(night), []
    for _ in range(60):
        seen.append(now := read.after(now, BERLIN))
    assert {later - sooner for sooner, later in pairwise(seen)} == {15 * MINUTE}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("*/15 6-22 * *", "five fields"),
        ("@daily", "five fields"),
        ("61 * * * *", "the minute of cron is '61'"),
        ("* 24 * * *", "the hour of cron is '24'"),
        ("* * 0 * *", "the day of cron is '0'"),
        ("* * * may-jan *", "the month of cron is 'may-jan'"),
        ("* * * * 8", "the weekday of cron is '8'"),
        ("*/0 * * * *", "the minute of cron is '*/0'"),
        ("1,,2 * * * *", "the minute of cron is ''"),
        ("* * L * *", "the day of cron is 'l'"),
        ("0 6 31 2,4 *", "a day that never comes"),
        ("٣ * * * *", "the minute of cron is"),
    ],
)
def test_what_cron_would_not_understand_is_refused_with_the_cure(expression, words):
    with pytest.raises(Misconfigured, match=r"; (write|choose) ") as refused:
        timetable.cron(expression)
    assert words in str(refused.value)


# ---------------------------------------------------------------- the block in syncjob.yaml, and the options


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIPE_KEY", "rk_test_example")
    assert main(["init", "--home", str(tmp_path)]) == 0
    return tmp_path


def written(home, *lines):
    """A home whose schedule: block has these lines."""
    path = home / "syncjob.yaml"
    before, _, rest = path.read_text().partition("schedule:\n")
    block = "".join(f"  {line}\n" for line in lines)
    path.write_text(f"{before}schedule:\n{block}\n{rest[rest.index('# Where syncjob keeps') :]}")
    return home


def options(home, **typed):
    wishes = {name: typed.get(name, "") for name in ("every", "cron", "zone", "jitter", "grace")}
    return scheduling.timetable_of(config.read(home), **wishes)


def test_what_init_writes_is_the_default_and_fits(home):
    plain = config.read(home).schedule
    assert (plain.every, plain.cron, plain.grace) == (15 * MINUTE, None, 10 * MINUTE)
    assert main(["check", "--home", str(home)]) == EXIT_OK
    path = home / "syncjob.yaml"
    path.write_text(
        path.read_text().replace("schedule:\n  every", "# schedule:\n#  every").replace("\n  jitter", "\n#  jitter")
    )
    path.write_text(path.read_text().replace("\n  misfire", "\n#  misfire"))
    assert config.read(home).schedule == replace(plain, jitter=timedelta(0))


def test_the_block_says_when_runs_begin(home):
    read = config.read(written(home, 'cron: "*/15 6-22 * * 1-5"', "zone: Asia/Tokyo", "misfire_grace: 2h")).schedule
    assert read.next_tick(NOON, at("2026-11-06 22:50", "Asia/Tokyo")) == at("2026-11-09 06:00", "Asia/Tokyo")
    assert (read.grace, read.nightly_at) == (2 * HOUR, time(2))


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        (["every: often"], "10", "'often' is not a length of time; write a number and a unit"),
        (["every: 0s"], "10", "0s is out of bounds; write at least 1s"),
        (["every: 8d"], "10", "8d is out of bounds"),
        (["evry: 1h"], "3", "did you mean 'every'?"),
        (["every: 1h", 'cron: "0 * * * *"'], "3", "keep one of them"),
        (["every: 1h", "zone: Europe/Berlin"], "3", "only 'cron' has a zone"),
        (['cron: "0 25 * * *"'], "9", "the hour of cron is '25'; write *"),
        (['cron: "0 6 * * *"', "zone: Mars/Olympus"], "9", "'Mars/Olympus'"),
        (["every: 1m", "jitter: 1m"], "11", "jitter is 60s, and runs are 60s apart; choose a jitter that is shorter"),
        (['cron: "0,5 * * * *"', "jitter: 5m"], "11", "runs are 300s apart"),
        (["misfire_grace: 0s"], "18", "0s is out of bounds"),
    ],
)
def test_check_names_file_line_column_and_cure(home, capsys, lines, place, words):
    written(home, *lines)
    at_line = (home / "syncjob.yaml").read_text().splitlines().index(f"  {lines[-1]}") + 1
    capsys.readouterr()
    assert main(["check", "--home", str(home)]) == EXIT_CONFIGURATION
    said = capsys.readouterr().err
    assert f"syncjob.yaml:{at_line}:{place}: " in said
    assert words in said
    assert len(said.splitlines()) == 1


def test_what_is_typed_counts_instead_of_the_block(home):
    written(home, 'cron: "0 6 * * *"', "zone: Asia/Tokyo", "jitter: 20s")
    assert options(home).cron.text == "0 6 * * *"
    typed = options(home, every="1h", jitter="5s", grace="1m")
    assert (typed.cron, typed.every, typed.jitter, typed.grace) == (None, HOUR, timedelta(seconds=5), MINUTE)
    typed = options(home, cron="0 7 * * *", zone="UTC")
    assert typed.next_tick(NOON, NOON) == datetime(2026, 11, 4, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"every": "1h", "cron": "0 6 * * *"}, "keep one of them"),
        ({"every": "1h", "zone": "Europe/Berlin"}, "add --cron"),
        ({"every": "soon"}, "--every: 'soon'"),
        ({"cron": "0 6 * * 9"}, "--cron: the weekday"),
        ({"jitter": "15m"}, "--jitter: jitter is 900s, and runs are 900s apart; choose a jitter that is shorter"),
        ({"every": "20s"}, "the jitter of schedule: in syncjob.yaml: jitter is 30s, and runs are 20s apart"),
        ({"every": "20s"}, "with --jitter, such as --jitter 0s"),
        ({"grace": "0m"}, "--misfire-grace: 0m"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(home, typed, words):
    with pytest.raises(Misconfigured, match=re.escape(words)):
        options(home, **typed)


# ---------------------------------------------------------------- a year in APScheduler's hands


class Year:
    """APScheduler with a clock that is told where to stand, and runs that take so long."""

    def __init__(self, monkeypatch, table, now, takes=MINUTE):
        self.now, self.takes, self.begun, self.told = now, takes, [], []
        year = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return year.now.astimezone(tz)

        class Scheduler(scheduling_of_apscheduler.BaseScheduler):
            def wakeup(self):
                """The test looks when it likes."""

            def shutdown(self, wait=True):
                super().shutdown(wait)

        monkeypatch.setattr(scheduling_of_apscheduler, "datetime", Clock)
        monkeypatch.setattr(executing, "datetime", Clock)
        self.lane = Lane(self.start, self.told.append, SimpleQueue(), lambda: self.now)
        self.scheduler = Scheduler(timezone=UTC, executors={"default": DebugExecutor()})
        schedule.set_up(self.scheduler, table, self.lane, lambda: 0.5)
        self.scheduler.start()

    def start(self):
        self.begun.append(self.now)
        return self

    def wait(self):
        self.now += self.takes
        return 0, ()

    def until(self, end):
        while self.now < end:
            seconds = self.scheduler._process_jobs()
            self.now = min(end, self.now + timedelta(seconds=seconds))
        return self.begun


def clocks(instants):
    return [f"{one.astimezone(ZoneInfo('Europe/Berlin')):%d %H:%M}" for one in instants]


def test_an_interval_begins_with_a_run_and_the_night_is_on_time(monkeypatch):
    year = Year(monkeypatch, Timetable(time(2, 30), BERLIN, every=6 * HOUR), at("2026-10-24 21:00"))
    seen = clocks(year.until(at("2026-10-25 22:00")))
    assert seen == ["24 21:00", "25 02:30", "25 02:00", "25 08:00", "25 14:00", "25 20:00"]  # 02:00: for the second time
    assert year.begun[1] == at("2026-10-25 02:30")


@pytest.mark.parametrize("month", ["2026-03", "2026-10"])
def test_a_month_in_which_the_clock_is_moved_has_as_many_nights_as_days(monkeypatch, month):
    week = Timetable(time(2, 30), BERLIN, cron=timetable.cron("0 12 1 1 *"), zone=BERLIN)
    year = Year(monkeypatch, week, at(f"{month}-01 00:00"))
    begun = year.until(at(f"{month}-31 23:59"))
    assert [one.astimezone(BERLIN).day for one in begun] == list(range(1, 32))


def test_a_tick_and_a_night_that_are_due_at_one_instant_are_one_run(monkeypatch):
    table = Timetable(time(2), BERLIN, cron=timetable.cron("*/30 1-2 * * *"), zone=BERLIN)
    assert clocks(Year(monkeypatch, table, at("2026-11-03 00:00")).until(at("2026-11-03 12:00"))) == [
        "03 01:00",
        "03 01:30",
        "03 02:00",
        "03 02:30",
    ]


def test_a_night_that_falls_into_a_long_run_begins_when_that_has_ended(monkeypatch):
    table = Timetable(time(2), BERLIN, every=6 * HOUR)
    year = Year(monkeypatch, table, at("2026-11-02 19:55"), takes=HOUR)
    assert clocks(year.until(at("2026-11-03 09:00"))) == ["02 19:55", "03 01:55", "03 02:55", "03 07:55"]


def test_jitter_delays_ticks_but_never_the_night(monkeypatch):
    table = Timetable(time(2), BERLIN, cron=timetable.cron("15 * * * *"), zone=BERLIN, jitter=4 * MINUTE)
    year = Year(monkeypatch, table, at("2026-11-03 00:30"))
    assert clocks(year.until(at("2026-11-03 03:30"))) == ["03 01:17", "03 02:00", "03 02:17", "03 03:17"]


def test_a_machine_that_slept_does_one_run_for_all_that_it_missed_and_never_misses_a_night(monkeypatch):
    table = Timetable(time(2), BERLIN, cron=timetable.cron("0 * * * *"), zone=BERLIN)
    year = Year(monkeypatch, table, at("2026-11-02 22:30"))
    assert [(job.coalesce, job.max_instances) for job in year.scheduler.get_jobs()] == [(True, 1)] * 2
    year.until(at("2026-11-02 23:30"))
    year.now = at("2026-11-03 06:05")
    assert clocks(year.until(at("2026-11-03 06:30"))) == ["02 23:00", "03 06:05"]
    year.now = at("2026-11-03 12:30")  # noon is late by more than the grace
    assert clocks(year.until(at("2026-11-03 13:30")))[2:] == ["03 13:00"]
    year.now = at("2026-11-04 03:40")  # the night is never too late
    assert clocks(year.until(at("2026-11-04 03:50")))[3:] == ["04 03:40"]


# ---------------------------------------------------------------- one run at a time


@dataclass
class Run:
    """A run that goes on until it is stopped or killed, and is `deaf` to the former on wish."""

    inbox: SimpleQueue
    deaf: bool = False
    again: bool = False
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def wait(self):
        self.inbox.put(News.STOP)
        assert self.over.wait(30)
        return (5, ()) if self.asked[-1] == "stop" else (-9, ())

    def stop(self):
        self.asked.append("stop")
        if self.again:
            self.inbox.put(News.STOP)
        if not self.deaf:
            self.over.set()

    def kill(self):
        self.asked.append("kill")
        self.over.set()


def served(run, inbox, *, monotonic=lambda: 0.0, table=None, **more):
    told, kept = [], []
    code = schedule.serve(
        table or Timetable(time(2), BERLIN),
        start=lambda: run,
        tell=told.append,
        keep=kept.append,
        inbox=inbox,
        clock=lambda: datetime.now(UTC),
        random=lambda: 0.0,
        monotonic=monotonic,
        **more,
    )
    return code, told, kept


def test_a_signal_lets_the_run_under_way_end_in_good_order():
    inbox = SimpleQueue()
    run = Run(inbox)
    code, told, kept = served(run, inbox)
    assert (code, run.asked, told) == (EXIT_OK, ["stop"], [])
    assert any(one.began for one in kept[:-1])
    assert (kept[-1].tick, kept[-1].night, kept[-1].began, kept[-1].code) == (None, None, None, 5)


def test_a_second_signal_ends_it_at_once():
    inbox = SimpleQueue()
    run = Run(inbox, deaf=True, again=True)
    code, _, _ = served(run, inbox)
    assert (code, run.asked) == (EXIT_TRANSIENT, ["stop", "kill"])


def test_a_run_that_does_not_leave_in_time_is_ended():
    inbox = SimpleQueue()
    run = Run(inbox, deaf=True)
    code, _, _ = served(run, inbox, monotonic=lambda: 1_000.0 if run.asked and next(late) else 0.0)
    assert (code, run.asked) == (EXIT_TRANSIENT, ["stop", "kill"])


late = iter([False, True, True, True, True])  # the clock jumps once the run has been asked and the grace time was taken


def test_a_scheduler_without_a_run_leaves_at_once_or_when_its_time_is_over():
    inbox = SimpleQueue()
    inbox.put(News.STOP)
    rare = Timetable(time(2), BERLIN, cron=timetable.cron("0 0 29 2 *"), zone=BERLIN)
    code, told, kept = served(None, inbox, table=rare)
    assert (code, told) == (EXIT_OK, [])
    assert kept[0].tick > datetime(2028, 1, 1, tzinfo=UTC)
    assert served(None, inbox, table=rare, seconds_max=0)[0] == EXIT_OK


def test_our_own_bug_ends_the_scheduler_and_the_run():
    inbox = SimpleQueue()
    with pytest.raises(ZeroDivisionError):
        schedule.serve(
            Timetable(time(2), BERLIN),
            start=lambda: 1 / 0,
            tell=print,
            keep=lambda _: None,
            inbox=inbox,
            clock=lambda: datetime.now(UTC),
            random=lambda: 0.0,
            monotonic=lambda: 0.0,
        )


def test_a_run_that_cannot_be_started_is_told_and_the_next_one_is_tried():
    told = []

    def start():
        raise OSError(11, "Resource temporarily unavailable")

    lane = Lane(start, told.append, SimpleQueue(), lambda: NOON)
    lane.turn(lambda _: NOON)
    assert told == [
        Ended(NOON, 5, ("the run could not be started: Resource temporarily unavailable; the next one will be tried",))
    ]
    assert not lane.busy


def test_no_run_begins_once_somebody_wants_us_to_stop():
    lane = Lane(lambda: pytest.fail("a run was begun"), print, SimpleQueue(), lambda: NOON)
    lane.stop()
    lane.turn(lambda _: NOON)
    assert not lane.busy


def test_a_child_has_a_session_of_its_own_and_gives_its_exit_code_and_what_it_said():
    code = "import os, sys; print(os.getsid(0) == os.getpid(), file=sys.stderr); print(file=sys.stderr); sys.exit(6)"
    child = schedule.Process([sys.executable, "-c", code], watched=False)
    assert child.wait() == (6, ("True",))
    stopped = schedule.Process([sys.executable, "-c", "import time; time.sleep(60)"], watched=True)
    stopped.stop()
    assert stopped.wait() == (-signal.SIGTERM, ())


# ---------------------------------------------------------------- who is told


def told_of(*runs):
    said = []
    teller = scheduling.Teller(BERLIN, said.append)
    for began, code, *lines in runs:
        teller.tell(Ended(began, code, tuple(lines)))
    return said


def test_nothing_is_said_while_all_is_well():
    assert told_of((NOON, 0), (NOON + HOUR, 0)) == []


def test_a_run_that_needs_somebody_is_one_line():
    assert told_of((NOON, 3, "syncjob: 2 things wait for a person; see: syncjob held list", "more")) == [
        "the run of 2026-11-03 13:00 ended with 3: 2 things wait for a person; see: syncjob held list "
        "(and 1 more; see: syncjob status)"
    ]
    assert told_of((NOON, -9)) == [
        "the run of 2026-11-03 13:00 was ended by signal 9; the next one goes on from there; see: syncjob status"
    ]


def test_the_same_trouble_is_said_once_a_day_and_its_end_once():
    tick = 15 * MINUTE
    same = [(NOON + tick * number, 5, "stripe cannot be reached") for number in range(4)]
    assert len(told_of(*same)) == 1
    assert len(told_of(*same, (NOON + HOUR, 5, "the CRM cannot be reached"))) == 2
    assert len(told_of(*same, (NOON + DAY, 5, "stripe cannot be reached"))) == 2
    assert told_of(*same, (NOON + HOUR, 0), (NOON + 2 * HOUR, 0))[1:] == ["the run of 2026-11-03 14:00 ended well again"]


@pytest.mark.parametrize("code", [6, 7])
def test_a_key_or_a_state_that_needs_a_person_is_said_once_in_whatever_words(code):
    assert len(told_of((NOON, code, "refused at 12:00"), (NOON + HOUR, code, "refused at 13:00"))) == 1


# ---------------------------------------------------------------- two schedulers, and what status knows


def test_a_home_has_one_scheduler(home, capsys):
    with schedule.sole(home / scheduling.LOCK, home):
        capsys.readouterr()
        assert main(["schedule", "--home", str(home)]) == EXIT_BUSY
        assert f"another scheduler (process {os.getpid()}) is at work" in capsys.readouterr().err
        with pytest.raises(Busy, match=str(os.getpid())), schedule.sole(home / scheduling.LOCK, home):
            pass


def test_status_tells_the_next_run_only_while_the_scheduler_lives(home):
    with schedule.sole(home / scheduling.LOCK, home):
        assert scheduling.next_run(home) is None
        scheduling.keep(home, schedule.Ahead(NOON + HOUR, NOON + DAY))
        assert scheduling.next_run(home) == NOON + HOUR
        scheduling.keep(home, schedule.Ahead(NOON + 2 * DAY, NOON + DAY))
        assert scheduling.next_run(home) == NOON + DAY
        (home / scheduling.NOTE).write_text("{")
        assert scheduling.next_run(home) is None
        scheduling.keep(home, schedule.Ahead(NOON, None))
    assert scheduling.next_run(home) is None


def test_the_first_line_says_what_will_happen():
    table = Timetable(time(2), BERLIN)
    assert scheduling._announced(table, NOON).startswith("a run begins now and every 15m; the next night at 2026-11-04 02:00")
    weekly = replace(table, cron=timetable.cron("0 6 * * 1"), zone=BERLIN)
    assert 'at 2026-11-09 06:00, then by "0 6 * * 1"; the next night' in scheduling._announced(weekly, NOON)


# ---------------------------------------------------------------- for real


@contextmanager
def child(*arguments):
    command = [sys.executable, "-u", "-m", "syncjob", *map(str, arguments)]
    one = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield one
    finally:
        one.kill()
        one.communicate()


def syncjob(*arguments):
    command = [sys.executable, "-m", "syncjob", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


def runs_of(home):
    return json.loads(syncjob("status", "--json", "--home", home).stdout)["runs"]


@contextmanager
def by_the_clock(home, runs):
    """A scheduler of a demo's home that has ended so many runs; when the block ends it is asked to end, and leaves with 0."""
    with child("schedule", "--every", "1s", "--jitter", "0s", "--home", home) as scheduler:
        assert "every 1s" in scheduler.stdout.readline()
        begun, ends = set(), clock_of_this_machine.monotonic() + 60
        while len(begun) <= runs:  # a further one has begun
            assert clock_of_this_machine.monotonic() < ends
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the scheduler ended with {scheduler.wait(0.05)}")
            with suppress(FileNotFoundError):
                begun |= {json.loads((home / scheduling.NOTE).read_text())["under_way_since"]} - {None}
        said = []
        yield scheduler, said
        scheduler.send_signal(signal.SIGTERM)
        said += scheduler.communicate(timeout=40)
        assert scheduler.returncode == 0


@pytest.fixture
def demo(tmp_path):
    home = tmp_path / "demo"
    assert syncjob("demo", "--home", home).returncode == 0
    return home


def test_two_runs_by_the_clock_then_sigterm_and_exit_0(demo):
    before = runs_of(demo)
    with child("sandbox", "resume", "--home", demo) as gateway:
        assert gateway.stdout.readline().startswith("ready ")
        with by_the_clock(demo, runs=2) as (scheduler, said):
            following, told = runs_of(demo)["next"], syncjob("status", "--home", demo).stdout
            refused = syncjob("schedule", "--home", demo)
    cut = r"syncjob: the run of .* was ended by signal 2; the next one goes on from there: stopped; nothing is lost, .*\n"
    assert said[0] == ""
    assert said[1] == "" or re.fullmatch(cut, said[1])  # where the signal came in the middle of a run
    assert following is not None
    assert re.search(r"^Next run .* by syncjob schedule$", told, re.MULTILINE)
    assert (refused.returncode, refused.stdout) == (EXIT_BUSY, "")
    assert f"process {scheduler.pid}" in refused.stderr
    after = runs_of(demo)
    assert after["last"]["id"] >= before["last"]["id"] + 2
    assert after["last"]["kind"] == "tick"
    assert (before["next"], after["next"]) == (None, None)


def test_a_scheduler_without_its_key_says_so_once_and_goes_on(demo):
    (demo / "state" / "sandbox.key").unlink()
    with by_the_clock(demo, runs=2) as (_, said):
        pass
    [line] = said[1].splitlines()
    assert "ended with 2" in line
    assert "sandbox.key" in line
