"""A new home: what init writes is commented, valid, and never written over what is there."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from syncjob import config, moment
from syncjob.accounting.beancount import invoices
from syncjob.cli import main, templates
from syncjob.model import Role


def files(home):
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_what_init_writes_is_a_valid_home(tmp_path, capsys):
    home = tmp_path / "shop"
    assert main(["init", "--home", str(home), "--zone", "Asia/Tokyo", "--currency", "JPY", "--gateway-name", "stripe-jp"]) == 0
    read = config.read(home)
    assert (read.zone_name, read.home_currency) == ("Asia/Tokyo", "JPY")
    assert [block.name for block in read.blocks] == ["stripe-jp", "books", "crm"]
    assert "check --live" in capsys.readouterr().out


def test_the_cut_over_is_midnight_today_in_the_books_zone(tmp_path):
    before = datetime.now(UTC)
    main(["init", "--home", str(tmp_path), "--zone", "America/New_York"])
    zone = moment.zone("America/New_York")
    midnights = {moment.start_of(moment.business_date(at, zone), zone) for at in (before, datetime.now(UTC))}
    assert config.read(tmp_path).start in midnights


def test_every_role_has_an_account_from_the_first_day(tmp_path):
    main(["init", "--home", str(tmp_path)])
    chart = config.read(tmp_path).chart
    for role in Role:
        assert chart.code(role, "stripe", "EUR")


def test_the_home_holds_no_key_and_its_state_is_private(tmp_path):
    main(["init", "--home", str(tmp_path)])
    text = (tmp_path / "syncjob.yaml").read_text()
    assert "key: env:STRIPE_KEY" in text
    assert oct((tmp_path / "state").stat().st_mode & 0o777) == "0o700"


def test_the_list_of_invoices_starts_with_the_columns_that_the_books_read(tmp_path):
    main(["init", "--home", str(tmp_path)])
    assert tuple(templates.INVOICES_HEADER.strip().split(",")) == invoices.COLUMNS
    found = invoices.read(tmp_path / "books" / "invoices.csv", "books")
    assert found is not None
    assert found[1] == []


@pytest.mark.parametrize("name", ["syncjob.yaml", "accounts.csv", "books/invoices.csv"])
def test_nothing_that_is_there_is_overwritten_and_nothing_else_is_begun(tmp_path, capsys, name):
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine\n")
    before = files(tmp_path)
    assert main(["init", "--home", str(tmp_path)]) == 2
    assert str(mine) in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--zone", "Mars/Olympus"], "Mars/Olympus"),
        (["--currency", "euro"], "euro"),
        (["--gateway-name", "My Shop"], "My Shop"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_anything_is_written(tmp_path, capsys, options, words):
    assert main(["init", "--home", str(tmp_path / "shop"), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "shop").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_named(tmp_path, capsys):
    tmp_path.chmod(0o500)
    try:
        assert main(["init", "--home", str(tmp_path / "shop")]) == 2
    finally:
        tmp_path.chmod(0o700)
    assert str(tmp_path / "shop") in capsys.readouterr().err


def test_a_home_below_a_file_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["init", "--home", str(tmp_path / "file" / "shop")]) == 2
    assert "file" in capsys.readouterr().err


def test_a_home_without_configuration_says_how_to_make_one(tmp_path, capsys):
    assert main(["check", "--home", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "syncjob init" in said
    assert "Traceback" not in said


def test_a_gateway_name_with_an_account_of_its_own_reads_like_one():
    assert "clearing,stripe-jp,,Assets:Stripe-Jp:Balance" in templates.accounts_csv("stripe-jp")
