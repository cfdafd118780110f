"""Which unit tests concern a change: the tests of the changed modules first, then those of the modules that import them.

The folders of `qhybrid_pipelines_tests/unit` mirror the package: `unit/A/B/test_C.py`, and `unit/A/B/test_C_topic.py` for
one topic of it, test the module or the package `qhybrid_pipelines.A.B.C`. Distance 0 is a test of a changed module, or a changed test;
distance 1 a test that imports a changed module itself; distance n a test of a module n steps up the import graph.

    python tools/related_tests.py                # what `make quick` would run, nearest first
    python tools/related_tests.py --unmirrored   # modules without a test file of their own
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "qhybrid_pipelines"
TESTS = "qhybrid_pipelines_tests"
ROOT = Path(__file__).resolve().parents[1]
#: Tests that take minutes stay out of what a person waits for: the marks of `docs/testing.md`, in pytest's words.
QUICK_MARKS = "not slow and not generated and not clients and not long and not slurm and not celery and not objects and not chunks"


@dataclass(frozen=True, slots=True)
class RelatedTests:
    """Test files that concern a change.

    Attributes:
        by_distance: paths below the root by their distance from the change, nearest first; those that import least
            come first at each.
        untested: changed modules without a test file of their own.
        elsewhere: changed files that no unit test is chosen by: pages, settings, tests of other suites.
    """

    by_distance: Mapping[int, tuple[str, ...]]
    untested: tuple[str, ...]
    elsewhere: tuple[str, ...]


def changed_files(root: Path = ROOT) -> list[str]:
    """Return the files that differ from the merge base with main, or from the last commit but one when on main.

    Uncommitted and new files count. A deleted file is listed too: who imported it concerns the change.
    """
    base = _git(root, "rev-parse", "HEAD~1")
    for name in ("main", "origin/main"):
        if _git(root, "rev-parse", "--verify", "--quiet", name, check=False):
            merge_base = _git(root, "merge-base", "HEAD", name)
            base = base if merge_base == _git(root, "rev-parse", "HEAD") else merge_base
            break
    changed = _git(root, "diff", "--name-only", "--no-renames", base).splitlines()
    return sorted({*changed, *_git(root, "ls-files", "--others", "--exclude-standard").splitlines()})


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=check, capture_output=True, text=True)
    return done.stdout.strip()


def module_name(path: str) -> str:
    """Return the dotted name of the module in a file below the root."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def mirrored_module(test: str, modules: Iterable[str]) -> str | None:
    """Return the module or package that a unit test file belongs to, or None.

    Args:
        test: path below the root, as `qhybrid_pipelines_tests/unit/core/binary_models/test_bits_and_energies.py`.
        modules: dotted names of all modules and packages.
    """
    path = Path(test)
    parts = path.parts[2:-1]
    if path.parts[:2] != (TESTS, "unit") or not path.name.startswith("test_"):
        return None
    package, stem = ".".join((PACKAGE, *parts)), path.stem.removeprefix("test_")
    found = [
        name
        for name in modules
        if name.startswith(f"{package}.")
        and f"{stem}_".startswith(f"{name.removeprefix(f'{package}.')}_")
        and "." not in name.removeprefix(f"{package}.")
    ]
    return max(found, key=len, default=None)


def imported_modules(path: Path) -> set[str]:
    """Return what a file imports from this repository, also below functions; `from a import b` gives `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in {PACKAGE, TESTS}}


class TestMap:
    """What tests what, read from the files below a root.

    Args:
        root: of the repository.
        importers: module -> modules that import it, for the modules of the package.
    """

    __test__ = False  # pytest need not look for tests in it

    def __init__(self, root: Path, importers: Mapping[str, set[str]]) -> None:
        self._importers = importers
        self.modules = {module_name(str(path.relative_to(root))) for path in (root / PACKAGE).rglob("*.py")}
        files = {str(path.relative_to(root)): path for path in (root / TESTS).rglob("*.py")}
        imports = {name: imported_modules(path) for name, path in files.items()}
        helpers = {module_name(name): name for name in files if not Path(name).name.startswith("test_")}
        self.unit_tests = sorted(
            n for n in files if n.startswith(f"{TESTS}/unit/") and Path(n).name.startswith("test_")
        )
        self.module_by_test = {test: mirrored_module(test, self.modules) for test in self.unit_tests}
        #: test -> what it imports, itself or through helpers and the conftest.py of its folders
        self.imports_by_test = {test: self._reach(test, imports, helpers) for test in self.unit_tests}

    @staticmethod
    def _reach(test: str, imports: Mapping[str, set[str]], helpers: Mapping[str, str]) -> set[str]:
        folders = [str(folder / "conftest.py") for folder in Path(test).parents]
        todo = [test, *(name for name in folders if name in imports and name != f"{TESTS}/conftest.py")]
        seen: set[str] = set()
        while todo:
            for name in imports[todo.pop()] - seen:
                seen.add(name)
                if name in helpers:
                    todo.append(helpers[name])
        return seen

    def unmirrored(self) -> list[str]:
        """Return the modules that have no test file of their own, nor one of the package they are in."""
        tested = set(self.module_by_test.values())
        return sorted(
            name
            for name in self.modules
            if not (self._is_package(name) or {name, name.rpartition(".")[0]} & (tested - {PACKAGE}))
        )

    def count_importing_tests(self, module: str) -> int:
        """Return how many unit test files import a module, themselves or through a helper."""
        return sum(module in imports for imports in self.imports_by_test.values())

    def _is_package(self, name: str) -> bool:
        return any(other.startswith(f"{name}.") for other in self.modules) or name.endswith("__main__")

    def related_tests(self, changed: Iterable[str]) -> RelatedTests:
        """Return the unit tests that concern changed files, by distance."""
        modules, helpers, distance, elsewhere = set[str](), set[str](), dict[str, int](), list[str]()
        for path in changed:
            if path.startswith(f"{PACKAGE}/") and path.endswith(".py"):
                modules.add(module_name(path))
            elif path in self.module_by_test:
                distance[path] = 0
            elif path.startswith(f"{TESTS}/support/") and path.endswith(".py"):
                helpers.add(module_name(path))
            elif path.startswith(f"{TESTS}/unit/") and path.endswith("conftest.py"):
                distance |= {test: 1 for test in self.unit_tests if test.startswith(path.removesuffix("conftest.py"))}
            else:
                elsewhere.append(path)
        near = {test: 1 for test, imports in self.imports_by_test.items() if imports & (modules | helpers)}
        for found in (near, self._distances(modules)):
            distance |= {test: min(step, distance.get(test, step)) for test, step in found.items()}
        by_distance: dict[int, tuple[str, ...]] = {
            step: tuple(sorted((t for t, at in distance.items() if at == step), key=self._focus))
            for step in sorted(set(distance.values()))
        }
        return RelatedTests(by_distance, tuple(sorted(modules & set(self.unmirrored()))), tuple(elsewhere))

    def _focus(self, test: str) -> tuple[int, str]:
        """Order tests at one distance: those that import little say most about little, and are quick."""
        return len(self.imports_by_test[test]), test

    def _distances(self, modules: set[str]) -> dict[str, int]:
        """Return the steps up the import graph from the modules to the module that each test belongs to."""
        distance: dict[str, int] = {}
        step, frontier, seen = 0, set(modules), set(modules)
        while frontier:
            for test, module in self.module_by_test.items():
                if module and any(name == module or name.startswith(f"{module}.") for name in frontier):
                    distance.setdefault(test, step)
            step += 1
            frontier = {importer for name in frontier for importer in self._importers.get(name, ())} - seen
            seen |= frontier
        return distance


def read_test_map(root: Path = ROOT) -> TestMap:
    """Return the map of this repository, with the import graph that import-linter checks."""
    import grimp  # noqa: PLC0415 - tests give an import graph of their own

    graph = grimp.build_graph(PACKAGE)
    return TestMap(root, {name: graph.find_modules_that_directly_import(name) for name in graph.modules})


def main() -> None:
    """Print what concerns the present change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unmirrored", action="store_true", help="list modules without a test file of their own")
    test_map = read_test_map()
    if parser.parse_args().unmirrored:
        for name in test_map.unmirrored():
            print(f"{name}  (imported by {test_map.count_importing_tests(name)} unit test files)")
        return
    related = test_map.related_tests(changed_files())
    for step, tests in related.by_distance.items():
        print(f"distance {step}:", *tests, sep="\n  ")
    print("without a test file of their own:", *related.untested or ["none"])


if __name__ == "__main__":
    main()
