"""Other people's clients live their whole lives against the emulated cloud, each in an environment of its own.

They were written against the real service by people who do not know the emulator: IonQ's generated clients of April and October
2026, the plug-ins of Cirq, PennyLane, Qiskit and qBraid, and D-Wave's own client for the annealing face. Their requirements
exclude ours and each other's, so each environment is made from an exact list in ``constraints/clients/``. What the client asserts about its results stands in
``life_*.py``; here the cloud's own book is the judge of what was accepted.

``make test-clients``; not part of the test command, because the environments come from the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines_tests.support.client_environments import LISTS, check_list, make_environment
from qhybrid_pipelines_tests.support.emulator_client import Client

SAPI = "sapi-3"
LIVES = (
    ("cirq-ionq", "3.11", "life_cirq_ionq", "2026-04"),
    ("dwave-system", "3.11", "life_dwave_system", SAPI),
    ("ionq-core-0.1", "3.12", "life_ionq_core", "2026-04"),
    ("ionq-core-0.2", "3.12", "life_ionq_core", "2026-10"),
    ("pennylane-ionq", "3.11", "life_pennylane_ionq", "2026-04"),
    ("qiskit-ionq", "3.11", "life_qiskit_ionq", "2026-04"),
    ("qbraid", "3.11", "life_qbraid", "2026-04"),
)

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(("name", "version", "life", "form"), LIVES, ids=[f"{one[0]}-{one[3]}" for one in LIVES])
def test_a_client_lives_its_whole_life(name, version, life, form, *, tmp_path):
    python = make_environment(name, version)
    annealing = form == SAPI
    speed = 1.0 if annealing else 3600.0  # an annealer's queue is short: a problem is cancelled while it waits
    emulator = start_emulator(tmp_path / "cloud", speed=speed, seed=7, interface=None if annealing else form)
    try:
        script = Path(__file__).with_name(f"{life}.py")
        ended = subprocess.run(
            [python, "-P", script, emulator.sapi_url if annealing else emulator.url, emulator.key],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        said = json.loads(ended.stdout.splitlines()[-1])
        own = Client(emulator)
        book = own.book()
        own.close()
    finally:
        emulator.stop()
    accepted = Counter(job["id"] for job in book)
    assert set(accepted) == set(said["ids"]), "every job that was accepted is known to its client"
    assert set(accepted.values()) == {1}
    print(f"{name} on Python {version}, interface {form}: {len(book)} jobs", file=sys.stderr)


def test_every_list_is_exact_and_has_a_life():
    names = {path.stem for path in LISTS.glob("*.txt") if not path.stem.startswith("duckdb")}
    assert names == {name for name, *_ in LIVES}
    for name in names:
        check_list(name, name.removesuffix("-0.1").removesuffix("-0.2"))
