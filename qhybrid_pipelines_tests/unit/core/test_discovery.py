"""Extensions by presence, in packages that are written for the test."""

from __future__ import annotations

import importlib
import sys
from typing import Protocol

import pytest

from qhybrid_pipelines.core.discovery import exported_by_modules, public_members

GOOD = "from types import SimpleNamespace as N\nTHING = N(name={name!r}, colour='red')\n"


class Thing(Protocol):
    name: str
    colour: str

    @property
    def size(self) -> int: ...

    def paint(self) -> None: ...

    def _private(self) -> None: ...


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that makes a package of the named modules and imports it."""

    def load(**modules):
        folder = tmp_path / "things_to_find"
        folder.mkdir()
        for name, text in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("things_to_find")

    yield load
    for name in [name for name in sys.modules if name.split(".")[0] == "things_to_find"]:
        del sys.modules[name]


def test_members_of_a_protocol():
    assert public_members(Thing) == ("name", "colour", "size", "paint")


def test_modules_without_the_export_only_help(load):
    package = load(b=GOOD.format(name="2"), a=GOOD.format(name="1"), helper="x = 1\n", _draft=GOOD.format(name="3"))
    assert [thing.name for thing in exported_by_modules(package, "THING", required=["name", "colour"])] == ["1", "2"]


def test_what_is_missing_is_named_with_its_module(load):
    package = load(a=GOOD.format(name="1"))
    with pytest.raises(TypeError, match=r"THING in things_to_find\.a has no size, no paint"):
        exported_by_modules(package, "THING", required=public_members(Thing))


def test_a_name_is_given_once(load):
    package = load(a=GOOD.format(name="1"), b=GOOD.format(name="1"))
    with pytest.raises(TypeError, match=r"things_to_find\.b and in things_to_find\.a have the same name '1'"):
        exported_by_modules(package, "THING", required=["name"])
