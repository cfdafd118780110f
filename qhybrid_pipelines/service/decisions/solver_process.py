"""What runs in the processes of the decision service: reading an instance, running the solution methods, judging candidates and outcomes.

Nothing here talks to a provider. A reader may take gigabytes and a solver may take minutes: that ends this process only, and
`service.decisions.solvers` starts the next one. Orders come and answers go through a pipe, as plain values; an order to decide is
answered by several messages, so that an answer is there as soon as the first method has one.
"""

from __future__ import annotations

import gc
import resource
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8, assignment_array, assignment_text
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.specification_text import validate_experiments
from qhybrid_pipelines.core.system.address_space import address_space, limit_address_space
from qhybrid_pipelines.core.system.process_priority import run_when_idle
from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.anytime.method_times import size_class
from qhybrid_pipelines.problems.anytime.solution_methods import (
    ANNEALING,
    EXACT,
    GREEDY,
    LOCAL_SEARCH,
    METHODS,
    MethodAnswer,
    run_method,
    run_methods,
)
from qhybrid_pipelines.problems.anytime.upgrade_rule import Uncertainty, judge, realised_objectives
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.registry import all_families, family_named
from qhybrid_pipelines.problems.sources import load_instance, register_source
from qhybrid_pipelines.service.intake.network_request import SPECIFICATION
from qhybrid_pipelines.service.problem_documents import problem_of

Message = dict[str, Any]
Order = Mapping[str, Any]
#: Of the first instance of a new process, which is ours: what a dispatcher sends.
_WARM_UP = {"family": "independent_set", "source": {"generator": "dispatch", "vehicles": 5, "jobs": 6, "seed": 1}}
#: Runs of each method when a process is warm: many of the quick ones, whose times are what tight deadlines hang on.
WARMING_RUNS = {GREEDY: 40, LOCAL_SEARCH: 40, ANNEALING: 6, EXACT: 6}


def work(orders: Connection, cpu_seconds: float, memory_bytes: int, idle: bool) -> None:  # noqa: FBT001 - the arguments of a process
    """Answer orders until nobody sends any more; more than the seconds and bytes given end this process."""
    if idle:
        run_when_idle()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the pipe
    worker = SolverProcess(orders)
    warm = worker.warm()
    gc.collect()
    gc.freeze()  # what is loaded by now stays; looking through it for garbage would make an answer late
    orders.send(warm)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_address_space(address_space() + memory_bytes)
    while True:
        try:
            order = orders.recv()
        except (EOFError, OSError):
            return
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = worker.answer(order)
        signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            orders.send(answer)
        except (BrokenPipeError, OSError):
            return


class SolverProcess:
    """Answers the orders of one process.

    Args:
        pipe: where messages go to before an order is answered, and hints come from.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def warm(self) -> Message:
        """Run everything once that is slow for the first time, and return how long the methods take then."""
        all_families()
        problem = _load(ProblemSpec.model_validate(_WARM_UP), {})
        seconds: dict[str, list[float]] = {}
        for method, runs in WARMING_RUNS.items():
            run_method(problem, method, None, 0)
            seconds[method] = [run_method(problem, method, None, number).seconds for number in range(runs)]
        rows = [found.assignment for found in run_methods(problem, may_run=lambda _: True, seed=1)]
        judge(
            problem, np.zeros_like(rows[0]), rows[-1], min_gain=0.0, confidence=0.8, uncertainty=Uncertainty(noise=0.1)
        )
        return {"kind": "warm", "family": problem.family.name, "size": size_class(problem), "seconds": seconds}

    def answer(self, order: Order) -> Message:
        """Return what an order came to, the last message about it."""
        kinds: Mapping[str, Callable[[Order], Message]] = {
            "decide": self._decide,
            "background": self._run_background,
            "judge": self._judge,
            "realise": self._realise,
            "sense": self._sense,
        }
        try:
            return kinds[order["kind"]](order)
        except QHybridError as error:
            found = problem_of(error)
            return {"kind": "problem", "problem": replace(found, file=None) if found.file == SPECIFICATION else found}
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  a reader's bug must not keep the next order from being answered
            return {"kind": "problem", "problem": problem_of(error), "cause": f"{type(error).__name__}: {error}"[:500]}

    def _decide(self, order: Order) -> Message:
        """Read an instance, tell what it is, and run methods for as long as the answer says."""
        problem = _load(_checked_problem(order["specification"]), order["files"])
        scenarios = order["uncertainty"]["scenarios"]
        if scenarios is not None:
            check_scenarios(problem, scenarios)
        self._introduce(problem)
        begun = time.monotonic()
        hint = self._pipe.recv()
        if hint["stop"]:
            return {"kind": "done"}
        self._run_methods(problem, hint, begun)
        return {"kind": "done"}

    def _run_background(self, order: Order) -> Message:
        """Run methods after an answer was given, however long they take."""
        problem = _load(_checked_problem(order["specification"]), order["files"])
        self._introduce(problem)
        self._run_methods(problem, order, time.monotonic())
        return {"kind": "done"}

    def _introduce(self, problem: Problem) -> None:
        instance = problem.instance
        self._pipe.send(
            {
                "kind": "instance",
                "family": instance.family,
                "variables": instance.variables,
                "sha256": instance.sha256,
                "negated": instance.is_negated,
                "size": size_class(problem),
            }
        )

    def _run_methods(self, problem: Problem, hint: Order, begun: float) -> None:
        until, expected = begun + hint["seconds"], hint["expected"]

        def may_run(method: str) -> bool:
            return method == METHODS[0] or (
                expected[method] is not None and time.monotonic() + expected[method] <= until
            )

        cpu = time.process_time()
        start = None if hint["known"] is None else assignment_array(hint["known"])
        for found in run_methods(problem, may_run=may_run, seed=hint["seed"], methods=hint["methods"], start=start):
            cpu, before = time.process_time(), cpu
            self._pipe.send({**_method_message(found), "cpu_seconds": cpu - before})

    def _judge(self, order: Order) -> Message:
        problem = _load(_checked_problem(order["specification"]), order["files"])
        candidate = _row(order["candidate"], problem.instance.size)
        incumbent = assignment_array(order["incumbent"])
        if candidate is None:
            return {
                "kind": "judged",
                "outcome": CandidateOutcome.ERROR,
                "objective": None,
                "feasible": False,
                "gain": None,
            }
        found = judge(
            problem,
            incumbent,
            candidate,
            min_gain=order["min_gain"],
            confidence=order["confidence"],
            uncertainty=_uncertainty(problem, order["uncertainty"]),
        )
        return {"kind": "judged", **asdict(found)}

    def _realise(self, order: Order) -> Message:
        problem = _load(_checked_problem(order["specification"]), order["files"])
        coefficients = _numbers(order["coefficients"], problem.instance.size, field="coefficients")
        rows = np.stack([assignment_array(text) for text in order["assignments"]])
        values = realised_objectives(problem, rows, _as_computed(problem, coefficients))
        return {"kind": "realised", "values": values.tolist()}

    def _sense(self, order: Order) -> Message:
        instance = _load(_checked_problem(order["specification"]), order["files"]).instance
        return {"kind": "sense", "sha256": instance.sha256, "negated": instance.is_negated}


def check_scenarios(problem: Problem, scenarios: list[list[float]]) -> None:
    """Refuse scenarios that say nothing about this instance, before anything is decided.

    Raises:
        InvalidInput: they are too few, have another width, or the objective has terms of two variables.
    """
    for row in scenarios:
        _numbers(row, problem.instance.size, field="scenarios")
    nothing = problem.family.greedy(problem.instance, 0)
    realised_objectives(problem, nothing[None, :], np.ones(problem.instance.size))


def _method_message(found: MethodAnswer) -> Message:
    return {
        "kind": "method",
        "method": found.method,
        "assignment": assignment_text(found.assignment),
        "objective": found.value[0],
        "feasible": found.value[1],
        "proved": found.proved,
        "seconds": found.seconds,
    }


def _checked_problem(specification: Mapping[str, Any]) -> ProblemSpec:
    """Return the problem of a specification whose fields are right; the rest of it is checked when it is registered.

    Raises:
        InvalidInput: names the field.
    """
    [written] = validate_experiments(dict(specification), file=SPECIFICATION, lines={})
    if not isinstance(written.specification, ExperimentSpec):
        what = "learning" if isinstance(written.specification, LearningSpec) else "sampling"
        raise InvalidInput(f"{what} makes no decisions", remedy="Send it to /v1/experiments.", field="kind")
    return written.specification.problem


def _load(problem: ProblemSpec, files: Mapping[str, str]) -> Problem:
    """Return the problem that texts that were sent with it, a generator or a bundled graph stand for.

    Raises:
        InvalidInput: names file and line, or the field.
    """

    def read_named(path_text: str, folder: Path, *, field: str) -> tuple[str, bytes]:
        del folder
        if path_text not in files:  # no file of this machine is read, whatever it is called
            raise InvalidInput(f"there is no file {path_text!r}", remedy="Send its text along.", field=field)
        return path_text, files[path_text].encode()

    problem, content = register_source(problem, Path(), read_named=read_named)
    instance = load_instance(problem, lambda _: content or b"")
    return Problem.of(family_named(instance.family), instance)


def _uncertainty(problem: Problem, order: Order) -> Uncertainty:
    scenarios = order["scenarios"]
    return Uncertainty(
        noise=order["noise"],
        scenarios=None if scenarios is None else _as_computed(problem, np.array(scenarios, dtype=np.float64)),
        seed=order["seed"],
    )


def _as_computed(problem: Problem, coefficients: F64) -> F64:
    """Return coefficients of the source, as a client knows them, for the objective that is computed with."""
    return -coefficients if problem.instance.is_negated else coefficients


def _row(text: str, size: int) -> U8 | None:
    """Return an assignment; None where the text is none of this instance."""
    return assignment_array(text) if len(text) == size and set(text) <= {"0", "1"} else None


def _numbers(values: list[float], size: int, *, field: str) -> F64:
    if len(values) != size:
        raise InvalidInput(
            f"{len(values)} numbers were given for {size} variables",
            remedy="Give one coefficient for each variable, in the instance's own order.",
            field=field,
        )
    return np.array(values, dtype=np.float64)
