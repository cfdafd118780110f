"""Which devices QRMI offers here, and calls of it with an end.

A device is configured as QRMI wants it, by variables that begin with its name; a cluster's plug-in sets them inside an allocation. They are
read for every call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.text.redaction import vendor_text
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.http.transport import check_url, is_loopback
from qhybrid_pipelines.execution.qrmi import NAME

BACKENDS_VARIABLE = "QHYBRID_QRMI_BACKENDS"
INSTALL = "Install it: pip install 'qhybrid-pipelines[qrmi]'"
#: The interfaces of IBM that QRMI speaks and that take the program `sampler`, by the prefix of their variables.
KINDS = {"QCS": "IBMQuantumComputeService", "QRS": "IBMQiskitRuntimeService"}
#: A call that has no answer by then is ended: QRMI itself waits without end. The port gives a sender half a minute.
CALL_SECONDS = 30.0
#: Each further call of the same process.
FURTHER_SECONDS = 2.0
#: A process that its own alarm does not end is ended this much later.
_GRACE_SECONDS = 5.0
_PROGRAM = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A device as QRMI is configured for it.

    Attributes:
        name: the vendor's.
        kind: of interface, a word of QRMI's.
        endpoint: address of the service.
        region: where jobs are processed.
    """

    name: str
    kind: str
    endpoint: str
    region: str

    @property
    def on_this_machine(self) -> bool:
        """Whether the service is an emulated one on this machine."""
        return is_loopback(self.endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Why a call of QRMI failed: the name of QRMI's error and its words, one line without secrets."""

    kind: str
    text: str

    def as_unavailable(self) -> ProviderError:
        """Return what it means to a question: asking again is safe and may help."""
        kind = ResourceNotFound if self.kind == "TaskNotFoundError" else Unavailable
        return kind(f"QRMI: {self.text}")


def configured_backends() -> tuple[str, ...]:
    """Return the full names of the devices that the operator offers, without asking anybody."""
    names = (name.strip() for name in os.environ.get(BACKENDS_VARIABLE, "").split(","))
    return tuple(f"{NAME}:{name}" for name in dict.fromkeys(filter(None, names)))


def resource_of(backend: str) -> Resource:
    """Return the device behind a backend's full name.

    Raises:
        Rejected: the operator does not offer it.
        Unavailable: QRMI is not installed, or not configured for it.
    """
    offered = configured_backends()
    if backend not in offered:
        raise Rejected(f"no backend {backend!r}; {BACKENDS_VARIABLE} names {', '.join(offered) or 'none'}")
    if find_spec("qrmi") is None:
        raise Unavailable(f"QRMI is not installed. {INSTALL}")
    name = backend.removeprefix(f"{NAME}:")
    for prefix, kind in KINDS.items():
        variables = f"{name}_QRMI_IBM_{prefix}"
        if endpoint := os.environ.get(f"{variables}_ENDPOINT"):
            return _resource(name, kind, endpoint, variables)
    wanted = " or ".join(f"{name}_QRMI_IBM_{prefix}_ENDPOINT" for prefix in KINDS)
    raise Unavailable(f"QRMI is not configured for {name}: set {wanted}, and the variables beside it")


def _resource(name: str, kind: str, endpoint: str, variables: str) -> Resource:
    try:
        for address in ("ENDPOINT", "IAM_ENDPOINT"):
            check_url(os.environ.get(f"{variables}_{address}", ""), variable=f"{variables}_{address}")
    except InvalidInput as error:
        raise Unavailable(str(error)) from None
    # crn:v1:bluemix:public:quantum-computing:<region>:a/<account>:<instance>::
    parts = os.environ.get(f"{variables}_SERVICE_CRN", "").split(":")
    if len(parts) < 8 or not parts[5]:
        raise Unavailable(f"{variables}_SERVICE_CRN is not the CRN of a service instance")
    region = THIS_MACHINE if is_loopback(endpoint) else parts[5]
    return Resource(name=name, kind=kind, endpoint=endpoint, region=region)


def ask(resource: Resource, calls: Sequence[Sequence[str]]) -> list[Any | CallError]:
    """Make calls that change nothing, or that may be repeated, one after the other; return what each came to.

    Raises:
        Unavailable: QRMI could not be called, or did not answer in time.
    """
    said = _run(resource, calls)
    if isinstance(said, str):
        raise Unavailable(said)
    if isinstance(said, CallError):
        raise Unavailable(f"QRMI cannot be used for {resource.name}: {said.text}")
    return said


def start_task(resource: Resource, params: str) -> Any:
    """Start a task with the parameters of a job, and return its id as QRMI says it.

    The device's state is asked for first, in the same process: where no access token is had, or nobody answers, nothing is sent.

    Raises:
        Unavailable: nothing was sent.
        Ambiguous: whatever else went wrong. A refusal counts as unclear too, because it may come from a gateway in front of the
            service, and no task can be looked up.
    """
    said = _run(resource, [["status"], ["task_start", params]], stops=True)
    if isinstance(said, CallError):
        raise Unavailable(f"QRMI cannot be used for {resource.name}: {said.text}")
    if not isinstance(said, str) and isinstance(said[0], CallError):
        raise said[0].as_unavailable()
    problem = said if isinstance(said, str) else f"QRMI: {said[1].text}" if isinstance(said[1], CallError) else None
    if problem is not None:
        raise Ambiguous(f"{problem.rstrip('.')}. The job may have been accepted, and QRMI can look no job up")
    return said[1]


def _run(
    resource: Resource, calls: Sequence[Sequence[str]], *, stops: bool = False
) -> list[Any | CallError] | CallError | str:
    """Call QRMI; return the answers, an error before the first call, or in words why nothing is known.

    Args:
        resource: whose methods are called.
        calls: name and arguments of each.
        stops: at the first that fails, whose error is the last answer then.
    """
    seconds = CALL_SECONDS if stops else CALL_SECONDS + FURTHER_SECONDS * (len(calls) - 1)
    given = {"name": resource.name, "kind": resource.kind, "calls": calls, "seconds": seconds, "stops": stops}
    try:
        # A session of its own: a Ctrl-C that ends the caller does not cut off the answer to a submission.
        ended = subprocess.run(  # noqa: S603  our own code
            [sys.executable, "-I", str(_PROGRAM)],
            input=json.dumps(given).encode(),
            capture_output=True,
            timeout=seconds + _GRACE_SECONDS,
            start_new_session=True,
            check=False,
        )
        said = json.loads(ended.stdout)
        if "unopened" in said:
            return _call_error(said["unopened"])
        answers = [_call_error(one["error"]) if "error" in one else one["value"] for one in said["answers"]]
        if len(answers) == len(calls) or (stops and answers and isinstance(answers[-1], CallError)):
            return answers
    except (subprocess.TimeoutExpired, ValueError, TypeError, KeyError):
        pass
    return f"QRMI gave no answer for {resource.name} within {seconds:g} s, or ended without one"


def _call_error(said: Sequence[str]) -> CallError:
    kind, text = said
    return CallError(kind=kind, text=vendor_text(text, max_characters=300))
