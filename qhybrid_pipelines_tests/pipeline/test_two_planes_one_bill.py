"""Maximum cut of degree 3 from two pages: 200 variables on an annealer, 14 on five gate backends of four vendors; one table, one bill.

IonQ, IQM and Rigetti are emulated, as D-Wave is, so their bills are the emulated cloud's; IBM's is a device that its own package simulates,
and costs nothing.
"""

from __future__ import annotations

import json
from collections import Counter

import httpx
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher

pytestmark = [RUNS_IN_PROCESS, pytest.mark.long]

ANNEALER = "dwave:Advantage2_system1"
GATES = {
    "braket:ionq.Forte-1": "IonQ",
    "braket:iqm.Garnet": "IQM",
    "braket:rigetti.Ankaa-3": "Rigetti",
    "ionq:qpu.forte-1": "IonQ",
    "ibm:fake_torino": "IBM",
}
ANNEALED = f"""\
name: wide cut
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 200, degree: 3, seed: 5}}}}
annealing: {{reads: 100, chain_strength: [0.5, 1.0]}}
repetitions: 10
backends: ["{ANNEALER}"]
budget: {{usd: 5}}
"""
CIRCUITS = f"""\
name: narrow cut
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 14, degree: 3, seed: 5}}}}
reduce: {{rules: none}}
ansatz: {{layers: 1}}
sweep: {{strategy: fixed_angles, points: 1}}
rounds: {{max: 1}}
shots: 100
repetitions: 10
backends: {json.dumps(list(GATES))}
budget: {{usd: 5000}}
"""


def cli(*arguments: str):
    said = CliRunner().invoke(app, [*arguments, "--json"])
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


def test_one_table_one_bill_within_one_percent_of_the_quote(tmp_path, monkeypatch, capsys):
    pages = {name: tmp_path / f"{name}.yaml" for name in ("annealed", "circuits")}
    pages["annealed"].write_text(ANNEALED)
    pages["circuits"].write_text(CIRCUITS)
    home = ("--home", str(tmp_path / "home"))
    with running_emulator(tmp_path / "cloud", key="some-key", speed=20_000.0) as cloud:
        settings = {
            **cloud.environment,
            **cloud.braket_environment,
            "BRAKET_LISTING_LAG_SECONDS": "0",
            "DWAVE_API_ENDPOINT": cloud.sapi_url,
            "DWAVE_API_TOKEN": cloud.key,
            "DWAVE_USD_PER_SECOND": "0.55",
            "DWAVE_LISTING_LAG_SECONDS": "0",
            "DWAVE_ACCEPTANCE_SECONDS": "0",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        quotes = [row for page in pages.values() for row in cli("estimate", str(page), *home)["rows"]]
        launcher = make_launcher(tmp_path / "home")
        keys = [launcher.workspace.registration.register_files(page)[0].key for page in pages.values()]
        for key in keys:
            _, failures = launcher.run([key], lambda stage, asset: None)
            assert [failure.message for failure in failures] == []
        book = httpx.get(f"{cloud.admin_url}/jobs", timeout=60).json()["jobs"]
    table = cli(
        "sql", "SELECT backend, n_qubits, verdict, best_quantum, best_classical FROM verdicts ORDER BY backend", *home
    )
    bill = cli("sql", "SELECT backend, jobs, shots, quoted_usd, cost_usd FROM cost_by_backend ORDER BY backend", *home)
    with capsys.disabled():
        for rows in (table, bill):
            print("", *(" | ".join(map(str, row.values())) for row in rows), sep="\n")

    assert [row["backend"] for row in table] == [row["backend"] for row in bill] == sorted([ANNEALER, *GATES])
    widths = {row["backend"]: row["n_qubits"] for row in table}
    assert widths.pop(ANNEALER) > 64
    assert set(widths.values()) == {14}
    assert all(row["verdict"] for row in table)
    assert all(row["best_quantum"] is not None for row in table)
    charged = Counter()
    for job in book:
        vendor_backend = job["backend"]
        provider = "ionq" if vendor_backend.startswith("qpu.") else "braket" if "." in vendor_backend else "dwave"
        charged[f"{provider}:{vendor_backend}"] += job["charged_usd"]
    quoted = {row["backend"]: row["high_usd"] for row in quotes}
    billed = {row["backend"]: row["cost_usd"] for row in bill}
    for backend in (ANNEALER, *GATES):
        assert billed[backend] == pytest.approx(quoted[backend], rel=0.01), backend
        assert billed[backend] == pytest.approx(charged[backend], rel=0.01), backend
    assert billed["ibm:fake_torino"] == 0.0
    assert len({GATES[backend] for backend in GATES}) == 4
