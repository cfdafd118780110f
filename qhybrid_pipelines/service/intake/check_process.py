"""What runs in a process that may be lost: checks and estimates of what came over the network, and reports.

A generator may take minutes and a reader may take gigabytes. Here that ends this process only, with a limit of the kernel that no
library can hold up (`control.inbox.reader_process` does the same for files); `service.intake.checkers` starts the next one. Orders
come and answers go through a pipe, as plain values.
"""

from __future__ import annotations

import importlib
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.experiments.registration import CheckedExperiment, Registration
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.core.system.address_space import address_space, limit_address_space
from qhybrid_pipelines.service.intake.network_request import SPECIFICATION
from qhybrid_pipelines.service.problem_documents import Problem, problem_of
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

#: What is imported before the first order, so that no order pays for it.
_HEAVY = ("networkx", "pyarrow", "scipy.sparse", "qiskit", "qhybrid_pipelines.problems.registry")
#: For the first order of a process, which is our own.
WARMING_CPU_SECONDS = 60.0

Order = Mapping[str, Any]


class OrderReader:
    """Answers the orders of one process.

    Args:
        home: whose backends, prices and ledger.
        backends: names of the backends that exist.
    """

    def __init__(self, home: Path, backends: tuple[str, ...]) -> None:
        self._home, self._backends = Home(home), backends
        self._workspace = Workspace(self._home)

    def answer(self, order: Order) -> dict[str, Any]:
        """Return what an order came to, or the problem with it."""
        kinds: Mapping[str, Callable[[Order], dict[str, Any]]] = {
            "check": self._check,
            "estimate": self._estimate,
            "report": self._report,
        }
        try:
            return kinds[order["kind"]](order)
        except QHybridError as error:
            found = problem_of(error)
            return {"problem": replace(found, file=None) if found.file == SPECIFICATION else found}
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  a reader's bug must not keep the next order from being answered
            return {"problem": problem_of(error), "cause": f"{type(error).__name__}: {error}"[:500]}

    def _check(self, order: Order) -> dict[str, Any]:
        checked = self._checked(order, self._workspace.specifications)
        spec = checked.specification
        return {
            "experiment": checked.key,
            "learning": isinstance(spec, LearningSpec),
            "specification": spec.model_dump_json(),
            "content": checked.content,
            "circuit": checked.circuit,
            "labels": checked.labels,
        }

    def _estimate(self, order: Order) -> dict[str, Any]:
        # Its tables and steps are for estimates only.
        from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered

        control_plane = self._workspace.control_plane
        with files.scratch_folder(self._home.tmp) as folder:
            aside = Specifications(Home(folder))
            checked = self._checked(order, aside)
            key = aside.register(checked.specification, checked.content, checked.circuit, key=checked.key)
            preview = estimate_registered([key], aside, control_plane.dispatcher, self._workspace.lake)
        return {
            "experiment": key,
            "rows": preview.rows,
            "total": preview.totals,
            "epochs": preview.epochs,
            "circuits": [asdict(circuit) for circuit in preview.circuits],
            "problems": [_details(problem) for problem in preview.problems],
        }

    def _report(self, order: Order) -> dict[str, Any]:
        # Figures are drawn for reports only.
        from qhybrid_pipelines.reports.page import chapters, render_page
        from qhybrid_pipelines.steps.on_demand.report import report_content

        workspace = self._workspace
        content = report_content(
            order["experiment"], workspace.specifications, workspace.lake, workspace.control_plane, self._home
        )
        return {"page": render_page(chapters([content]))}

    def _checked(self, order: Order, specifications: Specifications) -> CheckedExperiment:
        key_of = self._workspace.key_of
        registration = Registration(
            specifications,
            self._backends,
            roots=(),
            files=order["files"],
            key_of=key_of,
            known=self._workspace.specifications,
        )
        checked = registration.check_fields(order["specification"], file=SPECIFICATION, lines={})
        if checked.angles is not None:
            raise InvalidInput(
                "a file of angles is not accepted over HTTP",
                remedy="Register this experiment by `qhybrid run` or the inbox.",
                field="sweep.file",
            )
        if checked.series:
            raise InvalidInput(
                "files of a series of circuits are not accepted over HTTP",
                remedy="Register this experiment by `qhybrid run` or the inbox.",
                field="circuit.files",
            )
        return checked


def _details(problem: QHybridError) -> dict[str, Any]:
    found: Problem = problem_of(problem)
    return {"code": found.code, "detail": found.detail, "remedy": found.remedy, "field": found.field}


def work(orders: Connection, home: Path, backends: tuple[str, ...], cpu_seconds: float, memory_bytes: int) -> None:
    """Answer orders until nobody sends any more; more than the seconds and bytes given end this process."""
    _limit_resources(memory_bytes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes the pipe
    reader = OrderReader(home, backends)
    while True:
        try:
            order = orders.recv()
        except (EOFError, OSError):
            return
        # Counts the time of this process and not of the clock: a crowded machine must not refuse what is small.
        signal.setitimer(signal.ITIMER_PROF, WARMING_CPU_SECONDS if order.get("warming") else cpu_seconds)
        answer = reader.answer(order)
        signal.setitimer(signal.ITIMER_PROF, 0)
        try:
            orders.send(answer)
        except (BrokenPipeError, OSError):
            return


def _limit_resources(memory_bytes: int) -> None:
    """Give up memory; it cannot be taken back."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limit_address_space(address_space() + memory_bytes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _import_heavy() -> None:
    for name in _HEAVY:
        importlib.import_module(name)
    from qhybrid_pipelines.problems.registry import all_families

    all_families()


# While this module is imported: the fork server loads modules ahead, and calls nothing.
_import_heavy()
