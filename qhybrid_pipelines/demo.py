"""The demonstration: every family once, one of them on simulators, a noisy fake device and an emulated cloud; learning; sampling.

The graphs are those that NetworkX ships, the other instances are made here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage.layout import Home

#: Virtual seconds per second in the emulated cloud: its queue of minutes is seen, and nobody waits for minutes.
CLOUD_SPEED = 120.0

DEMO = (
    """
name: cube on five backends
problem: {family: maxcut, source: "networkx:cubical"}
sweep: {strategy: fixed_angles, points: 2}
shots: 256
backends: ["local:auto", "local:aer-sampler", "ibm:fake_torino", "ionq:simulator", "ionq:qpu.aria-1"]
budget: {usd: 1000.0}
rounds: {max: 1}
""",
    """
name: cubic graph with tabulated angles
problem: {family: maxcut, source: "networkx:moebius_kantor"}
ansatz: {layers: 3}
sweep: {strategy: fixed_angles, points: 4}
backends: ["local:auto", "local:aer-exact"]
""",
    """
name: karate club
problem: {family: maxcut, source: "networkx:karate_club"}
sweep: {strategy: ramp, points: 8}
""",
    """
name: dispatch 5 vehicles 8 jobs
problem: {family: independent_set, source: {generator: dispatch, vehicles: 5, jobs: 8, seed: 3}}
ansatz: {layers: 3}
sweep: {strategy: ramp, points: 8}
""",
    """
name: slots with conflicts
problem: {family: independent_set, source: {generator: random_graph, nodes: 40, probability: 0.25, weighted: true, seed: 7}}
ansatz: {layers: 3}
sweep: {strategy: ramp, points: 8}
""",
    """
name: guards at the karate club
problem: {family: vertex_cover, source: "networkx:karate_club"}
sweep: {strategy: ramp, points: 8}
""",
    """
name: portfolio 40 assets
problem: {family: portfolio, source: {generator: factor_model, assets: 40, cardinality: 6, risk_aversion: 40.0, seed: 7}}
ansatz: {layers: 3, mixer: xy}
sweep: {strategy: ramp, points: 8}
""",
    """
name: market split
problem: {family: market_split, source: {generator: random, constraints: 3, variables: 20, seed: 11}}
reduce: {max_qubits: 20}
sweep: {strategy: ramp, points: 4}
rounds: {max: 1}
""",
    """
name: clauses
problem: {family: max_sat, source: {generator: random, variables: 12, clauses: 40, seed: 5}}
ansatz: {layers: 3}
sweep: {strategy: ramp, points: 8}
""",
    """
name: sequence of 12
problem: {family: labs, source: {generator: length, n: 12}}
ansatz: {layers: 3}
sweep: {strategy: ramp, points: 8}
rounds: {max: 1}
""",
    """
name: tour of 5 customers
problem: {family: vehicle_routing, source: {generator: random_tour, customers: 5, seed: 17}}
sweep: {strategy: ramp, points: 8}
rounds: {max: 1}
""",
    """
name: job shop 2 jobs 2 machines
problem: {family: job_shop, source: {generator: random, jobs: 2, machines: 2, duration_max: 3, seed: 19}}
sweep: {strategy: ramp, points: 8}
rounds: {max: 1}
""",
    """
name: binary programme
problem: {family: binary_program, source: {generator: random, variables: 8, constraints: 2, seed: 23}}
ansatz: {layers: 3}
sweep: {strategy: ramp, points: 8}
""",
    """
name: sparse qubo
problem: {family: qubo, source: {generator: random, variables: 50, density: 0.08, seed: 1}}
sweep: {strategy: ramp, points: 8}
""",
    """
name: dense qubo
problem: {family: qubo, source: {generator: random, variables: 40, density: 0.5, seed: 4}}
ansatz: {kind: hardware_efficient, layers: 1}
sweep: {strategy: random, points: 8}
reduce: {max_qubits: 12}
rounds: {max: 1}
""",
    """
kind: qml
name: two wines
dataset: {source: "sklearn:wine", classes: [0, 1]}
models: [variational]
baselines: [logistic_regression, rbf_svm]
training: {layers: 2, epochs: 10}
tuning: {trials: 2}
""",
    """
kind: sampling
name: ghz series
circuit: {family: ghz, widths: {from: 3, to: 5}}
backends: ["local:auto", "ibm:fake_manila", "ionq:simulator"]
shots: 256
repetitions: 4
""",
)


@contextmanager
def emulated_cloud(home: Home) -> Iterator[None]:
    """Start the emulator for the length of a ``with`` block, and let the provider `ionq` reach it and nothing else.

    A key of the real service that is in the environment is not used: a demonstration never costs money.
    """
    with running_emulator(home.emulator, key=secrets.token_urlsafe(24), speed=CLOUD_SPEED) as emulator:
        here = emulator.environment | {"IONQ_LISTING_LAG_SECONDS": "1", "IONQ_API_KEY_FILE": ""}
        before = {name: os.environ.get(name) for name in here}
        os.environ.update(here)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
