"""One pytest session in which every mutant is a forked process: imports and collection are paid once.

The tests run once unchanged, and it is noted which statements of the mutated modules each of them runs. A mutant is then tried by the
tests that run the changed statement, until one fails: first those that have noticed another mutant of the function or of the module, then
those of the module's own test files, then the quickest. A change of a table, too, is tried by the tests that run statements of the modules
that import it, after those of its own.
A change within a function is put into the collected modules by exchanging the function's code. A change of what a module does when it is imported, or of a function that is called then, makes the
forked process forget the module and all that imports it, and collect again. Processes that tests start through `sys.executable` import the
mutant too.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import math
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import pytest
from mutation import interpreter
from mutation.changed_code import exchange, forget, is_test, restore_submodules
from mutation.operators import Mutant, compile_mutant, list_mutants
from mutation.statement_recorder import StatementRecorder
from mutation.trials import BROKEN, KILLED, TIMEOUT, UNREACHED, Outcome, Trial, run_child
from related_tests import PACKAGE, QUICK_MARKS, TESTS

#: The mutant that changes nothing. It must survive in each module that is imported anew for a mutant.
CONTROL = "control"
#: A mutant may take this many times as long as its tests did, and these seconds more: importing half the package anew is part of them.
PATIENCE, GRACE_SECONDS = 5.0, 60.0
#: How many tests the control runs in each module. All of them passed in the first run; what remains to be shown is that importing a
#: module anew, which the quickest tests do as well as the slowest, does not fail them.
CONTROL_TESTS = 8


@dataclass(frozen=True, slots=True)
class Target:
    """A module whose mutants are tried.

    Attributes:
        module: dotted name.
        file: of its source.
        dependents: modules that import it, however indirectly.
        own_tests: beginnings of the node ids of tests that run for every mutant, since they call it in another process.
    """

    module: str
    file: Path
    dependents: frozenset[str]
    own_tests: tuple[str, ...]


@dataclass(slots=True)
class Baseline:
    """The tests on unchanged code.

    Attributes:
        seconds: node id -> processor time, of the processes that it has started and waited for too.
        runners: (module, first line of a statement of a function) -> node ids of the tests that run it.
        at_import: (module, qualified name of the outermost function) of those that are called when modules are imported.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    runners: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    at_import: set[tuple[str, str]] = field(default_factory=set)


class MutationSession:
    """A pytest plugin whose run loop tries mutants.

    Args:
        targets: the modules.
        choose: which of all mutants are tried.
        told: is given each outcome.
        workers: processes at a time.
        folder: for interpreters that import a mutant.
        root: of the repository.
        patience: a mutant may take this many times as long as its tests did; on a busy machine more than usual.
        control_tests: how many tests, the quickest ones, a mutant that changes nothing has to survive; all if 0.
        seconds: tests of a mutant begin as long as those before them take no longer than this together; all if 0.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        choose: Callable[[list[Mutant]], list[Mutant]],
        told: Callable[[Outcome], None],
        *,
        workers: int,
        folder: Path,
        root: Path,
        patience: float = PATIENCE,
        control_tests: int = CONTROL_TESTS,
        seconds: float = 0.0,
    ) -> None:
        self._patience, self._control_tests, self._seconds = patience, control_tests, seconds or math.inf
        self._targets = {target.module: target for target in targets}
        self._choose, self._told, self._workers, self._folder, self._root = choose, told, workers, folder, root
        self._sources = {target.module: target.file.read_text("utf-8") for target in targets}
        self._recorder = StatementRecorder({target.module: target.file for target in targets})
        sys.meta_path[:0] = self._recorder.finders
        self.baseline = Baseline()
        self._baselines = root / "build" / "mutants" / "baselines"
        self._noticed: dict[str, set[str]] = {}  # by module, and by module and function

    def pytest_sessionstart(self) -> None:
        """Let property tests take the same examples for every mutant, and keep none from one to the next."""
        from hypothesis import settings  # noqa: PLC0415 - pytest wants to be the first to import it

        settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once as they are, then once for each mutant."""
        if session.testsfailed:
            pytest.exit("tests cannot be collected", returncode=3)
        functions = self._recorder.functions
        self.baseline.at_import = {(module, functions[module, line]) for module, line in self._recorder.seen}
        self._read_baseline(session)
        items = {item.nodeid: item for item in session.items if item.nodeid in self.baseline.seconds}
        mutants = [mutant for name in self._targets for mutant in list_mutants(name, self._sources[name])]
        functions = self._functions()
        gc.freeze()  # what is here stays shared with the forked processes
        chosen = self._choose(mutants)
        imported = {mutant.module for mutant in chosen if self._is_imported(mutant)}
        self._try_all([Mutant(name, "", CONTROL, 0, 0, "", "", -1) for name in sorted(imported)], items, functions)
        self._try_all(chosen, items, functions)
        return True

    def _try_all(
        self,
        mutants: Sequence[Mutant],
        items: Mapping[str, pytest.Item],
        functions: Mapping[tuple[str, str], Sequence[FunctionType]],
    ) -> None:
        running: dict[int, Trial] = {}
        for mutant in mutants:
            chosen = self._tests(mutant)[: (mutant.operator == CONTROL and self._control_tests) or None]
            if not chosen:
                self._tell(Outcome(mutant, UNREACHED))
                continue
            while len(running) >= self._workers:
                self._reap(running)
            seconds = self._patience * sum(self.baseline.seconds[name] for name in chosen) + GRACE_SECONDS
            trial = Trial(mutant, chosen, seconds)
            trial.start(lambda write, m=mutant, names=chosen: self._try(m, names, items, functions, write))  # type: ignore[misc]
            running[trial.pipe] = trial
        while running:
            self._reap(running)

    def _read_baseline(self, session: pytest.Session) -> None:
        """Run the tests on unchanged code, or read what came of it when nothing was different."""
        code = hashlib.sha256("".join(item.nodeid for item in session.items).encode())
        for file in sorted(
            itertools.chain.from_iterable(self._root.glob(f"{name}/**/*.py") for name in (PACKAGE, TESTS))
        ):
            code.update(file.read_bytes())
        stored = self._baselines / f"{code.hexdigest()}.jsonl"
        if not stored.exists():
            read, write = os.pipe()
            if not os.fork():
                run_child(lambda: self._run_unchanged(session, write))
            os.close(write)
            with os.fdopen(read) as lines:
                text = lines.read()
            os.wait()
            stored.parent.mkdir(parents=True, exist_ok=True)
            stored.write_text(text, "utf-8")
        failed = []
        for line in stored.read_text("utf-8").splitlines():
            told = json.loads(line)
            if told["failed"]:
                failed.append(told["name"])
                continue
            self.baseline.seconds[told["name"]] = told["seconds"]
            for module, first in told["statements"]:
                self.baseline.runners.setdefault((module, first), set()).add(told["name"])
        if failed or len(self.baseline.seconds) != len(session.items):
            stored.unlink()
            print("tests that fail on unchanged code:", *failed or ["the process ended early"], sep="\n  ")
            pytest.exit("the tests must pass on unchanged code", returncode=3)

    def _run_unchanged(self, session: pytest.Session, write: int) -> None:
        for at, item in enumerate(session.items):
            self._recorder.seen.clear()
            began = sum(os.times()[:4])
            failed = _fails(item, session.items[at + 1] if at + 1 < len(session.items) else None)
            told = {
                "name": item.nodeid,
                "failed": failed,
                "seconds": sum(os.times()[:4]) - began,
                "statements": sorted(self._recorder.seen),
            }
            os.write(write, (json.dumps(told) + "\n").encode())

    def _tests(self, mutant: Mutant) -> list[str]:
        """Return the tests of a mutant in the order in which they run."""
        target, runners = self._targets[mutant.module], self.baseline.runners
        if self._is_imported(mutant):
            near = {test for (module, _), tests in runners.items() if module == mutant.module for test in tests}
            # A table is used by whoever imports it; no statement of its module need run for that.
            chosen = near.union(*(tests for (module, _), tests in runners.items() if module in target.dependents))
        else:
            line = self._recorder.statement(mutant.module, mutant.line)
            chosen = near = set(runners.get((mutant.module, line), ()))
        chosen |= {name for name in self.baseline.seconds if name.startswith(target.own_tests or ("\0",))}
        noticed, seconds = self._noticed, self.baseline.seconds
        by_function, by_module = (noticed.get(name, set()) for name in (_function(mutant), mutant.module))
        own = f"/test_{mutant.module.rpartition('.')[2]}"
        ordered = sorted(
            chosen,
            key=lambda name: (
                name not in by_function,
                name not in by_module,
                own not in name,
                name not in near,
                seconds[name],
                name,
            ),
        )
        before = itertools.accumulate((seconds[name] for name in ordered), initial=0.0)
        return [name for name, total in zip(ordered, before, strict=False) if total <= self._seconds]

    def _is_imported(self, mutant: Mutant) -> bool:
        return not mutant.qualname or (mutant.module, mutant.qualname) in self.baseline.at_import

    def _functions(self) -> dict[tuple[str, str], list[FunctionType]]:
        """Return the functions of the modules as they are in memory, also those that a decorator hides."""
        modules = {str(target.file): target.module for target in self._targets.values()}
        found: dict[tuple[str, str], list[FunctionType]] = {}
        for thing in gc.get_objects():
            if isinstance(thing, FunctionType) and (module := modules.get(thing.__code__.co_filename)):
                found.setdefault((module, thing.__code__.co_qualname), []).append(thing)
        return found

    def _try(
        self,
        mutant: Mutant,
        names: Sequence[str],
        items: Mapping[str, pytest.Item],
        functions: Mapping[tuple[str, str], Sequence[FunctionType]],
        write: int,
    ) -> None:
        target = self._targets[mutant.module]
        code = compile_mutant(mutant, self._sources[mutant.module], str(target.file))
        own_folder = self._folder / str(os.getpid())
        sys.executable = interpreter.make(own_folder, mutant, target.file)
        if not self._is_imported(mutant) and exchange(code, mutant, functions):
            chosen = [items[name] for name in names]
            # Folders of tests have numbers, which another mutant's process gives out at the same time.
            folders = chosen[0].config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001
            folders._basetemp, folders._given_basetemp = None, own_folder / "pytest"  # noqa: SLF001
            _run_until_failure(chosen, write)
            return
        left = [name for name in sys.modules if name == mutant.module or name in target.dependents or is_test(name)]
        forget(left)
        sys.meta_path.insert(0, interpreter.ModuleFinder(mutant.module, target.file, code))
        restore_submodules(left)
        arguments = [
            "-x",
            "-q",
            "-m",
            QUICK_MARKS,
            "-p",
            "no:cacheprovider",
            f"--rootdir={self._root}",
            f"--basetemp={own_folder}/pytest",
        ]
        for file in dict.fromkeys(name.partition("::")[0] for name in names):  # most mutants end with the first one
            chosen_again = _ChosenAgain(names, self.baseline.seconds)
            ended = pytest.main([*arguments, file], plugins=[chosen_again])
            # A usage error is a conftest that cannot be imported.
            if ended in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR}:
                os.write(write, (chosen_again.failed or "collection").encode())
                return
            if ended != pytest.ExitCode.OK:
                os.write(write, f"{BROKEN}: pytest ended with {ended!r}".encode())
                return

    def _tell(self, outcome: Outcome) -> None:
        is_control = outcome.mutant.operator == CONTROL
        if outcome.by.startswith(BROKEN) or (is_control and outcome.state in {KILLED, TIMEOUT}):
            print(
                f"{outcome.mutant.name}: {outcome.state} by {outcome.by}, so nothing this run says counts", flush=True
            )
            pytest.exit("unchanged code must survive", returncode=3)
        if not is_control:
            for where in (outcome.mutant.module, _function(outcome.mutant)):
                self._noticed.setdefault(where, set()).add(outcome.by)
            self._told(outcome)

    def _reap(self, running: dict[int, Trial]) -> None:
        soonest = min(trial.ends_at for trial in running.values())
        ready, _, _ = select.select(list(running), [], [], max(0.0, soonest - time.monotonic()))
        for pipe in ready:
            if running[pipe].read():
                self._tell(running.pop(pipe).outcome())
        for pipe in [pipe for pipe, trial in running.items() if time.monotonic() > trial.ends_at]:
            running[pipe].kill()
            self._tell(running.pop(pipe).outcome())


def _function(mutant: Mutant) -> str:
    return f"{mutant.module}:{mutant.qualname}"


class _ChosenAgain:
    """A pytest plugin that takes the chosen tests from files that are collected again, and keeps the name of the first failure.

    A test that has another name than before, since the mutant changed its parameters, is taken too.
    """

    def __init__(self, names: Sequence[str], known: Mapping[str, float]) -> None:
        self._rank = {name: rank for rank, name in enumerate(names)}
        self._known = known
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and order."""
        chosen = [item for item in items if item.nodeid in self._rank or item.nodeid not in self._known]
        items[:] = sorted(chosen, key=lambda item: self._rank.get(item.nodeid, len(self._rank)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the name."""
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep the name of a file that cannot be collected."""
        if report.failed:
            self.failed = self.failed or report.nodeid


def _run_until_failure(items: Sequence[pytest.Item], write: int) -> None:
    for item, following in itertools.zip_longest(items, items[1:]):
        if _fails(item, following):
            os.write(write, item.nodeid.encode())
            item.session._setupstate.teardown_exact(None)  # noqa: SLF001 - end what fixtures have started
            return


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run a test and return whether any phase of it failed."""
    from _pytest.runner import runtestprotocol  # noqa: PLC0415

    return any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))
