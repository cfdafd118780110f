"""Notes which statements of some modules run, by a call that is put before each: a tracer would triple the tests' time."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from pathlib import Path

from mutation.interpreter import ModuleFinder

_NOTE = "__note_statement__"


class StatementRecorder:
    """Notes statements within functions from the first import of the modules on.

    Args:
        files: module -> file; none of them is imported yet.

    Attributes:
        seen: module and first line of each statement that has run since the set was cleared.
        functions: (module, line) of each statement -> qualified name of the outermost function that holds it.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.functions: dict[tuple[str, int], str] = {}
        self._spans: dict[str, list[tuple[int, int]]] = {}
        self.finders = []
        setattr(builtins, _NOTE, self.seen.add)
        for module, file in files.items():
            notes = _Notes(module)
            tree = ast.fix_missing_locations(notes.visit(ast.parse(file.read_text("utf-8"))))
            self.functions |= {(module, line): name for (line, _), name in notes.statements.items()}
            self._spans[module] = list(notes.statements)
            self.finders.append(ModuleFinder(module, file, tree))

    def statement(self, module: str, line: int) -> int:
        """Return the first line of the innermost statement that holds a line of a function."""
        return max(first for first, last in self._spans[module] if first <= line <= last)


class _Notes(ast.NodeTransformer):
    """Puts a note before every statement of a function, those of nested functions under the name of the outermost.

    Attributes:
        statements: first and last line -> qualified name of the outermost function.
    """

    def __init__(self, module: str) -> None:
        self._module, self._names, self._outermost, self._line = module, list[str](), "", 0
        self.statements: dict[tuple[int, int], str] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self._names.append(node.name)
        if self._outermost:
            node.body = self._noted(node.body)
        else:
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

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Note the statements of every block of a function, and look into everything else."""
        if not self._outermost:
            return super().generic_visit(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self._noted(value))
            elif isinstance(value, list):
                value[:] = [self.visit(part) if isinstance(part, ast.AST) else part for part in value]
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
        outermost, self._outermost = self._outermost, self._outermost or ".".join([*self._names, node.name])
        node.body = self._noted(node.body)
        self._outermost = outermost
        return node

    def _noted(self, body: list[ast.stmt]) -> list[ast.stmt]:
        noted: list[ast.stmt] = []
        for statement in body:
            outer, self._line = self._line, statement.lineno
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text or noted or len(body) == 1:  # a docstring stays first
                self.statements[statement.lineno, statement.end_lineno or statement.lineno] = self._outermost
            noted += [] if is_text else [ast.copy_location(ast.Expr(self._note()), statement)]
            noted.append(self.visit(statement))
            self._line = outer
        return noted

    def _note(self) -> ast.Call:
        where = ast.Constant((self._module, self._line))
        return ast.Call(ast.Name(_NOTE, ast.Load()), [where], [])
