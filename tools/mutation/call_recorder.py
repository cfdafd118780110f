"""Notes which functions of some modules are called, by a call that is put into their code: a profiler would triple the tests' time."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from mutation.interpreter import ModuleFinder

_NOTE = "__note_call__"
F = TypeVar("F", ast.FunctionDef, ast.AsyncFunctionDef)


class CallRecorder:
    """Notes calls from the first import of the modules on.

    Args:
        files: module -> file; none of them is imported yet.

    Attributes:
        seen: module and name of the outermost function of each call since the set was cleared.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.seen: set[tuple[str, str]] = set()
        setattr(builtins, _NOTE, lambda module, function: self.seen.add((module, function)))
        self.finders = [ModuleFinder(module, file, _with_notes(module, file)) for module, file in files.items()]


def _with_notes(module: str, file: Path) -> ast.Module:
    tree = ast.parse(file.read_text("utf-8"))
    return ast.fix_missing_locations(_Notes(module).visit(tree))


class _Notes(ast.NodeTransformer):
    """Puts a call at the beginning of every function, nested ones under the name of the outermost."""

    def __init__(self, module: str) -> None:
        self._module, self._names, self._outermost = module, list[str](), ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.generic_visit(node)
        if self._outermost:
            node.body = ast.BoolOp(ast.Or(), [self._note(), node.body])
        return node

    def _function(self, node: F) -> F:
        outermost, self._outermost = self._outermost, self._outermost or ".".join([*self._names, node.name])
        node.body = [self.visit(statement) for statement in node.body]
        node.body.insert(ast.get_docstring(node) is not None, ast.Expr(self._note()))
        self._outermost = outermost
        return node

    def _note(self) -> ast.Call:
        arguments: list[ast.expr] = [ast.Constant(self._module), ast.Constant(self._outermost)]
        return ast.Call(ast.Name(_NOTE, ast.Load()), arguments, [])
