"""Who asks for a run: written on it as a tag by whoever requests it; a launch from the web page carries none.

Dagster knows no users. What a sensor or the command line starts is asked for by that process's principal; a launch by
hand from the page is anonymous, unless QHYBRID_PRINCIPAL names one for everybody who may open the page.
"""

from collections.abc import Mapping

from qhybrid_pipelines.control.policy.deployment import ANONYMOUS, Deployment
from qhybrid_pipelines.defs.run_tags import PRINCIPAL_TAG, read_tag


def principal_tags(deployment: Deployment, *, requester: str | None = None) -> dict[str, str]:
    """Return the tag of a run that this process asks for, on behalf of who sent the experiment over HTTP if somebody did."""
    return {PRINCIPAL_TAG: requester or deployment.principal}


def requesting_principal(tags: Mapping[str, str], deployment: Deployment) -> str:
    """Return who asked for a run with these tags."""
    return read_tag(tags, PRINCIPAL_TAG) or (deployment.principal if deployment.named else ANONYMOUS)
