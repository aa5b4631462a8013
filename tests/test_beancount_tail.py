"""A busy month: what belongs behind its end is put there without reading the rest, and nobody can tell from the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_books import books_in, deliver, files, receipt

from syncjob.accounting.beancount import monthfile
from syncjob.model import Action

DAYS = [f"2026-{month:02}-{day:02}" for month in (10, 11) for day in range(1, 11)]
WAVES = st.lists(
    st.lists(st.tuples(st.sampled_from(DAYS), st.integers(0, 30)), min_size=1, max_size=6), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(WAVES)
def test_one_process_writes_what_a_process_for_each_wave_writes(
    tmp_path_factory: pytest.TempPathFactory, waves: list[list[tuple[str, int]]]
) -> None:
    one, each = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("each")
    books = books_in(one)
    for wave in waves:
        puts = [receipt(f"ch_{number}", day=day) for number, day in {number: day for day, number in wave}.items()]
        said = deliver(books, *puts)
        assert said == deliver(books_in(each), *puts)
    assert files(one) == files(each)


def test_what_comes_later_is_put_behind_without_reading_the_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1", day="2026-11-01"))
    with monkeypatch.context() as patch:
        patch.setattr(monthfile, "pieces", lambda path: pytest.fail(f"{path.name} was read again"))
        deliver(books, receipt("ch_3", day="2026-11-03"), receipt("ch_2", day="2026-11-02"))
        deliver(books, receipt("ch_4", day="2026-11-04"))
    text = (tmp_path / "books" / "2026-11.beancount").read_text()
    places = [text.index(f"Payment ch_{number}") for number in (1, 2, 3, 4)]
    assert places == sorted(places)


def test_a_file_that_somebody_changed_meanwhile_is_read_again(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1", day="2026-11-01"))
    path = tmp_path / "books" / "2026-11.beancount"
    path.write_text(path.read_text() + "; mine\n" + path.read_text().partition("\n\n")[2].replace("ch_1", "ch_9"))
    deliver(books, receipt("ch_9", day="2026-11-09"))
    assert path.read_text().count("Payment ch_9") == 1
    assert "; mine\n" in path.read_text()
    path.unlink()
    deliver(books, receipt("ch_10", day="2026-11-10"))
    assert path.read_text().startswith(monthfile.HEADER)


def test_an_update_finds_what_was_put_behind(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1", day="2026-11-01"))
    (outcome,) = deliver(books, receipt("ch_2", day="2026-11-02")).values()
    deliver(
        books,
        receipt("ch_2", day="2026-11-02", amount="1.00", action=Action.UPDATE, revision=2, expected=outcome.remote),  # type: ignore[union-attr]
    )
    text = (tmp_path / "books" / "2026-11.beancount").read_text()
    assert text.count("Payment ch_2") == 1
    assert "1.00" in text
