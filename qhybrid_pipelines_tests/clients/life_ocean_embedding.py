"""Ocean's own embedding functions say what ours should have said: couplings of chains, torque compensation, majority vote."""

import json
import sys

import dimod
import networkx as nx
import numpy as np
from dwave.embedding import chain_breaks, embed_bqm, unembed_sampleset, verify_embedding
from dwave.embedding.chain_strength import uniform_torque_compensation

cases = json.loads(sys.stdin.read())
for case in cases:
    pairs = [tuple(pair) for pair in case["pairs"]]
    bqm = dimod.BinaryQuadraticModel(dict(enumerate(case["linear"])), dict(zip(pairs, case["couplings"])), 0.0, "SPIN")
    chains = dict(enumerate(case["chains"]))
    device = nx.Graph(case["device"])
    device.add_nodes_from(case["qubits"])
    verify_embedding(chains, bqm.to_networkx_graph(), device)

    strength = case["factor"] * uniform_torque_compensation(bqm)
    assert abs(strength - case["chain_strength"]) < 1e-9 * strength, (strength, case["chain_strength"])

    wanted = embed_bqm(bqm, chains, device, chain_strength=strength)
    qubits = [qubit for chain in case["chains"] for qubit in chain]
    ours = dimod.BinaryQuadraticModel(
        dict(zip(qubits, np.divide(case["fields"], case["scale"]))),
        {(qubits[a], qubits[b]): J / case["scale"] for (a, b), J in zip(case["couplers"], case["programmed"])},
        0.0,
        "SPIN",
    )
    wanted.offset = 0.0  # the energy of whole chains, which no device is told
    assert ours.is_almost_equal(wanted, places=9), (ours, wanted)

    samples = dimod.SampleSet.from_samples_bqm((np.array(case["spins"]), qubits), wanted)
    read = unembed_sampleset(
        samples, chains, bqm, chain_break_method=chain_breaks.majority_vote, chain_break_fraction=True
    )
    variables = list(read.variables)
    spins = read.record.sample[:, [variables.index(variable) for variable in range(len(chains))]]
    assert (spins == 1 - 2 * np.array(case["assignments"])).all()
    np.testing.assert_allclose(read.record.chain_break_fraction, case["broken"])

print(json.dumps({"cases": len(cases)}))
