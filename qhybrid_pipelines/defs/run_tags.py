"""Tags of runs: one that a person reads in the list of runs, and those by which we find a run again.

Dagster's page shows every tag in its list of runs, and hides those that begin with ``dagster/`` behind *View all tags*, where
they can still be searched for. What is not news to a person has that prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.errors import CorruptFile, CorruptResult, InvalidInput, JobFailed, Refused, Rejected
from qhybrid_pipelines.core.specifications.labels import Labels

if TYPE_CHECKING:
    import dagster as dg

    from qhybrid_pipelines.control.experiments.due_stages import Stage

#: What came out of a run, or how far it is; a run has one of them.
VERDICT_TAG, STATE_TAG = "verdict", "state"

PREFIX, OLDER_PREFIX = "dagster/qhybrid_", "qhybrid/"
EXPERIMENT_TAG = f"{PREFIX}experiment"
JOB_SET_TAG = f"{PREFIX}jobs"
OUTAGE_TAG, OUTAGE_MESSAGE_TAG = f"{PREFIX}outage", f"{PREFIX}outage_message"
OWNER_TAG, LABELS_TAG = f"{PREFIX}owner", f"{PREFIX}tags"
STOPPED_BY_TAG, STOPPED_AT_TAG = f"{PREFIX}stopped_by", f"{PREFIX}stopped_at"
PROCESS_TAG = f"{PREFIX}process"
PRINCIPAL_TAG = f"{PREFIX}principal"
#: Tells a run that a cluster's launcher started from one that the command line executes on the same record.
ENGINE_TAG = f"{PREFIX}engine"
#: Characters of an error that a tag holds.
MAX_MESSAGE = 500
#: Of a run that simulates, or that submits to a provider of jobs elsewhere; dagster.yaml may limit how many there are at once.
SIMULATOR_TAG, CLOUD_TAG = f"{PREFIX}simulator", f"{PREFIX}cloud"
#: Of a run that does stages of several experiments: which stage, and the partitions, one a line.
BATCH_TAG, BATCH_OF_TAG = f"{PREFIX}batch", f"{PREFIX}partitions"
#: Dagster's own: which partition a run is of, and which of the runs that wait begins first.
PARTITION_TAG, PRIORITY_TAG = "dagster/partition", "dagster/priority"
#: Dagster's own: how often it starts a run again by itself.
MAX_RETRIES_TAG = "dagster/max_retries"

#: Why a run failed, in a few words; the first kind that an error is of.
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (Refused, "refused by policy or budget"),
    (Rejected, "rejected by the provider"),
    (CorruptResult, "the result contradicts its request"),
    (JobFailed, "a job failed"),
    (InvalidInput, "wrong input"),
    (CorruptFile, "a file is damaged"),
)
#: Later stages go first, so that an experiment has its verdict before the next one is prepared.
PRIORITIES: Mapping[str, int] = {
    "prepare": 0,
    "data": 0,
    "fit": 1,
    "train": 2,
    "submit": 1,
    "infer": 3,
    "execute": 1,
    "collect": 2,
    "measure": 4,
    "evaluate": 5,
    "plan": 0,
    "sample": 1,
    "score": 2,
}
#: A publication goes before all of them: one that waited behind a queue would show what was long ago.
PUBLISH_TAGS: Mapping[str, str] = {PRIORITY_TAG: str(max(PRIORITIES.values()) + 1)}
#: Stages whose jobs run in their own process, or are sent to a provider.
SENDING = frozenset({"execute", "sample", "submit", "infer", "fit"})


def read_tag(tags: Mapping[str, str], name: str) -> str:
    """Return the value of a tag of ours, empty where there is none; runs of older releases have shorter prefixes."""
    return tags.get(name) or tags.get(name.replace(PREFIX, OLDER_PREFIX), "")


def partition_text(stage: Stage) -> str:
    """Return a stage's partition as Dagster writes it."""
    return f"{stage.backend}|{stage.experiment}" if stage.backend else stage.experiment


def stage_tags(stage: Stage) -> dict[str, str]:
    """Return the tags that tie a run to its stage: its partition, experiment and jobs."""
    tags = {PARTITION_TAG: partition_text(stage), EXPERIMENT_TAG: stage.experiment, JOB_SET_TAG: stage.job_set_hash}
    return {name: value for name, value in tags.items() if value}


def priority_tags(stage: Stage) -> dict[str, str]:
    """Return the tag that says how early a stage begins among the runs that wait; Dagster's default is 0."""
    return {PRIORITY_TAG: str(PRIORITIES[stage.job])} if PRIORITIES[stage.job] else {}


def limit_tags(stage: Stage, *, is_immediate: Callable[[str], bool]) -> dict[str, str]:
    """Return the tag by which a run counts among those that simulate, or that submit to one cloud; none for what does neither."""
    if stage.backend is None or stage.job not in SENDING:
        return {}
    return {SIMULATOR_TAG if is_immediate(stage.backend) else CLOUD_TAG: stage.backend.partition(":")[0]}


def label_tags(labels: Labels) -> dict[str, str]:
    """Return the tags that tell a run's owner and the experiment's own tags, which never find a run again."""
    tags = {OWNER_TAG: labels.owner or "", LABELS_TAG: ", ".join(labels.tags)}
    return {name: value for name, value in tags.items() if value}


def verdict_tags(verdicts: Iterable[str]) -> dict[str, str]:
    """Return the tag with what came out: the verdict, or how often each where a run has several; none where it has none."""
    counted = Counter(verdicts)
    if len(counted) == 1:
        return {VERDICT_TAG: next(iter(counted))}
    return {VERDICT_TAG: ", ".join(f"{count} {verdict}" for verdict, count in counted.items())} if counted else {}


def state_tags(*parts: str) -> dict[str, str]:
    """Return the tag of a run that has no verdict yet."""
    return {STATE_TAG: ", ".join(parts)}


def job_state_tags(states: Iterable[str]) -> dict[str, str]:
    """Return the tag that tells how far the jobs are that a run has sent."""
    counted = Counter(states)
    parts = [f"{count} {str(state).lower().replace('_', ' ')}" for state, count in counted.items()]
    return state_tags(f"jobs: {', '.join(parts)}" if parts else "nothing to send")


def resting_tags(until: datetime) -> dict[str, str]:
    """Return the tag of a run that an outage ended."""
    return state_tags(f"resting until {until:%H:%M:%S} UTC")


def outage_tags(error: BaseException) -> dict[str, str]:
    """Return the tags of a run that ended because something was away: it is asked for again until the outage is over."""
    return {OUTAGE_TAG: type(error).__name__, OUTAGE_MESSAGE_TAG: str(error)[:MAX_MESSAGE]}


def launch_outage_tags(error: BaseException) -> dict[str, str]:
    """Return the tags of a run that could not be launched because something was away.

    Its stage rests and is asked for again, for as long as that lasts; Dagster's own attempts would be used up in a minute.
    """
    return {**outage_tags(error), MAX_RETRIES_TAG: "0"}


def failure_tags(error: BaseException) -> dict[str, str]:
    """Return the tag that says in a few words why a run failed; its message is in the run's log."""
    return state_tags(next((words for kind, words in _FAILURES if isinstance(error, kind)), "failed, see its log"))


def add_tags(context: dg.AssetExecutionContext, tags: Mapping[str, str]) -> None:
    """Write tags on the run of a step."""
    if tags:
        context.instance.add_run_tags(context.run.run_id, tags)
