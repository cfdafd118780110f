"""A circuit file means to the project what it means to readers that share no code with it, to nine digits."""

from __future__ import annotations

import pytest

from qhybrid_pipelines_tests.support.generated_programs import generate_program
from qhybrid_pipelines_tests.support.second_opinions import (
    TOLERANCE,
    distribution_by_pytket,
    distribution_by_qiskit,
    distribution_by_syntax_tree,
    our_distribution,
    total_variation,
)
from qhybrid_pipelines_tests.support.user_circuits import V2, V3

#: Programs of each version that every run of the tests compares, and those of `make test-circuits`.
FEW, MANY, CHUNK = 80, 5_000, 100
INPUTS = {"gamma": 0.83, "beta": -1.37}


def opinion(text: str, version: int, inputs: dict[str, float]):
    return distribution_by_pytket(text) if version == 2 else distribution_by_syntax_tree(text, inputs)


def differing(version: int, seeds: range) -> list[int]:
    """Return the seeds whose programs mean different things to the project and to the second opinion."""
    found = []
    for seed in seeds:
        text, inputs = generate_program(seed, version=version)
        if total_variation(our_distribution(text, inputs), opinion(text, version, inputs)) > TOLERANCE:
            found.append(seed)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
def test_generated_programs_mean_the_same(version):
    assert differing(version, range(FEW)) == []


@pytest.mark.generated
@pytest.mark.parametrize("first", range(0, MANY, CHUNK))
@pytest.mark.parametrize("version", [2, 3])
def test_ten_thousand_generated_programs_mean_the_same(version, first):
    assert differing(version, range(first, first + CHUNK)) == []


def test_generated_programs_do_what_they_are_for():
    """Negative control of the generator: it redefines, nests, permutes, controls, and leaves qubits unmeasured."""
    texts = [generate_program(seed, version=3)[0] for seed in range(FEW)]
    assert len(set(texts)) == FEW
    for words in ("gate swap", "ctrl @", "negctrl", "inv @", "pow(", "for int", "gphase(", "reset", "$", "const float"):
        assert any(words in text for text in texts), words
    assert any("OPENQASM" not in text for text in texts)


MEANINGS_2 = {
    "an own rzz that turns half as far": "gate rzz(t) a,b { cx a,b; rz(t/2) b; cx a,b; }\nqreg q[3];\nh q;\n"
    "rzz(0.9) q[0],q[1];\nrzz(-0.4) q[2],q[1];\nh q;\n",
    "an own p that is a rotation": "gate p(t) a { rx(t) a; }\nqreg q[2];\np(0.7) q[0];\np(1.9) q[1];\n",
    "an own cu that has other angles": "gate cu(a,b,c,d) x,y { ry(d) x; cx x,y; rz(a) y; ry(b-c) y; }\nqreg q[2];\n"
    "h q;\ncu(0.1,0.2,0.3,1.4) q[1],q[0];\n",
    "an own c3x that acts on the first qubit": "gate c3x a,b,c,d { ccx b,c,a; }\nqreg q[4];\nh q[1];\nx q[2];\n"
    "c3x q[0],q[1],q[2],q[3];\n",
    "an own sx that is not a root": "gate sx a { h a; t a; h a; t a; }\nqreg q[1];\nsx q[0];\nsx q[0];\n",
    "an own cx with the control behind": "gate cx a,b { CX b,a; }\nqreg q[3];\nx q[1];\ncx q[0],q[1];\ncx q[2],q[1];\n",
    "a gate that was defined by the library's h before h was defined anew": "gate f a { h a; }\ngate h a { x a; }\n"
    "qreg q[2];\nf q[0];\nh q[1];\n",
    "twelve angles that are out of order by name": "gate wide("
    + ",".join(f"p{i}" for i in range(12))
    + ") a,b { "
    + "".join(f"rx(p{i}) {'ab'[i % 2]}; cx a,b; " for i in range(12))
    + "}\nqreg q[2];\nwide("
    + ",".join(f"{0.1 * i * i - 0.3:.2f}" for i in range(12))
    + ") q[1],q[0];\n",
    "registers in the order of their declarations": "qreg z[1];\nqreg a[2];\ncreg y[1];\ncreg b[3];\nx z[0];\nh a[1];\n"
    "measure a[1] -> y[0];\nmeasure z[0] -> b[2];\nmeasure a[0] -> b[0];\n",
    "a qubit that helps and is not measured": "qreg q[3];\nqreg help[1];\ncreg c[3];\nh q;\ncx q[0],help[0];\nh q[0];\n"
    "measure q -> c;\n",
}


@pytest.mark.parametrize("name", MEANINGS_2)
def test_version_2_means_what_pytket_says(name):
    text = V2 + MEANINGS_2[name]
    assert total_variation(our_distribution(text, {}), distribution_by_pytket(text)) < TOLERANCE


MEANINGS_3 = {
    "angles whose names are out of order": "gate mix(z, a) q { rx(z) q; rz(a/2) q; ry(2*a) q; }\nqubit[2] q;\n"
    "mix(gamma, beta) q[0];\nmix(beta, gamma) q[1];\n",
    "angles behind a tenth": "gate wide("
    + ", ".join(f"_gate_p_{i}" for i in range(12))
    + ") a, b { "
    + "".join(f"rx(_gate_p_{i}) {'ab'[i % 2]}; cx a, b; " for i in range(12))
    + "}\nqubit[2] q;\nwide("
    + ", ".join(f"gamma*{i}-beta" for i in range(12))
    + ") q[1], q[0];\n",
    "a controlled U": "qubit[2] q;\nh q[1];\nctrl @ U(gamma, 0.4, beta) q[1], q[0];\nh q[1];\n",
    "a U that two qubits control": "qubit[3] q;\nh q;\nctrl(2) @ U(gamma, beta, 0.2) q[2], q[0], q[1];\nh q;\n",
    "a controlled u2": "qubit[2] q;\nh q[0];\nctrl @ u2(gamma, 0.3) q[0], q[1];\nh q[0];\n",
    "a controlled u3": "qubit[2] q;\nh q[0];\nnegctrl @ u3(0.9, gamma, beta) q[0], q[1];\nh q[0];\n",
    "a controlled phase of a definition": "gate g(t) a { gphase(t); x a; }\nqubit[2] q;\nh q[0];\n"
    "ctrl @ g(gamma) q[0], q[1];\nh q[0];\n",
    "a controlled definition of swap": "gate swap a, b { cx a, b; rz(beta_c) b; }\nqubit[3] q;\nh q;\n"
    "ctrl @ swap q[2], q[0], q[1];\nh q;\n".replace("beta_c", "0.8"),
    "an own h under a control": "gate h a { ry(0.3) a; gphase(0.4); }\nqubit[2] q;\nrx(1.1) q;\n"
    "ctrl @ h q[0], q[1];\nrx(0.7) q;\n",
    "roots under a control": "qubit[3] q;\nh q;\nctrl @ pow(0.5) @ x q[0], q[1];\nctrl @ pow(1.0/3) @ h q[1], q[2];\n"
    "inv @ pow(0.25) @ ry(2.5) q[0];\npow(-1.5) @ s q[2];\nh q;\n",
    "four controls": "qubit[5] q;\nh q;\nctrl(4) @ rx(gamma) q[4], q[3], q[2], q[1], q[0];\nh q;\n",
    "controls by a 0 and by a 1": "qubit[4] q;\nry(0.9) q;\nnegctrl @ ctrl @ negctrl @ y q[0], q[3], q[1], q[2];\n",
    "a controlled swap of three": "qubit[4] q;\nry(0.4) q[0];\nry(1.4) q[1];\nh q[2];\nh q[3];\n"
    "ctrl(2) @ swap q[2], q[3], q[0], q[1];\nh q[2];\n",
    "a loop over all pairs": "qubit[4] q;\nfor uint i in [0:2] for uint j in [i+1:3] { cp(gamma*i+j) q[i], q[j]; }\n"
    "for uint k in {3, 1} { rx(beta/(k+1.0)) q[k]; }\n",
    "constants for sizes and angles": "const int n = 2*2-1;\nconst float t = arcsin(0.5)*tau/n;\nqubit[n] q;\nrx(t) q;\n"
    "h q[n-1];\n",
    "slices, choices and places from the end": "qubit[5] q;\nx q[1:2:3];\nry(0.3) q[{0, 4}];\nh q[-2];\ncx q[0:1], q[2:3];\n",
    "single bits": "qubit a;\nqubit b;\nbit x1;\nbit x2;\nry(gamma) a;\ncx a, b;\nry(0.2) b;\nx2 = measure a;\nx1 = measure b;\n",
    "a declaration that measures": "qubit[2] q;\nry(gamma) q[0];\nbit[2] c = measure q;\n",
    "qubits of a device": "ry(gamma) $5;\ncx $5, $6;\nry(0.6) $4;\n",
    "qubits of a device that are measured": "bit[2] c;\nry(gamma) $5;\ncx $5, $6;\nc[1] = measure $5;\nc[0] = measure $6;\n",
    "a reset in front": "qubit[2] q;\nreset q;\nry(gamma) q[0];\n",
    "angles that the language gives as whole numbers": "gate g(t) a { rx(t/2) a; }\nqubit q;\ng(1) q;\n",
}


@pytest.mark.parametrize("name", MEANINGS_3)
def test_version_3_means_what_the_syntax_tree_says(name):
    text = f"{V3}input float gamma;\ninput float beta;\n{MEANINGS_3[name]}"
    assert total_variation(our_distribution(text, INPUTS), distribution_by_syntax_tree(text, INPUTS)) < TOLERANCE


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (2, V2 + MEANINGS_2["an own rzz that turns half as far"]),
        (2, V2 + MEANINGS_2["an own sx that is not a root"]),
        (3, f"{V3}gate mix(z, a) q {{ rx(z) q; ry(2*a) q; }}\nqubit q;\nmix(0.3, 1.4) q;\n"),
        (3, f"{V3}qubit[2] q;\nh q[1];\nctrl @ U(0.9, 0, 0) q[1], q[0];\nh q[1];\n"),
    ],
)
def test_readers_as_they_come_are_noticed(version, text):
    """Negative control: what the vendor's readers make of these files is not what they mean."""
    other = opinion(text, version, {})
    assert total_variation(our_distribution(text, {}), other) < TOLERANCE
    try:
        naive = distribution_by_qiskit(text, version)
    except Exception:  # noqa: BLE001  a refusal would be better than a wrong reading
        pytest.skip("this Qiskit refuses the file")
    assert total_variation(naive, other) > 1e-3
