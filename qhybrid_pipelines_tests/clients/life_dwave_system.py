"""Life of problems through ``dwave-system``, D-Wave's own client: sampler, embedding, hybrid solver, low-level problems, lists, cancelling."""

import json
import os
import sys
import warnings

url, token = sys.argv[1], sys.argv[2]
os.environ.update(DWAVE_API_ENDPOINT=url, DWAVE_API_TOKEN=token, DWAVE_CONFIG_FILE="", DWAVE_CACHE_HOME="off")
warnings.simplefilter("ignore")

import dimod
import networkx as nx
import numpy as np
from dwave.cloud import Client
from dwave.cloud.api import Problems, Solvers, exceptions, models
from dwave.system import DWaveSampler, EmbeddingComposite, LeapHybridSampler

SMALL = "Advantage2_system4"
HYBRID = "hybrid_binary_quadratic_model_version2"
ids = []

with Solvers(endpoint=url, token=token) as solvers:
    assert {one.identity.name for one in solvers.list_solvers()} == {"Advantage2_system1", SMALL, HYBRID}
    status = solvers.get_solver(SMALL, filter="none,+identity,+status")
    assert (status.status, status.get("properties")) == ("ONLINE", None), status

sampler = DWaveSampler(solver=SMALL)
assert sampler.properties["topology"] == {"type": "zephyr", "shape": [6, 4]}
assert sampler.to_networkx_graph().number_of_nodes() == len(sampler.nodelist) == 1202

# one asymmetric state, read back bit by bit: qubits in between stay unused, more than a byte of them are used
used = sampler.nodelist[3:40:3]
wanted = {qubit: (1 if place in (0, 8, 12) else -1) for place, qubit in enumerate(used)}
answer = sampler.sample_ising({qubit: -spin for qubit, spin in wanted.items()}, {}, num_reads=10, label="golden")
ids.append(answer.info["problem_id"])
assert answer.info["problem_label"] == "golden"
assert dict(answer.first.sample) == wanted, answer.first
assert answer.first.energy == -len(used)
assert answer.record.num_occurrences.sum() == 10
timing = answer.info["timing"]
estimate = sampler.solver.estimate_qpu_access_time(len(used), num_reads=10)
assert abs(timing["qpu_access_time"] - estimate) < 1e-6, (timing, estimate)

# a QUBO with an offset, and raw answers in the order of the reads
bqm = dimod.BinaryQuadraticModel({used[0]: -1.0, used[1]: 1.0}, {}, 2.5, "BINARY")
answer = sampler.sample(bqm, num_reads=7, answer_mode="raw")
ids.append(answer.info["problem_id"])
assert len(answer) == 7, answer
assert dict(answer.first.sample) == {used[0]: 1, used[1]: 0}
np.testing.assert_allclose(answer.record.energy, bqm.energies(answer))

# what the client embeds: chains hold, and energies are the model's own
graph = nx.random_regular_graph(3, 30, seed=1)
cut = dimod.BinaryQuadraticModel({}, {edge: 1.0 for edge in graph.edges}, 0.0, "SPIN")
answer = EmbeddingComposite(sampler).sample(cut, num_reads=100, chain_strength=1.5, return_embedding=True)
ids.append(answer.info["problem_id"])
np.testing.assert_allclose(answer.record.energy, cut.energies(answer))
best = dimod.ExactSolver().sample(dimod.BinaryQuadraticModel({}, {(0, 1): 1.0}, 0.0, "SPIN")).first.energy
assert best == -1.0
assert answer.first.energy <= -33, answer.first.energy  # 45 edges; a cut of 39 and more

# weak chains break
dense = dimod.generators.ran_r(3, 20, seed=1)
answer = EmbeddingComposite(sampler).sample(dense, num_reads=100, chain_strength=0.2)
ids.append(answer.info["problem_id"])
assert answer.record.chain_break_fraction.mean() > 0.02, answer.record.chain_break_fraction.mean()

# a hybrid solver: labelled and unlabelled variables, spins and bits, the least time limit, and one that is too short
with LeapHybridSampler() as hybrid:
    assert hybrid.solver.name == HYBRID
    named = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0, "c": 0.5}, {("a", "b"): 0.25}, 3.0, "BINARY")
    for model, label in ((named, "named"), (cut, "cut")):
        answer = hybrid.sample(model, label=label)
        ids.append(answer.info["problem_id"])
        assert len(answer) == 1, answer
        np.testing.assert_allclose(answer.record.energy, model.energies(answer))
        assert answer.info["charge_time"] == answer.info["run_time"] == 3_000_000, answer.info
        assert answer.info["qpu_access_time"] == 0, answer.info
        if model is named:
            assert dict(answer.first.sample) == {"a": 0, "b": 1, "c": 0}, answer
        else:
            assert answer.first.energy <= -33, answer
    assert hybrid.min_time_limit(dimod.BinaryQuadraticModel(2560, "SPIN")) == 6.5
    too_short = hybrid.solver.sample_bqm(named, time_limit=1)
    try:
        too_short.sampleset.resolve()
    except Exception as error:
        assert "time_limit 1 is not between 3" in str(error), error
    else:
        raise AssertionError("a time limit below the least is refused")

# low level: partial acceptance, lists by label, info as it was sent, answers, messages, cancelling
with Client.from_config(endpoint=url, token=token) as client, Problems(endpoint=url, token=token) as problems:
    solver = client.get_solver(name=SMALL)
    from dwave.cloud.coders import encode_problem_as_qp

    data = models.ProblemData.model_validate(encode_problem_as_qp(solver, {used[0]: 1.0}, {}))
    job = models.ProblemJob(data=data, params={"num_reads": 5}, solver=solver.identity, type="ising", label="token-1 a")
    wrong = job.model_copy(update={"params": {"num_reads": 10**6}})
    first, refused, third = problems.submit_problems([job, wrong, job.model_copy(update={"label": "token-2 b"})])
    assert (refused.error_code, first.status, third.status) == (400, "PENDING", "PENDING"), (first, refused, third)
    ids += [first.id, third.id]
    assert [one.id for one in problems.list_problems(label="token-1")] == [first.id]
    assert {one.id for one in problems.list_problems(label="token-")} == {first.id, third.id}
    info = problems.get_problem_info(first.id)
    assert info.data.lin == data.lin
    assert info.params == {"num_reads": 5}
    assert info.metadata.label == "token-1 a"
    ended = problems.get_problem(first.id, timeout=20)
    assert ended.status == "COMPLETED", ended
    assert problems.get_problem_answer(first.id).format == "qp"
    assert problems.get_problem_messages(first.id) == []
    assert [one.id for one in problems.get_problem_statuses([first.id, third.id])] == [first.id, third.id]
    for wrong_ids in ([first.id, "no-such-problem"],):
        try:
            problems.get_problem_statuses(wrong_ids)
        except exceptions.ResourceNotFoundError:
            pass
        else:
            raise AssertionError("one unknown id refuses the whole poll")
    try:
        problems.cancel_problem(first.id)
    except exceptions.RequestError as error:
        assert error.error_code == 409, error
    else:
        raise AssertionError("an ended problem cannot be cancelled")
    waiting = [problems.submit_problems([job.model_copy(update={"label": f"wait {n}"})])[0] for n in range(3)]
    ids += [one.id for one in waiting]
    assert problems.cancel_problem(waiting[-1].id).status == "CANCELLED"
    assert [
        getattr(one, "error_code", one.get("status", None) if hasattr(one, "get") else None)
        for one in problems.cancel_problems([first.id])
    ] == [409]

print(json.dumps({"ids": ids}))
