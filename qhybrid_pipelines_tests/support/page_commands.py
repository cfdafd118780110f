"""The commands of a page, found under their headings and run as a reader would run them: in order, in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))}
SERVER = Path(__file__).with_name("cli_process_server.py")
#: The top of a page, above its first heading of a section.
TOP = ""
_BLOCK = re.compile(r"^ *```(?:sh|console|bash)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_SHELL = {"|", ">", ">>", "<", "&&", "||", ";", "&"}


def sections(page: str) -> Iterator[tuple[str, str]]:
    """Yield the headings of a page (of any depth below the title) with the text below each."""
    # A line of a comment in a block begins with one #.
    parts = re.split(r"^##+ (.*)$", PAGES[page].read_text("utf-8"), flags=re.MULTILINE)
    yield TOP, parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def block_commands(text: str) -> list[str]:
    """Return the commands of a text's blocks; of a console, those after the prompt."""
    found = []
    for block in _BLOCK.findall(text):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += join_lines([without_comment(line) for line in lines])
    return [line for line in found if line]


def join_lines(lines: list[str]) -> list[str]:
    """Join a command that goes on in the next line: after a backslash, or within quotes."""
    joined: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            joined[-1] += f"\n{line}"
        else:
            joined.append(line)
        try:
            shlex.split(joined[-1].removesuffix("\\"))
            is_open = joined[-1].endswith("\\")
        except ValueError:
            is_open = True
    return joined


def sentence_commands(text: str) -> list[str]:
    """Return the commands that sentences name."""
    return re.findall(r"`((?:qhybrid|dagster|make|python) [^`\n]+)`", _FENCE.sub("", text))


def without_comment(line: str) -> str:
    return re.split(r"(?:^|\s+)#\s", line)[0].strip()


def below(page: str, heading: str) -> list[str]:
    """Return the commands of the blocks below a heading."""
    [text] = [text for title, text in sections(page) if title == heading]
    return block_commands(text)


class Terminal:
    """A folder in which a page's commands run: `qhybrid` in a fork of a process that has all imported, all else in a shell.

    Attributes:
        folder: where they run; the home is ``data`` below it.
        environment: what ``export`` set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.environment = folder, {"HOME": str(folder), "MPLCONFIGDIR": str(folder / ".matplotlib")}
        self._notes = folder / ".notes"
        self._notes.mkdir()
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )

    def run(self, line: str, *, code: int | Sequence[int] = 0, **values: Any) -> str:
        """Run a command as it stands on a page, with its placeholders replaced; return what it printed.

        Args:
            line: on the page.
            code: how it must end.
            values: of the placeholders, such as JOB.
        """
        text = replaced(line, values)
        words = shlex.split(text, comments=True)
        settings = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            settings[name] = value
        plain = words[:1] == ["qhybrid"] and not _SHELL & set(words) and not re.search(r"[$~*]", text)
        ended, told = self._fork(words[1:], settings) if plain else self._shell(text)
        assert ended in ([code] if isinstance(code, int) else code), f"{text}: exit code {ended}\n{told}"
        assert "Traceback" not in told, f"{text}\n{told}"
        return told

    def _fork(self, arguments: list[str], settings: Mapping[str, str]) -> tuple[int, str]:
        log = self._notes / "told"
        log.write_text("")
        return self._order(arguments, log, settings), log.read_text(errors="replace")

    def run_apart(self, arguments: Sequence[str], output: Path | None = None) -> tuple[int, str, str]:
        """Run a command whose output goes to a device, or is kept apart from what it says of errors.

        Args:
            arguments: of `qhybrid`.
            output: a device; by default the output is returned.

        Returns:
            The exit code, the output and the error stream.
        """
        told, errors = self._notes / "told", self._notes / "errors"
        told.write_text("")
        errors.write_text("")
        code = self._order(arguments, errors, {}, output=str(output or told))
        return code, told.read_text(errors="replace"), errors.read_text(errors="replace")

    def _order(self, arguments: Sequence[str], log: Path, settings: Mapping[str, str], **more: str) -> int:
        order = {
            "arguments": list(arguments),
            "log": str(log),
            "tmp": "/tmp",
            "folder": str(self.folder),
            "environment": {**self.environment, **settings},
            "failpoint": settings.get("QHYBRID_FAILPOINT", ""),
            **more,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(json.loads(self._server.stdout.readline())["code"])

    def shell_environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **self.environment}

    def _shell(self, text: str) -> tuple[int, str]:
        told = subprocess.run(
            ["bash", "-c", f"{text}\ncode=$?; env -0 > $ENVIRONMENT_FILE; exit $code"],
            cwd=self.folder,
            env={**self.shell_environment(), "ENVIRONMENT_FILE": str(self._notes / "environment")},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        after = dict(pair.split("=", 1) for pair in (self._notes / "environment").read_text().split("\0") if pair)
        before = self.shell_environment()
        self.environment |= {
            name: value
            for name, value in after.items()
            if before.get(name) != value and name not in {"_", "SHLVL", "PWD", "OLDPWD", "ENVIRONMENT_FILE"}
        }
        return told.returncode, told.stdout + told.stderr

    def close(self) -> None:
        for stream in (self._server.stdin, self._server.stdout):
            assert stream is not None
            stream.close()
        self._server.wait(timeout=120)


def replaced(line: str, values: Mapping[str, Any]) -> str:
    """Return a line with its placeholders replaced, longer ones first."""
    for name in sorted(values, key=len, reverse=True):
        assert name in line, f"{name} is not in {line}"
        line = line.replace(name, str(values[name]))
    return line
