"""Every call that only Linux has stands on the page of limits, with what happens elsewhere.

Nothing of this has run on another system: the list is what somebody with a Mac would have to look at first.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "qhybrid_pipelines"
PAGE = ROOT / "docs" / "limits.md"

#: Modules and attributes that other systems lack or read differently.
LINUX_ATTRIBUTES = {
    "time.CLOCK_BOOTTIME",
    "sys.platform",
    "resource.RLIMIT_AS",
    "resource.prlimit",
    "ctypes.CDLL",
    "os.fork",
    "os.sched_getaffinity",
    "os.sched_setaffinity",
    "os.sched_setscheduler",
    "os.posix_fadvise",
    "os.posix_fallocate",
    "os.memfd_create",
    "os.pidfd_open",
    "os.copy_file_range",
    "os.sendfile",
    "os.splice",
    "os.O_TMPFILE",
    "os.getrandom",
    "signal.sigtimedwait",
    "select.epoll",
    "platform.libc_ver",
}
LINUX_PATHS = re.compile(r"/(proc|sys)(/|$)|/dev/shm")


def linux_only_calls(tree: ast.Module) -> set[str]:
    """Return names of attributes and roots of paths that a module uses and only Linux has."""
    found = set()
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            if name in LINUX_ATTRIBUTES:
                found.add(name)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
            and LINUX_PATHS.search(node.value)
        ):
            found.add("/" + node.value.split("/")[1])
    return found


def calls_in_the_package() -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(PACKAGE)), call)
        for path in sorted(PACKAGE.rglob("*.py"))
        for call in linux_only_calls(ast.parse(path.read_text()))
    }


def calls_on_the_page() -> dict[tuple[str, str], str]:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| `([\w./]+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    return {(module, call): elsewhere for module, call, elsewhere in rows}


def test_the_page_lists_every_call_that_only_linux_has():
    assert set(calls_on_the_page()) == calls_in_the_package()


def test_every_one_says_what_happens_elsewhere():
    assert all(len(elsewhere.split()) > 3 for elsewhere in calls_on_the_page().values())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.fork()", {"os.fork"}),
        ("open('/proc/self/status')", {"/proc"}),
        ('"""Reads /proc/self/status."""', set()),
        ("def f():\n    '''Of /proc.'''\n    return '/process/x'", set()),
        ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (1, 1))", {"resource.RLIMIT_AS"}),
    ],
)
def test_what_the_search_finds(source, found):
    assert linux_only_calls(ast.parse(source)) == found
