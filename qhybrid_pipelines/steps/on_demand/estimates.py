"""What experiments would take and cost on each of their backends, and what policy and budget say, before anything is sent.

Nothing is registered and nothing is written: an experiment that is only asked about is not run by a sensor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from qhybrid_pipelines.control.backend_monitoring.gate_errors import two_qubit_error, two_qubit_error_if_known
from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.known_keys import KeyOf
from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import QHybridError, Refused
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import Estimate
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import noise_factors
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, SamplingSpec
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.core.vocabulary.sensitivity_words import sensitivity_sentence
from qhybrid_pipelines.quantum.annealing.anneal_batches import ANNEALING, HYBRID
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.sampling.observables import basis_circuits
from qhybrid_pipelines.sampling.plan import plan_circuits, series_batch
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.embeddings import embed_with
from qhybrid_pipelines.steps.execute.parameter_sensitivity import parameter_sensitivity
from qhybrid_pipelines.steps.execute.qpu_submissions import planned_steps
from qhybrid_pipelines.steps.learning.estimates import estimate_epochs, planned_inferences, planned_training
from qhybrid_pipelines.steps.on_demand.circuit_variables import CircuitVariables, assign_variables
from qhybrid_pipelines.steps.on_demand.estimate_preview import REFUSED, Preview, how_to_spend_less
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import MOST_QUBITS_OF_AN_ESTIMATE, parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.values_from_rows import Row, get_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

#: Backend, what is run there, its qubits, the batch, None where there is nothing to run, and how many like it follow each other.
PlannedBatch = tuple[str, str, int, Batch | None, int]
#: Sensitivities that are computed for one estimate: of thousands of variations nobody reads them.
MOST_SENSITIVITIES = 20
#: What is said in place of a sensitivity where the estimate did without the search.
_ANGLES_LATER = f"the angles are optimised by the run, above {MOST_QUBITS_OF_AN_ESTIMATE} qubits not for an estimate: their price is the same"


def estimates(
    paths: Sequence[Path],
    dispatcher: Dispatcher,
    lake: Lake,
    *,
    backends: Collection[str],
    tmp: Path,
    key_of: KeyOf | None = None,
) -> Preview:
    """Reduce and plan the experiments of some files, and say what they would cost.

    Args:
        paths: specification files.
        dispatcher: is asked for prices, limits and policy.
        lake: may have some of them trained already.
        backends: that exist, by full names.
        tmp: folder for what is registered aside, and removed.
        key_of: returns the key that a specification has in its home.

    Raises:
        InvalidInput: an experiment is wrong.
    """
    with files.scratch_folder(tmp, or_temporary=True) as folder:
        aside = Specifications(Home(folder))
        registration = Registration(aside, backends, known=Specifications(lake.home), key_of=key_of)
        keys = dict.fromkeys(one.key for path in paths for one in registration.register_files(path))
        return estimate_registered(keys, aside, dispatcher, lake)


def estimate_due(registered: Specifications, dispatcher: Dispatcher, lake: Lake) -> Preview:
    """Say what the registered experiments that are not decided everywhere would cost: what a backfill would pay."""
    damage = Damage()
    undecided = [
        key
        for key, spec in load_readable(registered, registered, damage)
        for backend in spec.backends
        if not _is_decided(lake, spec, key, backend)
    ]
    preview = estimate_registered(dict.fromkeys(undecided), registered, dispatcher, lake)
    return replace(preview, problems=[*preview.problems, *damage.errors])


def estimate_registered(keys: Iterable[str], registered: Specifications, dispatcher: Dispatcher, lake: Lake) -> Preview:
    """Say what some experiments of a register would cost; the register may be one that was made aside."""
    specs = [(key, registered.load_any(key)) for key in keys]
    circuits: list[CircuitVariables] = []
    depths: list[Row] = []
    sensitivities: list[Row] = []
    found = [
        found
        for key, spec in specs
        for found in estimate_rows(
            key,
            spec,
            plan_batches(
                key,
                spec,
                registered,
                lake,
                dispatcher=dispatcher,
                circuits=circuits,
                depths=depths,
                sensitivities=sensitivities,
            ),
            dispatcher,
        )
    ]
    return Preview(
        rows=[row for row, _ in found],
        problems=[problem for _, problem in found if problem],
        circuits=circuits,
        depths=depths,
        sensitivities=sensitivities,
        epochs=[row for key, spec in specs for row in _training_epoch_rows(key, spec, registered, dispatcher)],
    )


def _is_decided(lake: Lake, spec: AnySpec, key: str, backend: str) -> bool:
    table = schemas.QML_MEASUREMENTS if isinstance(spec, LearningSpec) else schemas.DECISIONS
    table = schemas.SAMPLING_VERDICTS if isinstance(spec, SamplingSpec) else table
    return lake.exists(table, PartitionKey(experiment=key, backend=backend))


def estimate_rows(
    key: str, spec: AnySpec, planned: Iterable[PlannedBatch], dispatcher: Dispatcher
) -> Iterator[tuple[Row, QHybridError | None]]:
    """Yield one row per batch and why it would not go, with what the rows before it leave of the budget."""
    account = dispatcher.ledger.account(key)
    left = spec.budget.usd if account is None else account.limit_usd - account.reserved_usd - account.settled_usd
    for backend, what, qubits, batch, steps in planned:
        row: Row = {
            "experiment": key,
            "backend": backend,
            "what": what,
            "qubits": qubits,
            "jobs": 0,
            "jobs_paid": 0,
            "circuits": 0,
            "shots": 0,
            "low_usd": 0.0,
            "high_usd": 0.0,
            "budget_left_usd": left,
            "policy": "",
            "assumptions": "reduction solves it, or no window has headroom: nothing is sent",
        }
        problem = None
        if batch is not None:
            circuits = batch.points * batch.repetitions * steps
            row |= {"circuits": circuits, "shots": circuits * batch.shots, "assumptions": ""}
            row |= {"low_usd": None, "high_usd": None}
            try:
                _fill_price_and_verdict(batch, spec, steps, row, dispatcher)
                _check_budget(row, spec)
            except QHybridError as error:
                problem = error
                row["policy"] = REFUSED if isinstance(error, Refused) else row["policy"] or "not known"
            if row["policy"] != REFUSED:
                left -= row["high_usd"] or 0.0
        yield row, problem


def plan_batches(
    key: str,
    spec: AnySpec,
    registered: Specifications,
    lake: Lake,
    *,
    dispatcher: Dispatcher,
    circuits: list[CircuitVariables],
    depths: list[Row],
    sensitivities: list[Row] | None,
) -> Iterator[PlannedBatch]:
    """Yield what an experiment would run on each of its backends.

    What its own circuit is taken for goes to ``circuits``, why it has its depth to ``depths``, and what its angles do to
    ``sensitivities``, which are not computed where that is None.
    """
    if isinstance(spec, LearningSpec):
        yield from _plan_learning(key, spec, registered, lake)
        return
    if isinstance(spec, SamplingSpec):
        yield from _plan_series(key, spec, registered)
        return
    experiment_table = experiments([key], registered)
    instances = problem_instances(experiment_table, registered)
    reduced = reduced_models(experiment_table, instances)
    points = parameter_sweeps(
        experiment_table,
        reduced,
        registered,
        gate_error=partial(two_qubit_error, dispatcher),
        estimated_beside=lake.home,
    )
    depths += [
        {"experiment": key, "depth": reason} for reason in set(points.column("depth_reason").to_pylist()) if reason
    ]
    executions = [(backend, key) for backend in spec.backends]
    batches = circuit_batches(
        executions,
        experiment_table,
        instances,
        reduced,
        points,
        specifications=registered,
        embed=embed_with(dispatcher, lake),
        capabilities=dispatcher.capabilities,
    )
    if (circuit := assign_variables(key, spec, instances, reduced, specifications=registered)) is not None:
        circuits.append(circuit)
    if (
        sensitivities is not None
        and spec.sweep.strategy == "auto"
        and "fixed_angles" in points.column("strategy").to_pylist()
    ):
        sensitivities.append({"experiment": key, "backend": ", ".join(spec.backends), "sensitivity": _ANGLES_LATER})
    elif sensitivities is not None and len(sensitivities) < MOST_SENSITIVITIES:
        told = partial(two_qubit_error_if_known, dispatcher)
        rows = parameter_sensitivity(executions, batches, reduced, gate_error=told).to_pylist()
        sensitivities += _sensitivity_rows(key, spec.backends, rows)
    for backend in spec.backends:
        found = [batch_from_row(row) for row in batches.to_pylist() if row["backend"] == backend]
        if not found:
            yield backend, _what_runs(spec), get_row(reduced, key)["n_qubits"], None, planned_steps(spec)
        for batch, factor in zip(found, noise_factors(spec.mitigation), strict=False):
            what = _what_runs(spec) + (f", noise x {factor}" if factor > 1 else "")
            yield backend, what, batch.qubits, batch, planned_steps(spec)


def _what_runs(spec: ExperimentSpec) -> str:
    if spec.annealing is not None:
        return HYBRID if spec.annealing.is_hybrid else ANNEALING
    steps = planned_steps(spec)
    return "sweep" if steps == 1 else f"loop of {steps} steps"


def _sensitivity_rows(key: str, backends: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Return a sentence for each backend that has rows of `parameter_sensitivity`."""
    by_backend = {backend: [row for row in rows if row["backend"] == backend] for backend in backends}
    return [
        {"experiment": key, "backend": backend, "sensitivity": sensitivity_sentence(found)}
        for backend, found in by_backend.items()
        if found
    ]


def _plan_learning(key: str, spec: LearningSpec, registered: Specifications, lake: Lake) -> Iterator[PlannedBatch]:
    for model, step in planned_training(key, spec, registered):
        iterations = spec.training.iterations or 1
        yield step.backend, f"{model}, {iterations} iterations of training", step.qubits, step, iterations
    for backend in spec.backends:
        for plan in planned_inferences(key, backend, spec, registered, lake):
            yield backend, plan.what, plan.batch.qubits, plan.batch, 1


def _plan_series(key: str, spec: SamplingSpec, registered: Specifications) -> Iterator[PlannedBatch]:
    series = plan_circuits(spec, registered.read_source_file)
    for circuit in series + [one.circuit for one in basis_circuits(spec, series) if one.circuit.point >= len(series)]:
        for backend in spec.backends:
            planned = series_batch(circuit, spec, experiment=key, backend=backend)
            yield backend, circuit.name, circuit.template.n_qubits, planned.batch, 1


def _training_epoch_rows(key: str, spec: AnySpec, registered: Specifications, dispatcher: Dispatcher) -> Iterator[Row]:
    """Yield, per backend and circuit of a learning experiment, what an epoch of training there would be."""
    if not isinstance(spec, LearningSpec) or spec.trained_on_backend:
        return
    for backend in spec.backends:
        for plan in estimate_epochs(key, backend, spec, registered):
            row: Row = {
                "experiment": key,
                "backend": backend,
                "model": plan.model,
                "submissions": plan.submissions,
                "circuits": plan.circuits,
                "shots": plan.shots,
                "low_usd": None,
                "high_usd": None,
                "assumptions": "",
            }
            try:
                quote = dispatcher.estimate(plan.step)
            except QHybridError as error:
                row["assumptions"] = str(error)
            else:
                row["low_usd"] = quote.low_usd * plan.submissions
                row["high_usd"] = quote.high_usd * plan.submissions
                row["assumptions"] = f"every step at the price of a full one; {quote.assumptions}"
            yield row


def _fill_price_and_verdict(batch: Batch, spec: AnySpec, steps: int, row: Row, dispatcher: Dispatcher) -> None:
    """Fill in jobs, money and the policy's word; a part that has a job in the ledger costs nothing more.

    A loop is priced as a whole: all its steps like the first, less those that the ledger has.

    Raises:
        Refused: a limit or the policy says no.
        ProviderError: the provider could not be asked, or its compiler takes no such circuit.
    """
    if steps > 1:
        _fill_loop(batch, spec, steps, row, dispatcher)
        return
    sub_batches = dispatcher.split(batch)
    new = [sub_batch for sub_batch in sub_batches if dispatcher.latest_job(sub_batch.batch) is None]
    row |= {"jobs": len(sub_batches), "jobs_paid": len(sub_batches) - len(new)}
    if not new:
        row |= {"policy": "already there", "assumptions": "every job is in the ledger already"}
        row |= {"low_usd": 0.0, "high_usd": 0.0}
        return
    _set_price(row, [dispatcher.estimate(sub_batch.batch) for sub_batch in new])
    previews = dispatcher.preview(
        new, SubmitRequest(tier=spec.tier, budget_usd=spec.budget.usd, data_class=spec.data_class)
    )
    admission = [preview.admission for preview in previews if preview.admission is not None]
    if not admission:
        return
    _set_price(row, admission[0].quotes)
    if admission[0].rejected is not None:
        raise admission[0].rejected
    route, decision = admission[0].route, admission[0].decision
    elsewhere = f" on {route.backend}, because {route.reason}" if route.backend != batch.backend else ""
    row["policy"] = f"{decision.verdict}{elsewhere}: {decision.reason}"


def _fill_loop(batch: Batch, spec: AnySpec, steps: int, row: Row, dispatcher: Dispatcher) -> None:
    """Fill in what all steps of a loop come to, each at the price of the first; raises as `_fill_price_and_verdict`."""
    parts = dispatcher.split(batch)
    jobs = steps * len(parts)
    sizes = {part.batch.points * part.batch.repetitions for part in parts}
    known = {
        job.payload_sha256
        for job in dispatcher.ledger.jobs(experiment=batch.experiment)
        if job.requested_backend == batch.backend and job.circuits in sizes
    }
    # The circuits of a learning experiment are trained side by side, with batches of one size.
    paid = len(known) // (len(spec.trained_on_backend) or 1) if isinstance(spec, LearningSpec) else len(known)
    left = max(jobs - paid, 0) / len(parts)
    row |= {"jobs": jobs, "jobs_paid": min(paid, jobs)}
    quotes = [dispatcher.estimate(part.batch) for part in parts]
    _set_price(row, quotes)
    low, high = row["low_usd"], row["high_usd"]
    row |= {"low_usd": low * left, "high_usd": high * left}
    circuits = batch.points * batch.repetitions
    row["assumptions"] = (
        f"{steps} steps of {circuits} circuits at most, ${high:.2f} a step, ${steps * high:.2f} in all; {row['assumptions']}"
    )
    request = SubmitRequest(tier=spec.tier, budget_usd=spec.budget.usd, data_class=spec.data_class, times=steps)
    admissions = [preview.admission for preview in dispatcher.preview(parts, request)]
    decision = admissions[0].decision if admissions[0] is not None else None
    row["policy"] = "begun already" if decision is None else f"{decision.verdict}: {decision.reason}"


def _set_price(row: Row, quotes: Sequence[Estimate]) -> None:
    row["low_usd"] = sum(quote.low_usd for quote in quotes)
    row["high_usd"] = sum(quote.high_usd for quote in quotes)
    row["assumptions"] = quotes[0].assumptions


def _check_budget(row: Row, spec: AnySpec) -> None:
    if row["high_usd"] > row["budget_left_usd"] + 1e-9:
        raise Refused(
            f"experiment '{row['experiment']}' has ${row['budget_left_usd']:.2f} of its budget left, and "
            f"'{row['backend']}' may cost up to ${row['high_usd']:.2f}. Raise budget.usd, or {how_to_spend_less(spec)}."
        )
