"""Jobs of a Slurm cluster, through its own commands: submitted once, found again by their name, cancelled.

The name of a job is all that is kept of it, and only by Slurm: who died after `sbatch` finds the job again. The controller
forgets a job some minutes after its end (MinJobAge); the accounting, where a cluster has one, remembers it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from qhybrid_pipelines.core.errors import EnvironmentFailure, InvalidInput

#: Seconds that one command may take; a busy controller lets its clients wait.
COMMAND_SECONDS = 60.0
#: What a value may be made of; Slurm's lists, sizes, times and counts are.
_VALUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:=*/@+-]*")
#: The states that a job does not leave; any other, also one that is new, may still have processes.
_ENDED = frozenset(
    (
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
        *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    )
)
#: What Slurm's commands say where the controller gave no answer; anything else is one.
_NO_ANSWER = re.compile(
    r"contact|timed out|connection refused|zero bytes|temporarily|slurm_load|communication", re.IGNORECASE
)


class SlurmUnavailable(EnvironmentFailure):
    """A command of Slurm is missing, failed, or did not answer; nothing is known about any job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmResources:
    """What a job asks for, in Slurm's own words; None leaves it to the cluster.

    Attributes:
        partition: or several, with commas; the first that is free.
        account: that pays.
        qos: quality of service.
        cores: of one node.
        memory: with its unit, as in ``4G``.
        time_limit: minutes, or ``hours:minutes:seconds``.
        constraint: features that the node must have.
        gres: generic resources, as in ``gpu:1`` or ``qpu:1``.
        licenses: as in ``ionq:1``, which limits how many jobs of the cluster use a service at once.
        qpu: devices for the option ``--qpu`` of the SPANK plug-in for QPUs.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cores: str | None = None
    memory: str | None = None
    time_limit: str | None = None
    constraint: str | None = None
    gres: str | None = None
    licenses: str | None = None
    qpu: str | None = None

    @classmethod
    def from_settings(cls, settings: Mapping[str, object], *, place: str) -> Self:
        """Return the resources that some settings name.

        Raises:
            InvalidInput: a resource has another name, or a value is not one word of Slurm's; ``place`` says where.
        """
        for name, value in settings.items():
            if name not in RESOURCES:
                raise InvalidInput(
                    f"{place}: there is no resource '{name}'", remedy=f"Known ones are {', '.join(RESOURCES)}."
                )
            if not _VALUE.fullmatch(str(value)) or (name == "cores" and not re.fullmatch(r"[1-9]\d*", str(value))):
                raise InvalidInput(
                    f"{place}: {name} is {str(value)!r}, which sbatch would not understand",
                    remedy="Write a whole number of cores from 1."
                    if name == "cores"
                    else "Write it as for sbatch, without spaces.",
                )
        return cls(**{name: str(value) for name, value in settings.items()})

    def replaced_by(self, other: SlurmResources) -> SlurmResources:
        """Return these resources with all that ``other`` names in their place."""
        return SlurmResources(**{**asdict(self), **{k: v for k, v in asdict(other).items() if v is not None}})

    @property
    def options(self) -> list[str]:
        """The options of `sbatch`."""
        return [f"--{_OPTIONS[name]}={value}" for name, value in asdict(self).items() if value is not None]


#: The names of all resources, and those of their options where these differ.
RESOURCES = tuple(field.name for field in fields(SlurmResources))
_OPTIONS = {name: name for name in RESOURCES} | {"cores": "cpus-per-task", "memory": "mem", "time_limit": "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """A job as Slurm reports it.

    Attributes:
        job_id: Slurm's.
        state: in Slurm's word, without what follows it.
        node: where it is or was, empty before it began.
        detail: why it waits, or its exit code and signal.
    """

    job_id: str
    state: str
    node: str
    detail: str

    @property
    def is_alive(self) -> bool:
        """Whether it has processes, or may have some."""
        return self.state not in _ENDED

    @property
    def has_begun(self) -> bool:
        """Whether it has or had processes."""
        return self.state not in ("PENDING", "CONFIGURING")

    def __str__(self) -> str:
        place = f" on {self.node}" if self.node else ""
        return f"Slurm job {self.job_id} is {self.state}{place} ({self.detail})"


def submit_job(script: str, *, name: str, resources: SlurmResources, folder: Path, log: Path) -> str:
    """Submit a job that Slurm never starts a second time, and return its id.

    Args:
        script: of the shell; what it is made of is read by whoever may see the job.
        name: by which it is found again.
        resources: that it asks for.
        folder: in which it begins.
        log: where its output goes; its folder must exist on the node.

    Raises:
        SlurmUnavailable: Slurm did not answer; the job may exist.
        InvalidInput: Slurm refused, as what the job asks for is not there or not allowed.
    """
    command = [
        "sbatch", "--parsable", "--no-requeue", "--nodes=1", "--ntasks=1", f"--job-name={name}",
        f"--chdir={folder}", f"--output={log}", "--open-mode=append", *resources.options,
    ]  # fmt: skip
    return _run(command, script).strip().split(";")[0]  # with several clusters, the name of one follows


def find_job(name: str, *, since: datetime) -> SlurmJob | None:
    """Return the newest job of a name, or None where neither the controller nor the accounting knows one.

    Args:
        name: of the job.
        since: when it was submitted at the earliest, with a time zone; the accounting is asked from a day before.

    Raises:
        SlurmUnavailable: the controller did not answer, or not in lines as they were asked for.
    """
    told = _run(["squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%N|%r"])
    jobs = list(_read_jobs(told.splitlines()))
    if not jobs:
        begin = (since - timedelta(days=1)).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
        columns = "--format=JobID,State,NodeList,ExitCode"
        try:
            told = _run(["sacct", "-X", "-P", "-n", f"--name={name}", f"--starttime={begin}", columns])
        except SlurmUnavailable:  # most small clusters have no accounting
            return None
        jobs = list(_read_jobs(told.splitlines()))
    return max(jobs, key=lambda job: int(re.sub(r"\D.*", "", job.job_id) or 0), default=None)


def cancel_job(job_id: str) -> None:
    """End a job: its processes are asked to (SIGTERM), and killed some seconds later (KillWait).

    Raises:
        SlurmUnavailable: the controller did not answer.
    """
    _run(["scancel", job_id])


def _read_jobs(lines: Iterable[str]) -> Iterable[SlurmJob]:
    for line in filter(None, map(str.strip, lines)):
        if line.count("|") < 3:  # taken for no job, a living one would be given up
            raise SlurmUnavailable(
                f"Slurm's list of jobs has a line that cannot be read: {line!r}", remedy="See `squeue`."
            )
        job_id, state, node, detail = line.split("|", 3)
        word = state.split()[0] if state else "UNKNOWN"  # sacct: CANCELLED by 1000
        yield SlurmJob(job_id=job_id, state=word, node="" if node.startswith("None") else node, detail=detail)


def _run(command: list[str], given: str | None = None) -> str:
    """Return what a command of Slurm prints."""
    try:
        done = subprocess.run(  # noqa: S603  no shell, and options are words
            command,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SlurmUnavailable(
            f"{command[0]} is not installed on this machine",
            remedy="Install Slurm's client commands, or start the daemon on a login node.",
        ) from None
    except OSError as error:
        raise SlurmUnavailable(
            f"{command[0]} cannot be started: {error.strerror}", remedy="Check its permissions and the machine."
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmUnavailable(
            f"{command[0]} did not answer within {COMMAND_SECONDS:.0f} s", remedy="See `scontrol ping`."
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or "nothing"
        if given is not None and not _NO_ANSWER.search(said):
            raise InvalidInput(
                f"Slurm refused a job: {said}",
                remedy="Change what is asked for, under run_launcher in dagster.yaml or by tags slurm/... of the run.",
            )
        raise SlurmUnavailable(f"{command[0]} failed and says: {said}", remedy="See `sinfo` and `scontrol ping`.")
    return done.stdout
