"""Mutants of a module: small changes of its syntax tree, each of which some test should notice.

Mutated are comparisons, arithmetic, Boolean operators, conditions, numbers, words, entries of dictionaries and sets, returned values, raised errors, calls that are made
for their effect, `min`/`max` and `any`/`all`, `break` and `continue`. Left alone are annotations, decorators, docstrings, assertions for
the type checker, and the wording of messages (a text with a blank in it).
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeVar

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.MatMult: ast.Mult,
}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TYPING = {"Literal", "Annotated", "TypeVar", "NewType", "cast"}

N = TypeVar("N", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    Attributes:
        module: dotted name.
        qualname: of the outermost function that holds the change, or empty for the module's own level.
        operator: kind of change.
        number: among the changes of this kind in this function, from 0.
        line: in the file.
        before: source of what is changed.
        after: source of what stands there instead.
        position: among all mutants of the module, from 0.
    """

    module: str
    qualname: str
    operator: str
    number: int
    line: int
    before: str
    after: str
    position: int

    @property
    def name(self) -> str:
        """Name that stays the same when lines move."""
        return f"{self.module}:{self.qualname or '<module>'}:{self.operator}:{self.number}"


def list_mutants(module: str, source: str) -> list[Mutant]:
    """Return all mutants of a module."""
    found, numbers = [], Counter[tuple[str, str]]()
    for qualname, operator, node, replacement in _changes(ast.parse(source)):
        number = numbers[qualname, operator]
        numbers[qualname, operator] += 1
        before, after = (_one_line(part) for part in (node, replacement))
        found.append(Mutant(module, qualname, operator, number, node.lineno, before, after, len(found)))
    return found


def compile_mutant(mutant: Mutant, source: str, filename: str) -> CodeType:
    """Return the code of the module with the change in it."""
    tree = ast.parse(source)
    if mutant.position < 0:  # the control: nothing is changed
        return compile(tree, filename, "exec", 0, True)
    _, _, node, replacement = list(_changes(tree))[mutant.position]

    class Replace(ast.NodeTransformer):
        def visit(self, found: ast.AST) -> ast.AST:
            return replacement if found is node else self.generic_visit(found)

    changed = ast.fix_missing_locations(Replace().visit(tree))
    return compile(changed, filename, "exec", 0, True)


def _one_line(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


_Change = tuple[str, str, ast.expr | ast.stmt, ast.expr | ast.stmt]


def _changes(tree: ast.Module) -> Iterator[_Change]:
    """Yield function, kind, node and replacement of each change, in the order of the source."""
    yield from _in_body(tree.body, "", is_outermost=True)


def _in_body(body: list[ast.stmt], qualname: str, *, is_outermost: bool) -> Iterator[_Change]:
    for statement in body:
        yield from _in_node(statement, qualname, is_outermost=is_outermost)


def _in_node(node: ast.AST, qualname: str, *, is_outermost: bool) -> Iterator[_Change]:
    if isinstance(node, ast.ClassDef) and is_outermost:
        yield from _in_body(node.body, f"{qualname}.{node.name}".lstrip("."), is_outermost=True)
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            yield from _in_node(default, "" if is_outermost else qualname, is_outermost=False)
        name = f"{qualname}.{node.name}".lstrip(".") if is_outermost else qualname
        yield from _in_body(node.body, name, is_outermost=False)
        return
    if _is_left_alone(node):
        return
    where = "" if is_outermost else qualname
    for operator, replacement in _replacements(node):
        assert isinstance(node, ast.expr | ast.stmt)
        yield where, operator, node, replacement
    for child in _children(node):
        yield from _in_node(child, qualname, is_outermost=is_outermost)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "decorator_list", "type_params"} or isinstance(node, ast.JoinedStr):
            continue
        children = value if isinstance(value, list) else [value]
        yield from (child for child in children if isinstance(child, ast.AST))
    if isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Subscript(value=ast.Name(id=name)) | ast.Call(func=ast.Name(id=name)):
            return name in _TYPING
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
    return False


def _altered(node: N, change: Callable[[N], object]) -> N:
    copied = copy.deepcopy(node)
    change(copied)
    return copied


def _replacements(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt]]:  # noqa: C901 - one case for each kind
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                other = _COMPARISONS[type(operator)]()
                yield "comparison", _altered(node, lambda new, at=at, other=other: new.ops.__setitem__(at, other))  # type: ignore[misc]
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC:
            operation = _ARITHMETIC[type(node.op)]()
            yield "arithmetic", _altered(node, lambda new: setattr(new, "op", operation))
        case ast.BoolOp():
            swapped: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "boolean", _altered(node, lambda new: setattr(new, "op", swapped))
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield "negation", node.operand
        case ast.Constant():
            yield from _constants(node)
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            yield "function", _altered(node, lambda new: setattr(new.func, "id", _FUNCTIONS[name]))
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            yield "return", ast.copy_location(ast.Return(ast.Constant(None)), node)
        case ast.Raise() | ast.Expr(value=ast.Call() | ast.Await()):
            kind = "raise" if isinstance(node, ast.Raise) else "call"
            yield kind, ast.copy_location(ast.Pass(), node)
        case ast.Break():
            yield "loop", ast.copy_location(ast.Continue(), node)
        case ast.Continue():
            yield "loop", ast.copy_location(ast.Break(), node)
    for condition in _conditions(node):
        yield "condition", _negated(node, condition)
    yield from _shorter_tables(node)


def _shorter_tables(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield a dictionary or a set without one of its entries."""
    if isinstance(node, ast.Dict):
        for at in range(len(node.keys)):
            keys, values = (part[:at] + part[at + 1 :] for part in (node.keys, node.values))
            yield "entry", ast.copy_location(ast.Dict(keys, values), node)  # type: ignore[arg-type]
    elif isinstance(node, ast.Set) and len(node.elts) > 1:
        for at in range(len(node.elts)):
            yield "entry", ast.copy_location(ast.Set(node.elts[:at] + node.elts[at + 1 :]), node)


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
    match node.value:
        case bool(truth):
            yield "truth", ast.copy_location(ast.Constant(not truth), node)
        case int(number) | float(number):
            yield "number", ast.copy_location(ast.Constant(number + 1), node)
        case str(word) if not any(letter.isspace() for letter in word):
            yield "word", ast.copy_location(ast.Constant(f"XX{word}XX"), node)


def _conditions(node: ast.AST) -> Iterator[int | None]:
    """Yield which conditions of a node are negated as a whole: those that hold no operator that is changed anyway."""
    tests: list[tuple[int | None, ast.expr]] = []
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        tests = [(None, node.test)]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        tests = [(0, test) for test in node.generators[0].ifs[:1]]
    yield from (at for at, test in tests if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant))


def _negated(node: ast.AST, at: int | None) -> ast.expr | ast.stmt:
    copied = copy.deepcopy(node)
    if at is None:
        assert isinstance(copied, ast.If | ast.While | ast.IfExp)
        copied.test = ast.UnaryOp(ast.Not(), copied.test)
        return copied
    assert isinstance(copied, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp)
    copied.generators[0].ifs[at] = ast.UnaryOp(ast.Not(), copied.generators[0].ifs[at])
    return copied
