"""Whether a backend allows what a specification says about its errors, asked before anything is planned for it."""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities
from qhybrid_pipelines.core.specifications.sampling_specification import CircuitsSpec


def check_mitigation(spec: CircuitsSpec, backend: str, capabilities: Callable[[str], Capabilities]) -> None:
    """Return if a backend's errors can be dealt with as a specification says.

    Args:
        spec: a specification without ``mitigation`` asks nobody.
        backend: full name.
        capabilities: tells what a backend can do.

    Raises:
        InvalidInput: its calibration does not say what is needed.
        ProviderError: it did not answer.
    """
    if spec.mitigation is None or (spec.mitigation.estimation == "none" and not spec.mitigation.switches):
        return
    found = capabilities(backend)
    missing = [one for one in spec.mitigation.switches if one.partition(":")[0] not in found.suppression]
    if missing:
        raise InvalidInput(
            f"the adapter for '{backend}' sets no switch for {missing[0].replace(':', ' ')}"
            + ("" if found.noisy and not found.simulator else ": it is a simulation, in which that does nothing"),
            remedy="Leave suppression out, or name a device of IBM's service.",
            field="mitigation.suppression",
        )
    check_estimation(spec, backend, found)


def check_estimation(spec: CircuitsSpec, backend: str, found: Capabilities) -> None:
    """Return if expectations can be estimated on a backend as a specification says. Raises `InvalidInput` where they cannot."""
    if spec.mitigation is None or spec.mitigation.estimation in found.estimations:
        return
    problem = (
        "compiles circuits once more, and may take out the gates that zne repeats"
        if spec.mitigation.estimation == "zne"
        else "does not tell how often each measured bit is read wrongly, which two_body takes out"
    )
    raise InvalidInput(
        f"'{backend}' {problem}",
        remedy="Leave mitigation out, or name another backend, for example ibm:fake_torino.",
        field="mitigation.estimation",
    )
