"""Embedding, programming and vote against Ocean's functions of the same purpose, which share no code with ours.

``make test-clients``; the environment is that of ``dwave-system``.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from qhybrid_pipelines.quantum.annealing.embedding import find_embedding
from qhybrid_pipelines.quantum.annealing.programming import program
from qhybrid_pipelines.quantum.annealing.unembedding import majority_vote
from qhybrid_pipelines_tests.support.client_environments import make_environment
from qhybrid_pipelines_tests.support.qubit_graphs import random_model, zephyr_with_holes

pytestmark = pytest.mark.clients


def case(seed):
    """Return what we say about one random model, ready for JSON."""
    rng = np.random.default_rng(seed)
    graph = zephyr_with_holes(3, seed=seed)
    model = random_model(int(rng.integers(2, 20)), float(rng.uniform(0.1, 1.0)), seed=seed)
    factor = float(rng.uniform(0.2, 2.0))
    programmed = program(model, find_embedding(model, graph, seed=seed), graph, chain_strength_factor=factor)
    spins = rng.choice(np.array([-1, 1], dtype=np.int8), size=(40, len(programmed.embedding.qubits)))
    variables = programmed.embedding.variables
    sums = np.stack([spins[:, variables == variable].sum(axis=1) for variable in range(model.size)])
    spins = spins[(sums != 0).all(axis=0)]  # Ocean decides a tie in another way
    found = majority_vote(spins, programmed.embedding, programmed.gauge)
    return {
        "linear": model.linear.tolist(),
        "pairs": model.pairs.tolist(),
        "couplings": model.couplings.tolist(),
        "device": graph.couplers.tolist(),
        "qubits": graph.qubits.tolist(),
        "chains": [list(chain) for chain in programmed.embedding.chains],
        "factor": factor,
        "chain_strength": programmed.chain_strength,
        "scale": programmed.scale,
        "fields": programmed.fields.tolist(),
        "couplers": programmed.couplers.tolist(),
        "programmed": programmed.couplings.tolist(),
        "spins": spins.tolist(),
        "assignments": found.assignments.tolist(),
        "broken": found.broken.mean(axis=1).tolist(),
    }


def test_ocean_says_the_same():
    cases = [one for one in map(case, range(40)) if one["spins"]]
    assert len(cases) > 10
    assert sum(max(one["broken"]) > 0 for one in cases) > 5
    ended = subprocess.run(
        [make_environment("dwave-system", "3.11"), "-P", Path(__file__).with_name("life_ocean_embedding.py")],
        input=json.dumps(cases),
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert json.loads(ended.stdout)["cases"] == len(cases)
