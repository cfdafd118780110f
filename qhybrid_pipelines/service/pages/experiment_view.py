"""What the page of an experiment shows, and a word that is another one as soon as that has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.service.resources import Resources, job_fields

#: States that change only when somebody does something.
FINAL = frozenset({"decided", "stopped", "refused"})


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """An experiment at one moment.

    Attributes:
        experiment: its state, by `Resources.experiment`.
        results: its verdicts and answers, by `Resources.results`.
        version: of what is shown: equal as long as nothing changes but the time.
    """

    experiment: dict[str, Any]
    results: dict[str, Any]
    version: str

    @property
    def is_final(self) -> bool:
        """Whether it changes no more by itself."""
        return self.experiment["state"] in FINAL


def view_of(resources: Resources, key: str) -> ExperimentView:
    """Return an experiment as its page shows it.

    Raises:
        ProblemError: 404, there is none.
        CorruptFile: its files are damaged.
    """
    experiment, results = resources.experiment(key), resources.results(key)
    jobs = [job_fields(job) for job in resources.workspace.control_plane.ledger.jobs(experiment=key)]
    shown = canonical_json({"experiment": experiment, "results": results, "jobs": jobs})
    return ExperimentView(experiment, results, sha256_hex(shown)[:16])
