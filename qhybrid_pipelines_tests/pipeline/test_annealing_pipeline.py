"""An experiment that anneals goes from its page to a verdict, wider than a word, on the emulated annealer."""

from __future__ import annotations

import httpx
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.execute.chains import chains
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.embeddings import embed_with
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.interpret.scored_solutions import scores
from qhybrid_pipelines.steps.on_demand.bundles import unmeasured_row
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.prepare.baselines import baselines
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.values_from_rows import get_row, select_rows
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows

BACKEND = "dwave:Advantage2_system4"
PAGE = f"""
name: annealed
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 80, degree: 3, seed: 5}}}}
annealing: {{reads: 60, chain_strength: [0.3, 1.0], gauges: 2}}
repetitions: 2
backends: ["{BACKEND}"]
budget: {{usd: 2}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    running = start_emulator(tmp_path / "cloud", speed=4000.0, seed=7)
    settings = {
        "DWAVE_API_ENDPOINT": running.sapi_url,
        "DWAVE_API_TOKEN": running.key,
        "DWAVE_USD_PER_SECOND": "0.55",
        "DWAVE_LISTING_LAG_SECONDS": "0",
        "DWAVE_ACCEPTANCE_SECONDS": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    page = tmp_path / "page.yaml"
    page.write_text(PAGE)
    yield Workspace(Home(tmp_path / "home")), running, page
    running.stop()


def collected(dispatcher: Dispatcher, submissions):
    for _ in range(400):
        jobs = dispatcher.poll([dispatcher.ledger.job(job_id) for job_id in submissions["job_id"].to_pylist()])
        if all(job.state is JobState.COMPLETED for job in jobs):
            return
    raise AssertionError([job.state for job in jobs])


def test_from_a_page_to_a_verdict(home):
    workspace, running, page = home
    dispatcher, lake, specifications = workspace.control_plane.dispatcher, workspace.lake, workspace.specifications
    preview = estimates([page], dispatcher, lake, backends=workspace.control_plane.backends, tmp=workspace.home.tmp)
    [row] = preview.rows
    assert (row["what"], row["jobs"], row["shots"]) == ("annealing", 8, 480)
    [registered] = workspace.registration.register_files(page)
    key = registered.key
    pair = (BACKEND, key)

    table = experiments([key], specifications)
    instances = problem_instances(table, specifications)
    reduced = reduced_models(table, instances)
    model = get_row(reduced, key)
    assert model["n_qubits"] > 64
    assert model["reduced_model_optimum_proved"] is False
    sweeps = parameter_sweeps(table, reduced, specifications)
    assert sweeps.num_rows == 4
    classical = baselines(table, instances, reduced)

    def planned(embed):
        return circuit_batches([pair], table, instances, reduced, sweeps, specifications=specifications, embed=embed)

    batches = planned(embed_with(dispatcher, lake))
    lake.write(schemas.CIRCUIT_BATCHES, PartitionKey(experiment=key, backend=BACKEND), batches)
    sent = submit_circuit_batches(batches, table, dispatcher, principal="me")
    assert sent.num_rows == 8

    # From here on the machine has other qubits: what was sent keeps its embedding, and nothing is sent or paid again.
    httpx.put(f"{running.admin_url}/backends/{BACKEND.partition(':')[2]}", json={"graph_version": 1})
    assert planned(embed_with(dispatcher, lake)).equals(batches)
    again = submit_circuit_batches(planned(embed_with(dispatcher, lake)), table, dispatcher, principal="me")
    assert again.column("job_id").equals(sent.column("job_id"))

    collected(dispatcher, sent)
    counts = collect_result_sets(batches, sent, dispatcher)
    broken = chains(batches, sent, dispatcher).to_pylist()
    assert [(row["point"], row["repetition"]) for row in broken] == [(p, r) for p in range(4) for r in range(2)]
    weak, strong = ([row["broken_fraction"] for row in broken if row["chain_strength"] == s] for s in (0.3, 1.0))
    assert min(weak) > max(strong)

    points, solutions = scores([pair], table, instances, reduced, counts)
    instance = Instance.from_row(get_row(instances, key))
    verdict = compare(
        family_named(instance.family),
        instance,
        model,
        point_scores=select_rows(points, key, BACKEND),
        scored_solutions=select_rows(solutions, key, BACKEND),
        baselines=select_rows(classical, key),
    )
    compared = from_rows(schemas.BASELINE_COMPARISONS, [{"experiment": key, "backend": BACKEND, **verdict}])
    found = unmeasured_row(compared, schemas.BASELINE_COMPARISONS)
    assert found["n_qubits"] == model["n_qubits"]
    assert found["best_quantum"] <= found["reference"]
    assert found["best_quantum_raw"] > 0.9 * found["reference"]
    assert found["random_p_optimum"] is None
    assert not found["noise_like"]

    book = httpx.get(f"{running.admin_url}/jobs").json()["jobs"]
    assert len(book) == 8
    charged = sum(job["charged_usd"] for job in book)
    settled = sum(job.cost_settled_usd for job in dispatcher.ledger.jobs(experiment=key))
    assert settled == pytest.approx(charged, rel=1e-3)
    assert charged == pytest.approx(row["high_usd"], rel=0.01)
