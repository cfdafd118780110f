"""Specifications of sampling experiments that are refused, and what has to be said about each."""

from __future__ import annotations

from qhybrid_pipelines_tests.support.wrong_input import (
    WrongInput,
    specification,
)

_SERIES = "kind: sampling\nname: wrong\n"
_BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nh q[0];\ncx q[0], q[1];\n'

SERIES = (
    specification(
        "series without circuits", f"{_SERIES}circuit: {{}}\n", "name a family, or files", line=3, field="circuit"
    ),
    specification(
        "series of a family that is misspelt",
        f"{_SERIES}circuit:\n  family: mirrored\n  widths: 3\n",
        "Did you mean mirror?",
        line=4,
        field="circuit.family",
    ),
    specification(
        "series of a width that the family does not have",
        f"{_SERIES}circuit:\n  family: hidden_shift\n  widths: [2, 3]\n",
        "no circuits of width 3",
        "a multiple of 2",
        line=5,
        field="circuit.widths",
    ),
    specification(
        "series with an observable of a qubit that is not there",
        f"{_SERIES}circuit: {{family: ghz, widths: [2, 3]}}\nobservables: [Z0 Z1, X2]\n",
        "names qubit 2",
        "narrower",
        line=4,
        field="observables",
    ),
    specification(
        "series too wide for a reference",
        f"{_SERIES}circuit:\n  family: hamiltonian_simulation\n  widths: 24\n",
        "24 qubits",
        "reference:",
        line=5,
        field="circuit.widths",
    ),
    specification(
        "series on a backend that is not there",
        f"{_SERIES}circuit: {{family: ghz, widths: 3}}\nbackends: ['local:none']\n",
        "no backend",
        line=4,
        field="backends",
    ),
    specification(
        "outcome of another width",
        f"{_SERIES}circuit: {{family: ghz, widths: 3}}\nreference: {{outcome: '00'}}\n",
        "2 bits",
        "3 digits",
        line=4,
        field="reference.outcome",
    ),
    specification(
        "circuits without their kind",
        "name: wrong\ncircuit: {family: ghz, widths: 3}\n",
        "kind: sampling",
        line=2,
        field="kind",
    ),
    specification(
        "series of a file that is not there",
        f"{_SERIES}circuit: {{files: [gone.qasm]}}\n",
        "gone.qasm",
        line=3,
        field="circuit.files",
    ),
    WrongInput(
        "reference with a wrong line",
        {
            "wrong.yaml": f"{_SERIES}circuit: {{files: [bell.qasm]}}\nreference: {{file: p.csv}}\n",
            "bell.qasm": _BELL,
            "p.csv": "outcome,probability\n00,0.5\n1,0.5\n",
        },
        ("not an outcome of 2 bits", "leading zeros"),
        line=3,
        about="p.csv",
    ),
)
