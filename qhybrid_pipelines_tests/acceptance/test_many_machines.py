"""Machines with host names and folders of their own share one ledger on Postgres, and are asked nothing.

The emulator's own book of accepted jobs is the judge.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from qhybrid_pipelines.emulator.process import running_emulator

pytestmark = pytest.mark.acceptance

CAN_RENAME = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "--uts", "hostname", "another"], capture_output=True, check=False).returncode == 0
)
#: What one machine does: submit some works through the control plane of its own folder, and say what came of it.
PROGRAM = """
import json, socket, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.steps.on_demand.home_backups import ask_providers
from qhybrid_pipelines.storage.layout import Home
home = Home(Path(sys.argv[1])).make()
control_plane = ControlPlane(home)
batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator")
sent = []
for number in map(int, sys.argv[2:]):
    work = replace(batch, experiment="machines-00000000", seeds=batch.seeds + np.uint64(number))
    sent.append(control_plane.dispatcher.submit(work, SubmitRequest(tier="batch", budget_usd=1.0)).provider_job_id)
failed = ask_providers(home, control_plane)
print(json.dumps({"host": socket.gethostname(), "sent": sent, "problems": control_plane.guard.problems(), "failed": failed}))
"""


@pytest.mark.skipif(
    not CAN_RENAME, reason="NO RIGHT TO SET A HOST NAME HERE (unshare --uts): many machines are not tried"
)
def test_each_sends_and_none_is_asked(postgres_url: str, tmp_path: Path) -> None:
    with running_emulator(tmp_path / "cloud", key="some-key", speed=4000.0, seed=7) as cloud:
        environment = os.environ | cloud.environment
        environment |= {"QHYBRID_LEDGER_URL": postgres_url, "IONQ_LISTING_LAG_SECONDS": "0.05"}

        def start(machine: str, *works: int) -> subprocess.Popen[str]:
            """Send some works from a machine with a host name and a folder of its own."""
            program = [sys.executable, "-c", PROGRAM, str(tmp_path / machine), *map(str, works)]
            named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', machine, *program]
            return subprocess.Popen(named, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

        def end(process: subprocess.Popen[str]) -> dict[str, Any]:
            said, problems = process.communicate(timeout=600)
            assert process.returncode == 0, problems
            answer: dict[str, Any] = json.loads(said.splitlines()[-1])
            assert (answer["problems"], answer["failed"]) == ([], {})
            return answer

        def paid() -> list[str]:
            return sorted(job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"])

        first = end(start("alpha", 0, 1))
        assert first["host"] == "alpha"
        assert len(paid()) == 2
        time.sleep(0.1)
        together = [end(one) for one in [start("alpha", 1, 2, 3), start("beta", 3, 2, 4)]]
        assert [answer["host"] for answer in together] == ["alpha", "beta"]
        assert len(paid()) == 5, "works 0 to 4, each once, although both have sent two of them"
        time.sleep(0.1)
        last = end(start("gamma", 0, 1, 2, 3, 4, 5))
        assert sorted(last["sent"]) == paid()
        assert len(paid()) == 6
