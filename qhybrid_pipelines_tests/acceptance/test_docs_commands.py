"""Every command on a page exists, with the options that the page gives it; every link within a page leads somewhere."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from qhybrid_pipelines.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
COMMANDS = typer.main.get_command(app)


def documented_commands(text: str) -> list[str]:
    """Return the commands of code blocks and of code in sentences."""
    blocks = "\n".join(re.findall(r"```(?:sh|console|bash)\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*qhybrid (.*)$", blocks, re.MULTILINE)
    return [*lines, *re.findall(r"`qhybrid ([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


def words_of(line: str) -> list[str]:
    """Return the words of a line as a shell reads them, up to its comment, or where the output goes to another program or a file."""
    shell = shlex.shlex(line, posix=True, punctuation_chars="|>")
    shell.whitespace_split = True
    return list(takewhile(lambda word: not set(word) <= set("|>"), shell))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_on_a_page_exists(page):
    for line in documented_commands(page.read_text("utf-8")):
        words = words_of(line)
        command = COMMANDS
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not COMMANDS or words == ["--version"], line
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert [word for word in words if word.startswith("--") and word not in options] == [], line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_within_a_page_leads_to_a_heading(page):
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [target for target in re.findall(r"\]\(#([^)]+)\)", text) if target not in anchors] == []


def test_the_runbook_has_every_command_for_jobs():
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert [name for name in COMMANDS.commands["jobs"].commands if f"qhybrid jobs {name}" not in text] == []
