"""`make docs` is strict: a small copy of the site is built as it is, and not built with a fault in it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

INDEX = """# Documentation

## Start

- [a page](page.md): what it is for.
- [another](other.md#a-heading)
"""
PAGE = """# A page

Back to the [index](index.md). Angles are drawn from $[-\\pi, \\pi)$.

```mermaid
flowchart LR
    problem --> verdict
```
"""
OTHER = "# Another page\n\n## A heading\n"
MODULE = '''"""A documented module; see :func:`double`."""

from functools import cached_property
from json import JSONEncoder as Encoder

#: What everything is multiplied by.
FACTOR = 2


def double(number: int) -> int:
    """Return twice the ``number``.

    Raises:
        ValueError: never.
    """
    return FACTOR * number


class Pair(Encoder):
    """Two numbers, of which :math:`a^2` is one."""

    @property
    def first(self) -> int:
        """The first."""
        return 1

    @cached_property
    def second(self) -> int:
        """The second."""
        return 2

    def encode(self, o: object) -> str:
        """Return a text of our own."""
        return "pair"

    def _private(self) -> None: ...


def _hidden() -> None: ...
'''
SOUND = {
    "docs/index.md": INDEX,
    "docs/page.md": PAGE,
    "docs/other.md": OTHER,
    "qhybrid_pipelines/room/module.py": MODULE,
}
#: (what a file has, what it gets instead, what the build then says)
FAULTS = {
    "a link to a page that is not there": ("docs/page.md", "(index.md)", "(indx.md)", "target not found: 'indx.md'"),
    "a link to a heading that is not there": ("docs/index.md", "#a-heading", "#no-heading", "no-heading"),
    "a page that the index does not name": ("docs/index.md", "- [a page](page.md)", "- a page", "page.md: WARNING: document isn't included"),
    "a diagram that is not Mermaid": ("docs/page.md", "problem --> verdict", "problem --> --> verdict", "Mermaid"),
    "a module without a docstring": ("qhybrid_pipelines/room/module.py", '"""A documented module; see :func:`double`."""', "", "module qhybrid_pipelines.room.module is public"),
    "a function without a docstring": ("qhybrid_pipelines/room/module.py", "def _hidden", "def hidden", "function qhybrid_pipelines.room.module.hidden is public"),
    "a method without a docstring": ("qhybrid_pipelines/room/module.py", "def _private", "def public", "method qhybrid_pipelines.room.module.Pair.public is public"),
    "a class without a docstring": ("qhybrid_pipelines/room/module.py", '"""Two numbers, of which :math:`a^2` is one."""', "", "class qhybrid_pipelines.room.module.Pair is public"),
    "a method with a docstring of its base class only": ("qhybrid_pipelines/room/module.py", '"""Return a text of our own."""', "", "method qhybrid_pipelines.room.module.Pair.encode is public"),
    "a property without a docstring": ("qhybrid_pipelines/room/module.py", '"""The first."""', "", "property qhybrid_pipelines.room.module.Pair.first is public"),
    "a reference to a name that is not there": ("qhybrid_pipelines/room/module.py", '"""The second."""', '"""Half of :func:`quadruple`."""', "target not found: quadruple"),
}  # fmt: skip


def the_command():
    """Return the words of the command of `make docs`, as `make test` would run it."""
    planned = subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in planned.splitlines() if " -m sphinx " in line]
    return line.split()[1:]


def build(folder, files):
    """Write ``files`` beside the real configuration and run the real command there, in a process that cannot connect."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for package in ("qhybrid_pipelines", "qhybrid_pipelines/room"):
        (folder / package / "__init__.py").touch()
    shutil.copy(ROOT / "docs" / "conf.py", folder / "docs")
    for name in ("_static", "_templates"):
        shutil.copytree(ROOT / "docs" / name, folder / "docs" / name)
    (folder / "offline").mkdir()
    (folder / "offline" / "sitecustomize.py").write_text(
        "import socket\n\n\ndef refuse(*_, **__):\n    raise OSError('no network here')\n\n\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
    )
    return subprocess.run(
        [sys.executable, *the_command()],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder / "offline"), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def faulty(*names):
    """Return the files of a sound site with the faults of these names."""
    files = dict(SOUND)
    for name in names:
        file, old, new, _ = FAULTS[name]
        assert old in files[file], name
        files[file] = files[file].replace(old, new)
    return files


def test_a_sound_site_is_built_and_loads_nothing_from_elsewhere(tmp_path):
    done = build(tmp_path, SOUND)
    assert done.stderr == ""
    assert done.returncode == 0
    site = tmp_path / "build" / "docs"
    pages = {str(page.relative_to(site)): page.read_text("utf-8") for page in site.rglob("*.html")}
    module = pages["docs/api/qhybrid_pipelines/room/module/index.html"]
    assert "What everything is multiplied by." in module
    assert "<math" in module
    assert "_hidden" not in module
    assert "<math" in pages["docs/page.html"]
    [diagram] = (site / "_images").glob("mermaid-*.svg")
    assert diagram.name in pages["docs/page.html"]
    assert "verdict" in diagram.read_text("utf-8")
    assert "double" in (site / "searchindex.js").read_text("utf-8")
    loaded = [
        tag
        for text in (*pages.values(), *(sheet.read_text("utf-8") for sheet in site.rglob("*.css")))
        for tag in re.findall(
            r"<(?:script|link|img|object|iframe)[^>]*//[^>]*>|url\(['\"]?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*",
            text,
        )
    ]
    assert loaded == []
    assert not (tmp_path / "docs" / "api").exists()


@pytest.mark.parametrize("fault", ["a link to a page that is not there", "a function without a docstring"])
def test_one_fault_fails_the_build(fault, tmp_path):
    done = build(tmp_path, faulty(fault))
    assert done.returncode != 0
    assert FAULTS[fault][-1] in done.stderr


def test_every_fault_is_named_at_once(tmp_path):
    done = build(tmp_path, faulty(*FAULTS))
    assert done.returncode != 0
    assert [name for name, (*_, said) in FAULTS.items() if said not in done.stderr] == [], done.stderr
