"""IBM's own client, unmodified, lives its whole life against the emulated cloud: instances, devices, jobs, lists, sessions, failures.

It is the pinned one of our environment; ``make test-clients``. Two of its steps are in the test command, in contract/.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines_tests.support.connect_proxy import IBM_HOSTS
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.ibm_own_client import ibm_client_environment

pytestmark = pytest.mark.clients


def test_the_whole_life_of_ibms_own_client(tmp_path):
    emulator = start_emulator(tmp_path / "cloud", speed=100.0, seed=7)
    try:
        own = Client(emulator)
        own.admin("PUT", "/backends/ibm_fez", {"extra_wait_seconds": 1e6})
        with ibm_client_environment(emulator, tmp_path) as (variables, proxy):
            ended = subprocess.run(
                [sys.executable, "-P", Path(__file__).with_name("life_qiskit_ibm_runtime.py")],
                cwd=tmp_path,
                env={**variables, "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        assert ended.returncode == 0, ended.stderr[-3000:]
        accepted = Counter(job["id"] for job in own.book())
        own.close()
    finally:
        emulator.stop()
    assert set(accepted) == set(json.loads(ended.stdout.splitlines()[-1])["ids"])
    assert set(accepted.values()) == {1}
    assert set(proxy.tunnels) == {f"{host}:443" for host in IBM_HOSTS}
    print(f"IBM's own client: {len(accepted)} jobs, {len(proxy.passed)} requests", file=sys.stderr)
