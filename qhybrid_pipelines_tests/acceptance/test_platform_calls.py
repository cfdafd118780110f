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
    "resource.RLIMIT_MSGQUEUE",
    "resource.RLIMIT_NICE",
    "resource.RLIMIT_SIGPENDING",
    "ctypes.CDLL",
    "os.fork",
    "os.forkpty",
    "os.sched_getaffinity",
    "os.sched_setaffinity",
    "os.sched_setscheduler",
    "os.SCHED_BATCH",
    "os.SCHED_IDLE",
    "os.posix_fadvise",
    "os.posix_fallocate",
    "os.memfd_create",
    "os.pidfd_open",
    "os.copy_file_range",
    "os.sendfile",
    "os.splice",
    "os.O_TMPFILE",
    "os.O_DIRECT",
    "os.O_PATH",
    "os.eventfd",
    "os.fdatasync",
    "os.getresuid",
    "os.getxattr",
    "os.pipe2",
    "os.setns",
    "os.setxattr",
    "os.timerfd_create",
    "os.unshare",
    "os.waitid",
    "os.getrandom",
    "signal.pidfd_send_signal",
    "signal.sigtimedwait",
    "signal.sigwaitinfo",
    "signal.SIGRTMIN",
    "socket.AF_NETLINK",
    "socket.SO_PEERCRED",
    "select.epoll",
    "platform.libc_ver",
}
#: Of processes of `psutil`, whatever they are called: macOS has none of them.
LINUX_METHODS = {".cpu_affinity", ".io_counters", ".ionice", ".rlimit"}
LINUX_PATHS = re.compile(r"/(proc|sys)(/|$)|/dev/shm")


def names_of(node: ast.AST, modules: dict[str, str]) -> set[str]:
    """Return what a node names, as `module.attribute` and `.method`; modules may have other names, and attributes stand in text."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return {f"{modules.get(name, name)}.{attribute}", f".{attribute}"}
        case ast.Attribute(attr=attribute):
            return {f".{attribute}"}
        case ast.ImportFrom(module=str(module)):
            return {f"{module}.{name.name}" for name in node.names}
        case ast.Call(
            func=ast.Name(id="getattr" | "hasattr"), args=[ast.Name(id=name), ast.Constant(value=str(attribute)), *_]
        ):
            return {f"{modules.get(name, name)}.{attribute}"}
        case ast.Call(func=ast.Attribute(attr="get_context" | "set_start_method"), args=[ast.Constant(value="fork")]):
            return {"os.fork"}
    return set()


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
    modules = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    }
    for node in ast.walk(tree):
        found |= {name for name in names_of(node, modules) if name in LINUX_ATTRIBUTES or name in LINUX_METHODS}
        if (
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
        ("from os import fork", {"os.fork"}),
        ("import os as system\nsystem.fork()", {"os.fork"}),
        ("import time\nhasattr(time, 'CLOCK_BOOTTIME')", {"time.CLOCK_BOOTTIME"}),
        ("import multiprocessing\nmultiprocessing.get_context('fork')", {"os.fork"}),
        ("import multiprocessing\nmultiprocessing.get_context('spawn')", set()),
        ("import psutil\npsutil.Process().cpu_affinity()", {".cpu_affinity"}),
    ],
)
def test_what_the_search_finds(source, found):
    assert linux_only_calls(ast.parse(source)) == found
