"""Who asks for a run: written on it as a tag by whoever requests it; a launch from the web page carries none.

Dagster knows no users. What a sensor or the command line starts is asked for by that process's principal; a launch by
hand from the page is anonymous, unless QHYBRID_PRINCIPAL names one for everybody who may open the page.
"""

from collections.abc import Mapping

from qhybrid_pipelines.control.policy.deployment import ANONYMOUS, Site

PRINCIPAL_TAG = "qhybrid/principal"


def principal_tags(site: Site) -> dict[str, str]:
    """Return the tag of a run that this process asks for."""
    return {PRINCIPAL_TAG: site.principal}


def principal_of(tags: Mapping[str, str], site: Site) -> str:
    """Return who asked for a run with these tags."""
    return tags.get(PRINCIPAL_TAG) or (site.principal if site.named else ANONYMOUS)
