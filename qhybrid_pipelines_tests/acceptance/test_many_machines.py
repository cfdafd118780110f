"""Machines with host names and folders of their own share one ledger on Postgres, and are asked nothing.

The emulator's own book of accepted jobs is the judge.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from qhybrid_pipelines.emulator.process import running_emulator

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

QHYBRID = Path(sys.executable).with_name("qhybrid")
CAN_RENAME = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "--uts", "hostname", "another"], capture_output=True, check=False).returncode == 0
)
SPEC = {
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 6, "degree": 3, "seed": 4}},
    "backends": ["ionq:qpu.aria-1"],
    "budget": {"usd": 1000.0},
    "ansatz": {"layers": 1},
    "sweep": {"points": 1},
    "shots": 64,
    "repetitions": 1,
}


@pytest.mark.skipif(
    not CAN_RENAME, reason="NO RIGHT TO SET A HOST NAME HERE (unshare --uts): many machines are not tried"
)
def test_each_sends_and_none_is_asked(postgres_url: str, tmp_path: Path) -> None:
    with running_emulator(tmp_path / "cloud", key="some-key", speed=5000.0) as cloud:
        environment = os.environ | cloud.environment | {"QHYBRID_LEDGER_URL": postgres_url}

        def on(machine: str, *words: str) -> subprocess.CompletedProcess[str]:
            """Run a command on a machine with a host name and a folder of its own."""
            command = [str(QHYBRID), *words, "--home", str(tmp_path / machine)]
            named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', machine, *command]
            return subprocess.run(named, capture_output=True, text=True, env=environment, timeout=600, check=False)

        def paid() -> list[str]:
            return [job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]]

        counts = []
        for number, machine in enumerate(("alpha", "beta", "alpha")):
            spec = tmp_path / f"work{number}.yaml"
            spec.write_text(yaml.safe_dump(SPEC | {"name": f"work{number}", "seed": number}))
            done = on(machine, "run", str(spec))
            assert done.returncode == 0, done.stdout + done.stderr
            counts.append(len(paid()))
        assert counts[0] > 0
        assert counts == [counts[0] * times for times in (1, 2, 3)], "each work is paid once"
        for machine in ("alpha", "beta"):
            shown = on(machine, "home", "show")
            assert (shown.returncode, "to be decided" in shown.stdout) == (0, False), shown.stdout
            assert on(machine, "home", "check").returncode == 0
        assert len(set(paid())) == counts[-1]
    assert socket.gethostname() not in {"alpha", "beta"}
