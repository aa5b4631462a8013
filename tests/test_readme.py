"""The README shows what a newcomer will see: its output is the program's own, its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import syncjob

README = Path(__file__).parent.parent / "README.md"


def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    # As the README's command calls it: by the program in .venv, which nobody has put on the PATH.
    program = tmp_path / ".venv" / "bin" / "syncjob"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nimport sys\n\nfrom syncjob.cli import main\n\nsys.exit(main())\n")
    program.chmod(0o755)
    # The package of this very test run, wherever it was imported from.
    environ = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(syncjob.__file__).parent.parent)}
    demo = [".venv/bin/syncjob", "demo", "--home", "my-demo"]
    seen = subprocess.run(demo, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert seen.stdout.rstrip() in README.read_text()


def test_the_two_commands_are_marked_for_ci() -> None:
    text = README.read_text()
    for mark in ("run", "test"):
        assert re.search(rf"<!-- command: {mark} -->\n```\n.+\n```", text), mark


@pytest.mark.parametrize("page", re.findall(r"\]\(([^)]+\.md)\)", README.read_text()))
def test_every_page_that_is_linked_is_there(page: str) -> None:
    assert (README.parent / page).is_file()


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^syncjob [^#\n]*", README.read_text(), re.MULTILINE))))
def test_every_command_line_is_understood(line: str) -> None:
    words = line.split()
    verb = words[1:3] if words[1] in ("sandbox", "held", "export") else words[1:2]
    shown = subprocess.run([sys.executable, "-m", "syncjob", *verb, "--help"], capture_output=True, text=True, check=True)
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.stdout, f"{line}: {option}"
