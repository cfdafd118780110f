"""A process that runs when nobody else wants the processor says so to the system."""

import os
import subprocess
import sys

import pytest

TELL = (
    "import os; from qhybrid_pipelines.core.system.process_priority import run_when_idle; run_when_idle(); "
    "print(os.nice(0), os.sched_getscheduler(0))"
)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="SKIPPED LOUDLY: this system has no class for idle processes")
def test_it_is_idle_and_stays_so():
    told = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["19", str(os.SCHED_IDLE)]
