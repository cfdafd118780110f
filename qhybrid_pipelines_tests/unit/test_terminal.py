"""What is printed is what was said: brackets are not markup, nothing steers the terminal, no stream ends a command."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

import qhybrid_pipelines
from qhybrid_pipelines.commands.common import echo
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.metadata import code_block, markdown_paragraphs, table_metadata
from qhybrid_pipelines.terminal import print_error, print_verdicts, print_waterfall, progress
from qhybrid_pipelines.terminal_tables import print_table

PACKAGE = Path(qhybrid_pipelines.__file__).parent
#: Modules that may write to a stream: the two that make text printable first, and the servers, which are programs of their own.
WRITERS = {
    *("terminal_tables.py", "terminal.py", "commands/common.py"),
    *("emulator/command.py", "emulator/server.py", "service/server.py"),
}
FOREIGN = [
    "[/x]",
    r"\[/x]",
    "[bold]a",
    "a\\",
    "[link=http://a]b[/link]",
    "\x1b[31mred\x1b[0m",
    "a\x07\u202eb",
    ":smile:",
    "[1, 2]",
]


@pytest.mark.parametrize("text", FOREIGN, ids=ascii)
def test_text_is_shown_as_it_is(text, capsys):
    print_table([{text: text}], title=text)
    print_verdicts([{"experiment": text, "verdict": text, "noise": text, "answer": 1}], text)
    print_waterfall([{"backend": text, "component": "queue", "side": "provider", "p50_seconds": 1.0}])
    print_error(InvalidInput(text, remedy="none"), as_json=False)
    print_error(InvalidInput(text, remedy="none"), as_json=True)
    echo(text)
    with progress(quiet=False) as display:
        display.on_message(text)
    printed = "".join(capsys.readouterr())
    shown = text.replace("\x1b", r"\x1b").replace("\x07", r"\x07").replace("\u202e", r"\u202e")
    assert printed.count(shown) >= 8
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)


@pytest.mark.parametrize("text", FOREIGN, ids=ascii)
def test_dagsters_pages_show_it_too(text):
    for value in (table_metadata(pa.table({"name": [text]}), ["name"]), code_block(text, "text")):
        assert not {"\x1b", "\x07", "\u202e"} & set(repr(value.value))


def test_a_name_is_not_markdown():
    shown = markdown_paragraphs(pa.chunked_array([["![x](http://far.example/x.png) <img src=x> `b`"]])).value
    assert "![x]" not in shown.replace(r"\[", "")
    assert "<img" not in shown.replace(r"\<", "")
    block = code_block("a\n```\n![x](http://far.example/x.png)\n````\nb", "text").value
    fence = block.partition("text")[0]
    assert block.count(fence) == 2
    assert isinstance(code_block("a", "text"), dg.MarkdownMetadataValue)


def test_nothing_else_writes_to_a_stream():
    writers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in {"print", "typer.echo", "typer.secho", "click.echo"} or called.endswith(
                    (".print", "stdout.write")
                ):
                    writers.add(path.relative_to(PACKAGE).as_posix())
    # negative control: the search finds those that do; these two are processes of their own that speak to their parent
    assert writers - {"quantum/user_circuits/sandbox.py", "interactive_worker.py"} == WRITERS


def run(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", f"{Path(sys.executable).with_name('qhybrid')} {command}"],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
        timeout=120,
    )


@pytest.mark.parametrize("command", ["schema", "schema --json"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_output_device_is_one_sentence(command, unbuffered):
    done = run(f"{command} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 3
    assert done.stderr.decode().count("\n") == 1
    assert "the output cannot be written: No space left on device" in done.stderr.decode()


def test_no_output_no_reader_and_an_ascii_terminal():
    assert run("schema >&- 2>&-").returncode == 0
    gone = run("schema | head -c 1")
    assert (gone.stdout, gone.stderr) == (b"n", b"")
    told = run("estimate 'Müll·\033.yaml'".replace("\\033", "\x1b"), PYTHONIOENCODING="ascii")
    assert told.returncode == 2
    assert told.stderr.isascii()
    assert b"M\\xfcll" in told.stderr
    assert b"\x1b" not in told.stderr
