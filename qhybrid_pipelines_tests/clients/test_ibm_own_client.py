"""IBM's own client, unmodified, lives its whole life against the emulated cloud: instances, devices, jobs, lists, sessions, failures.

It is the pinned one of our environment; ``make test-clients``. Two of its steps are in the test command, in contract/.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from qhybrid_pipelines_tests.support.connect_proxy import IBM_HOSTS
from qhybrid_pipelines_tests.support.emulator_client import running_cloud
from qhybrid_pipelines_tests.support.ibm_own_client import run_ibm_client

pytestmark = pytest.mark.clients

LIFE = Path(__file__).with_name("life_qiskit_ibm_runtime.py")


def test_the_whole_life_of_ibms_own_client(tmp_path):
    with running_cloud(tmp_path / "cloud", speed=100.0, seed=7) as cloud:
        cloud.admin("PUT", "/backends/ibm_fez", {"extra_wait_seconds": 1e6})
        printed, proxy = run_ibm_client(cloud.emulator, tmp_path, LIFE)
        accepted = Counter(job["id"] for job in cloud.book())
    assert set(accepted) == set(json.loads(printed.splitlines()[-1])["ids"])
    assert set(accepted.values()) == {1}
    assert set(proxy.tunnels) == {f"{host}:443" for host in IBM_HOSTS}
    print(f"IBM's own client: {len(accepted)} jobs, {len(proxy.passed)} requests", file=sys.stderr)
