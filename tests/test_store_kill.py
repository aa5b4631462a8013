"""What the state promises against kill -9, zombies, damaged files, full disks, and programs of another version."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from kept import NOON, SHOP, call, delivery, eur, invoice, planned, record, subject
from sqlalchemy import Table, select

from syncjob.errors import Busy, Misconfigured, StateDamaged
from syncjob.model import Status
from syncjob.ports import Balance, Identity
from syncjob.store import Plan, Progress, Store, opening, schema
from syncjob.store.database import Database
from syncjob.store.tables import METADATA

HERE = Path(__file__).parent

# Lands a page, plans it and delivers it, for ever; says each number once all three are committed.
WORKER = """
    import sys
    from dataclasses import replace
    from kept import *
    from syncjob.store import Plan, Progress, Store
    store = Store.open(sys.argv[1], now=NOON)
    with store.run_lock():
        number = store.progress("shop", "charges").cursor or 0
        while True:
            number += 1
            ids = [f"ch_{number}_{part}" for part in range(5)]
            store.land(SHOP, "charges", [record(id) for id in ids], Progress(cursor=number), NOON)
            print("landed", number, flush=True)
            store.save(Plan(
                tuple(subject(id) for id in ids), entries=tuple(entry(id) for id in ids),
                posted=tuple(("books", f"shop:{id}", f"books:shop:{id}:receipt") for id in ids),
                deliveries=tuple(delivery(id) for id in ids)), NOON)
            print("planned", number, flush=True)
            carrier = call(*(delivery(id) for id in ids))
            going = [sent(delivery(id), carrier) for id in ids]
            store.commit_calls("books", [carrier], going, NOON)
            print("committed", number, flush=True)
            store.settle("books", [carrier.key], [arrived(one) for one in going], NOON)
            print("settled", number, flush=True)
"""
HOLDER = """
    import sys
    from syncjob.store import Store
    store = Store.open(sys.argv[1])
    with store.run_lock():
        print("holding", flush=True)
        sys.stdin.read()
"""


@contextmanager
def child(program: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process with the same state, killed at the end at the latest."""
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# ---------------------------------------------------------------- killed


def test_killed_at_any_moment_the_state_is_sound_and_what_was_acknowledged_is_there(store_url: str) -> None:
    chance = random.Random(7)  # noqa: S311 - a moment, not a secret
    told: dict[str, set[int]] = {"landed": {0}, "settled": set()}
    for kills in range(1, 7):
        with child(WORKER, store_url) as worker:
            for _ in range(chance.randrange(1, 40)):
                word, _, number = said(worker).partition(" ")
                told.setdefault(word, set()).add(int(number))
            worker.send_signal(signal.SIGKILL)
            assert worker.stdout is not None
            for line in worker.stdout:  # what it could still say before it died is a promise too
                word, _, number = line.strip().partition(" ")
                told.setdefault(word, set()).add(int(number))
        _check(store_url, told, kills)


def _check(url: str, told: dict[str, set[int]], kills: int) -> None:
    store = Store.open(url)  # reads the whole file for damage
    if store._database.sqlite:
        assert store._database.command("PRAGMA quick_check") == [("ok",)]
        assert store._database.command("PRAGMA foreign_key_check") == []
    cursor = store.progress("shop", "charges").cursor
    landed = [one.name for one in store.all_subjects("shop")]
    assert isinstance(cursor, int)
    assert max(told["landed"]) <= cursor <= max(told["landed"]) + 1
    assert sorted(landed) == sorted(f"payment:ch_{page}_{part}" for page in range(1, cursor + 1) for part in range(5))
    with store.run_lock():  # freed by the operating system or by PostgreSQL
        states = store.counts()
    waiting = states.get(("books", "receipt", "sending"), 0)
    assert waiting == sum(len(one.deliveries) for one in store.open_calls("books"))
    # A killed worker may have settled one page more than it could still say.
    assert 0 <= states.get(("books", "receipt", "delivered"), 0) - 5 * len(told["settled"]) <= 5 * kills
    total = sum(states.values())
    assert total % 5 == waiting % 5 == 0
    assert sum(minor for minor in store.balances("shop", None).values()) == 0
    _forget_half_done(store)
    store.close()


def _forget_half_done(store: Store) -> None:
    """The worker begins with the next page: what the killed one left over is finished here."""
    left = store.dirty(100)
    store.save(Plan(tuple(left)), NOON)
    for opened in store.open_calls("books"):
        store.settle("books", [opened.call.key], [delivery(one.subject[8:]) for one in opened.deliveries], NOON)


def test_the_lock_is_held_across_processes_and_freed_by_kill_9(store: Store, store_url: str) -> None:
    with child(HOLDER, store_url) as holder:
        assert said(holder) == "holding"
        with pytest.raises(Busy, match=f"process {holder.pid}"), store.run_lock():
            pass
        store.mark_dirty([subject("a person's decision")])
        holder.kill()
        holder.wait()
        for _ in range(500):  # PostgreSQL notices the closed connection a moment later
            try:
                with store.run_lock():
                    return
            except Busy:
                os.sched_yield()
                store.get_fact("wait for an answer of the server")
    pytest.fail("the lock of a dead process was never freed")


def test_a_zombie_is_refused_once_another_run_has_taken_over(store: Store, store_url: str) -> None:
    other = Store.open(store_url)
    with store.run_lock():
        store.land(SHOP, "charges", [record("ch_1")], None, NOON)
        schema.next_fence(other._database)  # as a run does that believes it holds the lock alone
        with pytest.raises(Busy, match="taken over"):
            store.land(SHOP, "charges", [record("ch_2")], None, NOON)
    assert other.known(SHOP, "charge", ["ch_1", "ch_2"]) == {"ch_1"}
    other.close()


WRITES: dict[str, Callable[[Store], object]] = {
    "land": lambda store: store.land(SHOP, "charges", [record("ch_2")], Progress(cursor=NOON), NOON),
    "save": lambda store: store.save(Plan((subject("ch_1"),)), NOON),
    "mark_dirty": lambda store: store.mark_dirty([subject("ch_2")]),
    "land_mirror": lambda store: store.land_mirror("books", [invoice("R-1")], "1", NOON),
    "commit_calls": lambda store: store.commit_calls("books", [call(delivery("ch_1"))], [], NOON),
    "settle": lambda store: store.settle("books", [], [], NOON),
    "bind": lambda store: store.bind("shop", Identity("acct_1", "test"), "aaaa", NOON),
    "bind_accounts": lambda store: store.bind_accounts("books", {("fees", "", ""): "4970"}),
    "rebind_accounts": lambda store: store.rebind_accounts("books", {("fees", "", ""): "4980"}),
    "mark_unsent_dirty": lambda store: store.mark_unsent_dirty(),
    "start_run": lambda store: store.start_run("tick", NOON),
    "end_run": lambda store: store.end_run(1, NOON, 0, {}),
    "note_balances": lambda store: store.note_balances("shop", [Balance("payments", eur(1), NOON)]),
    "set_fact": lambda store: store.set_fact("a", 1),
    "audit": lambda store: store.audit(NOON, "finance", "hold", {}),
    "forget": lambda store: store.forget("shop", "cus_1"),
}


def test_every_write_of_a_zombie_is_refused_and_leaves_nothing(store: Store, store_url: str) -> None:
    store.land(SHOP, "charges", [record("ch_1", personal={"email": "ann@example.com"}, person="cus_1")], None, NOON)
    with store.run_lock():
        other = Store.open(store_url)
        schema.next_fence(other._database)
        before = _rows(other)
        for name, write in WRITES.items():
            with pytest.raises(Busy, match="taken over"):
                write(store)
            assert _rows(other) == before, name
        other.close()
    for write in WRITES.values():
        write(store)  # every one of them is a write that goes through otherwise


def _rows(store: Store) -> dict[str, list[object]]:
    return {table.name: store._database.rows(select(table)) for table in METADATA.sorted_tables}


def test_deleting_the_lock_file_does_not_let_two_runs_write(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first, second = Store.open(str(path)), Store.open(str(path))
    with first.run_lock():
        (tmp_path / "state.lock").unlink()
        with second.run_lock(), pytest.raises(Busy, match="taken over"):
            first.set_fact("a", 1)
    first.close()
    second.close()


def test_a_commit_of_unknown_outcome_ends_the_connection(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store._database.connection.exec_driver_sql

    def failing(words: str, *more: object) -> object:
        result = run(words, *more)  # type: ignore[arg-type]
        if words == "COMMIT":
            raise OSError(5, "Input/output error")
        return result

    monkeypatch.setattr(store._database.connection, "exec_driver_sql", failing)
    with pytest.raises(StateDamaged, match="may or may not"):
        store.set_fact("a", 1)
    with pytest.raises(StateDamaged, match="run again"):
        store.get_fact("a")


# ---------------------------------------------------------------- versions

EXTRA = "extra"
NOW = schema.MIGRATIONS
NEXT = NOW[-1].version + 1


def _first(database: Database) -> None:
    database.command(f"CREATE TABLE {EXTRA} (id INTEGER)")


def _second(database: Database) -> None:
    database.command(f"INSERT INTO {EXTRA} VALUES (1)")  # noqa: S608


def test_a_migration_that_was_killed_between_its_steps_goes_on(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(store_url).close()

    def killed(database: Database) -> None:
        _second(database)
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "MIGRATIONS", (*NOW, schema.Migration(NEXT, (_first, killed)),))
    with pytest.raises(KeyboardInterrupt):
        Store.open(store_url)
    monkeypatch.setattr(schema, "MIGRATIONS", NOW)
    with pytest.raises(StateDamaged, match="upgrade syncjob"):
        Store.open(store_url)  # an older program never works on a half-migrated state
    later = schema.Migration(NEXT, (_first, _second)), schema.Migration(NEXT + 1, (_second,))
    monkeypatch.setattr(schema, "MIGRATIONS", (*NOW, *later))
    for _ in range(2):
        store = Store.open(store_url)
        assert store._database.command(f"SELECT count(*) FROM {EXTRA}")[0][0] == 2  # noqa: S608
        store.close()


def test_a_state_of_version_1_keeps_what_it_holds(store: Store, store_url: str) -> None:
    planned(store, "ch_1")
    runs = [store.start_run("tick", NOON + timedelta(hours=hour)) for hour in range(2)]
    sent = call(delivery("ch_1"))
    store.commit_calls("books", [sent], [], NOON + timedelta(minutes=5))
    for words in (
        "DROP INDEX ix_delivery_undone",
        "DROP INDEX ix_delivery_reverses",
        "ALTER TABLE delivery DROP COLUMN undone",
        "ALTER TABLE delivery DROP COLUMN reverses",
        "ALTER TABLE call DROP COLUMN run",
        "ALTER TABLE delivery DROP COLUMN map",
        "DROP TABLE customer",
        "DROP TABLE mapcount",
        "DROP TABLE coded",
        "DROP TABLE bankline",
        "DROP TABLE paidout",
        "DROP INDEX ix_application_customer",
        "ALTER TABLE application DROP COLUMN customer",
        "ALTER TABLE application DROP COLUMN written_off",
        "UPDATE meta SET value = '1' WHERE name IN ('schema', 'schema steps done')",
    ):
        store._database.command(words)
    again = Store.open(store_url)
    assert list(again.lookup("books", [delivery("ch_1").key]).values()) == [delivery("ch_1")]
    assert [again.undoing.carried(run) for run in runs] == [{"books": [delivery("ch_1").key]}, {}]
    assert (again.undoing.is_waited_for, again.undoing.lacking("books")) == (False, [])
    assert again._database.command("SELECT count(*) FROM customer")[0][0] == 0
    assert again._database.command("SELECT count(*) FROM mapcount")[0][0] == 0
    assert again._database.command("SELECT count(*) FROM application WHERE customer <> ''")[0][0] == 0
    again.close()


def test_the_state_of_a_newer_syncjob_is_refused_and_left_as_it_is(store: Store, store_url: str) -> None:
    store._database.command("UPDATE meta SET value = '99' WHERE name = 'schema'")
    store._database.command("UPDATE meta SET value = '9.9.9' WHERE name = 'written by'")
    before = _rows(store)
    with pytest.raises(StateDamaged, match=r"written by syncjob 9\.9\.9 \(schema 99\).*upgrade syncjob"):
        Store.open(store_url)
    assert _rows(store) == before


def test_a_migration_waits_for_no_run_that_is_at_work(store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.run_lock():
        monkeypatch.setattr(schema, "MIGRATIONS", (*NOW, schema.Migration(NEXT, (_first,)),))
        with pytest.raises(Busy):
            Store.open(store_url)


def test_a_fresh_state_has_the_newest_version(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*NOW, schema.Migration(NEXT, (_first, _second)),))
    store = Store.open(store_url)
    assert schema.pending(store._database) == 0
    store.close()


# ---------------------------------------------------------------- files


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "state" / "syncjob.sqlite"
    store = Store.open(str(path))
    with store.run_lock():
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert set(modes) >= {"syncjob.sqlite", "syncjob.sqlite-wal", "syncjob.sqlite.lock"}
    assert set(modes.values()) == {0o600}
    store.close()


def test_commits_are_durable_and_tables_are_strict(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'state'}")
    run = store._database.command
    told = [run(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")]
    assert told == ["wal", 2, 1, 5000]
    with pytest.raises(AssertionError, match="cannot store TEXT"):
        run("INSERT INTO balance VALUES ('a', 'b', 'EUR', 'twelve', 1)")
    with pytest.raises(AssertionError, match="CHECK"):
        run("INSERT INTO stream VALUES (1, 'a', 'b', 'neither')")
    with pytest.raises(AssertionError, match="CHECK"):
        run("INSERT INTO balance VALUES ('a', 'b', 'Eur', 1, 1)")
    with pytest.raises(AssertionError, match="FOREIGN KEY"):
        run("INSERT INTO line VALUES (9, 0, 'fees', '', 'EUR', 1, '', NULL, NULL, '')")
    store.close()


def test_an_old_sqlite_checks_whole_numbers_one_by_one(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "state"))
    with store._database.writing():
        tables: list[Table] = list(reversed(METADATA.sorted_tables))
        for table in tables:
            store._database.command(f'DROP TABLE "{table.name}"')
        for words in schema.definitions(store._database, strict=False):
            assert "STRICT" not in words
            store._database.command(words)
        with pytest.raises(AssertionError, match="CHECK"):
            store._database.command("INSERT INTO balance VALUES ('a', 'b', 'EUR', 12.5, 1)")
        store._database.command("INSERT INTO balance VALUES ('a', 'b', 'EUR', 12, 1)")
        store._database.command("INSERT INTO meta VALUES ('fence', '0')")
    store.close()


def _rubbish(path: Path) -> None:
    path.write_bytes(b"this is no database, but it is longer than a hundred bytes " * 9)


def _bit_flips(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(4096, len(content), 4096):
        content[place : place + 64] = b"\xff" * 64
    path.write_bytes(content)


def _one_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-4096:-4032] = b"\xff" * 64
    path.write_bytes(content)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 5 + 17])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [_rubbish, _bit_flips, _one_page, _truncated, _emptied])
def test_a_damaged_file_is_said_and_never_begun_anew(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    path = tmp_path / "state"
    store = Store.open(str(path))
    with store.run_lock():
        store.land(SHOP, "charges", [record(f"ch_{number}") for number in range(200)], None, NOON)
    store.close()
    harm(path)
    with pytest.raises(StateDamaged, match="restore its last backup"):
        Store.open(str(path))


def test_a_large_file_is_read_for_damage_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_SMALL", 0)
    path = tmp_path / "state"
    store = Store.open(str(path), now=NOON)
    store.land(SHOP, "charges", [record(f"ch_{number}") for number in range(200)], None, NOON)
    store.close()
    _one_page(path)
    Store.open(str(path), now=NOON + timedelta(hours=1)).close()
    with pytest.raises(StateDamaged, match="restore its last backup"):
        Store.open(str(path), now=NOON + timedelta(days=1))


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "state"))
    with store._database.writing():
        store._database.command("ALTER TABLE meta RENAME TO theirs")
        store._database.command("CREATE TABLE meta (name TEXT, value TEXT)")
        store._database.command("INSERT INTO meta VALUES ('fence', '0')")
    store._database.command("DROP TABLE meta")
    store.close()
    with pytest.raises(StateDamaged, match="another program"):
        Store.open(str(tmp_path / "state"))


def test_a_full_disk_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "state"))
    store.land(SHOP, "charges", [record("ch_0")], None, NOON)
    size = store._database.command("PRAGMA page_count")[0][0]
    store._database.command(f"PRAGMA max_page_count = {size + 2}")
    with pytest.raises(StateDamaged, match="disk is full"):
        store.land(SHOP, "charges", [record(f"ch_{number}", body={"text": "x" * 2000}) for number in range(99)], None, NOON)
    store.close()
    again = Store.open(str(tmp_path / "state"))
    assert [one.name for one in again.all_subjects()] == ["payment:ch_0"]
    again.close()


def test_a_state_that_another_program_keeps_locked_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Store.open(str(tmp_path / "state")), Store.open(str(tmp_path / "state"))
    second._database.command("PRAGMA busy_timeout = 0")
    with first.together(), pytest.raises(Busy, match="locked by another program"):
        second.set_fact("a", 1)
    assert second.get_fact("a") is None
    second.set_fact("a", 2)
    first.close()
    second.close()


def test_a_state_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "state"))
    store._database.command("PRAGMA query_only = ON")  # root may write a file that nobody else may
    with pytest.raises(StateDamaged, match="cannot be written"):
        store.set_fact("a", 1)
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a folder that is read-only for everybody else")
def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    with pytest.raises(StateDamaged, match="see to its folder and permissions"):
        Store.open(str(folder / "state"))
    assert list(folder.iterdir()) == []


def test_a_place_that_cannot_be_a_state_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no state"):
        Store.open(str(tmp_path / "nowhere"), create=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StateDamaged, match="is no file"):
        Store.open(str(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateDamaged):
        Store.open(str(tmp_path / "file" / "state"))
    with pytest.raises(Misconfigured, match="mysql"):
        Store.open("mysql://host/database")


def test_a_server_that_cannot_be_reached_is_said_without_the_password() -> None:
    with pytest.raises(StateDamaged) as refused:
        Store.open("postgresql://someone:hush-hush@127.0.0.1:9/nothing")
    assert "hush-hush" not in str(refused.value)


def test_a_server_connection_that_breaks_is_said(store: Store, store_url: str) -> None:
    if store._database.sqlite:
        pytest.skip("SQLite has no server")
    import psycopg

    number = store._database.command("SELECT pg_backend_pid()")[0][0]
    with psycopg.connect(store_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))
    with pytest.raises(StateDamaged):
        store.set_fact("a", 1)
    with pytest.raises(StateDamaged):
        store.get_fact("a")


def test_a_held_delivery_of_a_killed_run_can_be_seen(store: Store) -> None:
    store.save(Plan((subject("ch_1"),), deliveries=(delivery("ch_1", status=Status.HELD),)), NOON)
    assert [one.key for one in store.held()] == ["books:shop:ch_1:receipt"]
