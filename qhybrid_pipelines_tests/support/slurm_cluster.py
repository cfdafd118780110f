"""A real Slurm of two nodes on this machine: munge, the controller, and a daemon for each node in namespaces of its own.

A node has a host name and process ids of its own, as another machine has, so that nobody can ask for its processes, and killing it
takes everything that runs on it along. Debian's packages: slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge.
"""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qhybrid_pipelines_tests.support import machines_in_namespaces
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.machines_in_namespaces import as_machine

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
NODES = ("node1", "node2")
#: Cores of a node: room for one run that simulates and one that does not, so that two that simulate are on two nodes.
CORES = 3
#: Debian puts daemons where only root looks.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout={node_seconds}
MinJobAge={job_seconds}
KillWait=5
Licenses=ionq:1
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def reason_against() -> str | None:
    """Return why there can be no cluster here, or None."""
    return machines_in_namespaces.reason_against("Slurm", PROGRAMS, PATH)


class SlurmCluster:
    """Daemons that come and go.

    Args:
        folder: for state and logs; short, as sockets have short names.
        node_seconds: after which a silent node is given up.
        job_seconds: after which the controller forgets a job that has ended, from 2.
    """

    def __init__(self, folder: Path, *, node_seconds: int = 15, job_seconds: int = 300) -> None:
        self.folder = folder
        for name in ("munge", "state", *NODES):
            (folder / name).mkdir(parents=True)
        key = folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        host = socket.gethostname()
        text = SETTINGS.format(
            host=host, port=get_free_port(), folder=folder, user=getpass.getuser(),
            node_seconds=node_seconds, job_seconds=job_seconds,
        )  # fmt: skip
        text += "".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={get_free_port()} CPUs={CORES} RealMemory=8000\n"
            for node in NODES
        )
        (folder / "slurm.conf").write_text(text)
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything, and return when both nodes take jobs."""
        munge = self.folder / "munge"
        self._start("munged", "munged", "--foreground", "--force", f"--key-file={munge / 'key'}",
                    f"--socket={munge / 'socket'}", f"--pid-file={munge / 'pid'}",
                    f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}")  # fmt: skip
        wait_until((munge / "socket").exists, 20, "munge to start")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self.says("sinfo", "--noheader", "--format=%D %T") == "2 idle", 60, "two idle nodes")

    def start_controller(self) -> None:
        """Start the controller, with what it knew before."""
        self._start("slurmctld", "slurmctld", "-D")

    def start_node(self, node: str) -> None:
        """Start a node's daemon, as when a machine comes up."""
        self._start(node, *as_machine(node, "slurmd", "-D", "-N", node))

    def kill(self, name: str) -> None:
        """Kill ``slurmctld``, or a node with everything on it, as a power cut would."""
        process = self._daemons.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Cancel what runs, and end all daemons."""
        if "slurmctld" in self._daemons:
            self.says("scancel", "--state=RUNNING", f"--user={getpass.getuser()}")
        for name in [name for name in reversed(self._daemons) if name != "munged"] + ["munged"]:
            if name in self._daemons:
                self.kill(name)

    def says(self, *command: str) -> str:
        """Return what a command of Slurm prints, empty where it fails."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def jobs(self, *states: str) -> dict[str, str]:
        """Return the nodes of the jobs in some states, or in any, by the jobs' names."""
        told = self.says("squeue", "--noheader", f"--states={','.join(states) or 'all'}", "--format=%j|%N")
        return dict(line.split("|") for line in told.splitlines())

    def logs(self) -> str:
        """Return the ends of what the daemons say."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=os.environ | self.environment, stdout=log, stderr=log, start_new_session=True
            )


def processes_with(text: str) -> list[int]:
    """Return the processes of this machine, in whichever namespace, whose command line has a text."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and text in (folder / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


@contextmanager
def slurm_cluster_in(*, job_seconds: int = 3600) -> Iterator[SlurmCluster]:
    """Give a cluster that has started, in a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="qhybrid-slurm-", ignore_cleanup_errors=True) as folder:
        opened = SlurmCluster(Path(folder), job_seconds=job_seconds)
        try:
            opened.start()
            yield opened
        finally:
            opened.stop()
