"""Which backends can take an experiment, at what price, and why not the others. Nothing is registered and nothing is sent.

The circuits are those that the specification plans for the backends that it names; they are offered to every other backend as
they are. A depth that the specification leaves to gate errors stays the one chosen for its own backends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from qhybrid_pipelines.control.experiments.known_keys import KeyOf
from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.limits import limit_problems
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, QHybridError, Refused
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.steps.execute.mitigation_checks import check_estimation
from qhybrid_pipelines.steps.on_demand.estimates import PlannedBatch, estimate_rows, plan_batches
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

#: What a backend answers, best first.
YES, APPROVAL, LATER, NO = "yes", "with approval", "when it is back", "no"
_ANSWERS = (YES, APPROVAL, LATER, NO)
_SUMS = ("jobs", "jobs_paid", "circuits", "shots", "low_usd", "high_usd")

#: An experiment with its batches as they are planned for its own backends, by backend.
_Planned = tuple[str, AnySpec, dict[str, list[PlannedBatch]]]


def choose_backends(
    path: Path,
    matrix: Sequence[Row],
    dispatcher: Dispatcher,
    lake: Lake,
    *,
    tmp: Path,
    key_of: KeyOf | None = None,
) -> list[Row]:
    """Return the rows of a matrix with what each backend says to the experiments of a file, those that take it first.

    To each row come ``takes`` (yes, with approval, when it is back, no), ``jobs``, ``circuits``, ``shots``, ``low_usd`` and
    ``high_usd`` (null where nobody can tell), ``assumptions``, and ``reasons``: why not, each with what to do about it.

    Args:
        path: a specification of any kind, or a problem file.
        matrix: rows of `control.backend_monitoring.backend_matrix`.
        dispatcher: is asked for prices, limits and policy.
        lake: may have some of the experiments trained already.
        tmp: folder for what is registered aside, and removed.
        key_of: returns the key that a specification has in its home.

    Raises:
        InvalidInput: the file or one of its experiments is wrong, or names a backend that does not exist.
        ProviderError: the depth depends on the gate errors of a backend that does not answer.
    """
    with files.scratch_folder(tmp, or_temporary=True) as folder:
        aside = Specifications(Home(folder))
        known: Collection[str] = [row["backend"] for row in matrix]
        registration = Registration(aside, known, known=Specifications(lake.home), key_of=key_of)
        keys = dict.fromkeys(one.key for one in registration.register_files(path))
        planned = [_plan(key, aside, dispatcher, lake) for key in keys]
        rows = [row | _answer(row, planned, dispatcher) for row in matrix]
    cheapest = sorted(rows, key=lambda row: (row["high_usd"] or 0.0, row["backend"]))
    return sorted(cheapest, key=lambda row: _ANSWERS.index(row["takes"]))


def _plan(key: str, aside: Specifications, dispatcher: Dispatcher, lake: Lake) -> _Planned:
    spec = aside.load_any(key)
    by_backend: dict[str, list[PlannedBatch]] = {}
    for planned in plan_batches(
        key, spec, aside, lake, dispatcher=dispatcher, circuits=[], depths=[], sensitivities=None
    ):
        by_backend.setdefault(planned[0], []).append(planned)
    return key, spec, by_backend


def _batches_for(
    backend: str, spec: AnySpec, by_backend: dict[str, list[PlannedBatch]], dispatcher: Dispatcher
) -> list[PlannedBatch]:
    """Return the batches as one backend would get them; an annealer gets an embedding of its own.

    Raises:
        InvalidInput: a model does not fit an annealer.
        ProviderError: its qubit graph could not be read.
    """
    own = by_backend.get(backend)
    if own is not None:
        return own
    offered: list[PlannedBatch] = []
    for _, what, qubits, batch, steps in by_backend.get(spec.backends[0], []):
        here = None if batch is None else replace(batch, backend=backend)
        if isinstance(here, AnnealBatch) and dispatcher.capabilities(backend).plane == here.plane:
            here = replace(here, embedding=dispatcher.embedder.embed(here.model, backend, seed=spec.seed))
        offered.append((backend, what, qubits if here is None else here.qubits, here, steps))
    return offered


def _answer(row: Row, planned: Sequence[_Planned], dispatcher: Dispatcher) -> Row:
    """Return what one backend says to all experiments together."""
    backend = row["backend"]
    unknown: Row = dict.fromkeys(_SUMS) | {"assumptions": None}
    if row["problem"] is not None:
        return unknown | {"takes": NO, "reasons": [row["problem"]]}
    try:
        offered = [(key, spec, _batches_for(backend, spec, batches, dispatcher)) for key, spec, batches in planned]
    except (InvalidInput, ProviderError) as error:
        return unknown | {"takes": NO, "reasons": [str(error)]}
    reasons = list(dict.fromkeys(_objections(backend, offered, dispatcher)))
    if reasons:
        return unknown | {"takes": NO, "reasons": reasons}
    found = [priced for key, spec, batches in offered for priced in estimate_rows(key, spec, batches, dispatcher)]
    rows = [priced for priced, _ in found]
    if any(priced["high_usd"] is None for priced in rows):
        sums = unknown
    else:
        sums = {name: sum(priced[name] or 0 for priced in rows) for name in _SUMS}
        sums["assumptions"] = "; ".join(
            dict.fromkeys(priced["assumptions"] for priced in rows if priced["assumptions"])
        )
    reasons = list(dict.fromkeys(_refusals(backend, found)))
    if reasons:
        return sums | {"takes": NO, "reasons": reasons}
    takes = APPROVAL if any(priced["policy"].startswith("approve") for priced in rows) else YES
    if row["online"] is False:
        takes, reasons = LATER, [f"{backend} takes no jobs now; what is submitted waits for it, until its deadline"]
    return sums | {"takes": takes, "reasons": reasons}


def _objections(
    backend: str, offered: Iterable[tuple[str, AnySpec, list[PlannedBatch]]], dispatcher: Dispatcher
) -> Iterator[str]:
    """Yield why a backend can never take some batches, whatever they cost."""
    try:
        capabilities: Capabilities = dispatcher.capabilities(backend)
        dispatcher.deployment.check_backend(capabilities)
    except (InvalidInput, ProviderError, Refused) as error:
        yield str(error)
        return
    for _, spec, batches in offered:
        if not isinstance(spec, LearningSpec) and capabilities.plane == "gate":
            try:
                check_estimation(spec, backend, capabilities)
            except InvalidInput as error:
                yield str(error)
        for _, _, _, batch, _ in batches:
            if batch is not None:
                yield from limit_problems(batch, capabilities, whole=True)


def _refusals(backend: str, found: Iterable[tuple[Row, QHybridError | None]]) -> Iterator[str]:
    """Yield why policy, price, compiler or budget keep a backend from taking what it could."""
    for row, problem in found:
        if problem is not None:
            yield str(problem)
        elif " on " in (words := row["policy"].partition(": ")[0]):  # the policy lets another one stand in for it
            yield f"the work would go elsewhere now ({words.partition(' on ')[2]}). Name that backend, or wait for {backend}."
