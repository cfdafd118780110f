"""A Python interpreter that imports a mutant in the place of its module, for processes that tests start."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from mutation.operators import Mutant, compile_mutant

_START = """#!/bin/sh
exec {python} -I -c {script} {settings} "$@"
"""
_SCRIPT = (
    "import sys; sys.path.append({tools!r}); from mutation.interpreter import main; main(sys.argv[1], sys.argv[2:])"
)


class ModuleFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, whose code it holds.

    Args:
        module: dotted name.
        file: of the source that the code was made of.
        code: of a mutant, or a tree to be compiled.
    """

    def __init__(self, module: str, file: Path, code: CodeType | ast.Module) -> None:
        self._module, self._file = module, file
        self._code = compile(code, str(file), "exec", 0, True) if isinstance(code, ast.Module) else code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how the module is loaded, for no other."""
        del path, target
        if fullname != self._module:
            return None
        return importlib.util.spec_from_file_location(fullname, self._file, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code."""
        exec(self._code, module.__dict__)  # noqa: S102 - that is what it is for

    def get_code(self, _: str) -> CodeType:
        """Return the code, for a module that is run as a script."""
        return self._code

    def get_filename(self, _: str) -> str:
        """Return where the source is."""
        return str(self._file)


def make(folder: Path, mutant: Mutant, file: Path) -> str:
    """Write an interpreter into a new folder and return its path."""
    folder.mkdir(parents=True)
    settings, python = folder / "mutant.json", folder / "python"
    fields = {name: getattr(mutant, name) for name in Mutant.__dataclass_fields__}
    settings.write_text(json.dumps({"mutant": fields, "file": str(file)}), "utf-8")
    script = _SCRIPT.format(tools=str(Path(__file__).resolve().parents[1]))
    parts = {"python": sys.executable, "script": script, "settings": str(settings)}
    python.write_text(_START.format_map({name: shlex.quote(part) for name, part in parts.items()}), "utf-8")
    python.chmod(0o755)
    return str(python)


def main(settings: str, arguments: list[str]) -> None:
    """Do what Python would do with these arguments, with the mutant in place."""
    told = json.loads(Path(settings).read_text("utf-8"))
    mutant, file = Mutant(**told["mutant"]), Path(told["file"])
    code = compile_mutant(mutant, file.read_text("utf-8"), str(file))
    sys.meta_path.insert(0, ModuleFinder(mutant.module, file, code))
    sys.executable = str(Path(settings).with_name("python"))
    is_isolated = False
    while arguments and arguments[0].startswith("-") and arguments[0] not in {"-c", "-m"}:
        is_isolated |= arguments.pop(0) == "-I"
    if not is_isolated:
        sys.path[:0] = [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    match arguments:
        case ["-c", text, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(text, "<string>", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102
        case ["-m", module, *rest]:
            sys.argv = ["-m", *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *_]:
            sys.argv = arguments
            runpy.run_path(script, run_name="__main__")
