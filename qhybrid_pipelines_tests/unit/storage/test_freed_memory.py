import subprocess
import sys

import pytest

HELD = """
import os
import numpy as np
from qhybrid_pipelines.storage.freed_memory import release_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

np.ones(2 << 20)  # 16 MiB: freed, it raises glibc's limit for blocks of their own
parts = [np.ones(1 << 20) for _ in range(32)]  # 8 MiB each
keep = np.ones(1 << 10)
before = resident()
del parts[:-1]  # the last one stands in the way of those below it
kept = resident()
release_memory()
print(before, kept, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to give memory back, and /proc tells how much")
def test_freed_arrays_are_given_back():
    ran = subprocess.run([sys.executable, "-c", HELD], check=True, stdout=subprocess.PIPE, text=True)
    before, kept, after = map(int, ran.stdout.split())
    assert before - kept < 100e6, "nothing was held back, so the test shows nothing"
    assert before - after > 200e6
