"""Names of processes, against what the system itself says of them."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from qhybrid_pipelines.core.system import processes
from qhybrid_pipelines.core.system.processes import is_on_this_machine, process_has_ended, process_name

NAME = "from qhybrid_pipelines.core.system.processes import process_name; print(process_name(), flush=True)"


def child(wait: str = "") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", NAME + wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_name_is_the_processs_own_and_stays():
    assert process_name() == process_name()
    living = child("; input()")
    name = living.stdout.readline().strip()
    assert name != process_name()
    assert name.startswith(f"{living.pid}.")
    assert not process_has_ended(name)
    living.communicate("\n")
    assert process_has_ended(name)


def test_a_process_that_nobody_waited_for_has_ended():
    dead = child()
    name = dead.stdout.readline().strip()
    dead.stdout.read()  # ends when the process does; it is a zombie until `wait`
    psutil.Process(dead.pid)
    while Path(f"/proc/{dead.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    assert process_has_ended(name)
    dead.communicate()


def test_the_start_is_the_kernels_own_figure():
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert process_name().split(".")[1] == fields[19]  # field 22 of proc(5), in ticks, of which there are 100 a second


def test_an_id_that_was_given_again_is_another_process():
    pid, start, machine = process_name().split(".")
    assert process_has_ended(f"{pid}.{int(start) - 1}.{machine}")


def test_setting_the_clock_changes_no_name(monkeypatch):
    name, boot_time, create_time = process_name(), psutil.boot_time, psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time() + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    assert processes.process_name() == name
    assert not process_has_ended(name)


@pytest.mark.parametrize("name", ["", "1", "1.1.000000000000", "a.b.c"])
def test_what_cannot_be_asked_has_not_ended_for_certain(name):
    assert not process_has_ended(name)
    assert not is_on_this_machine(name)
