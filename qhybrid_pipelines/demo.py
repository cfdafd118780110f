"""The demonstration: every family once, on graphs that NetworkX ships and on instances made here."""

from __future__ import annotations

DEMO = (
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
problem: {family: independent_set, source: {generator: random_graph, nodes: 40, probability: 0.25, weighted: true, seed: 5}}
ansatz: {layers: 3}
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
name: sparse qubo
problem: {family: qubo, source: {generator: random, variables: 50, density: 0.08, seed: 1}}
sweep: {strategy: ramp, points: 8}
""",
    """
name: dense qubo
problem: {family: qubo, source: {generator: random, variables: 40, density: 0.5, seed: 2}}
ansatz: {kind: hardware_efficient, layers: 1}
sweep: {strategy: random, points: 8}
reduce: {max_qubits: 12}
rounds: {max: 1}
""",
)
