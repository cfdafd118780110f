"""A job that its provider ended for running too long has failed, whatever the provider calls it."""

from __future__ import annotations

import re

from qhybrid_pipelines.core.jobs.job_states import JobState

#: How providers put it into words: in a status, in a reason, or in an error's code.
_TIME_LIMIT = re.compile(
    r"(?:ran|run|running|took|taken|executed|execution)\W+(?:\w+\W+)?too\W+long"
    r"|time[\W_]*limit|time[\W_]*out|timed[\W_]*out|time[\W_]+exceeded"
    r"|(?:max\w*|exceed\w*|over)\b.{0,40}\b(?:time|duration|seconds|runtime)\b"
    r"|(?:time|duration|runtime)\b.{0,40}\bexceed\w*",
    re.IGNORECASE,
)


def says_time_limit(*words: str | None) -> bool:
    """Return whether any of a provider's words about a job says that it ran for too long."""
    return any(word is not None and _TIME_LIMIT.search(word) for word in words)


def failed_by_time_limit(state: JobState, *words: str | None) -> JobState:
    """Return FAILED instead of CANCELLED where the provider's words say that it was not the user who ended the job."""
    return JobState.FAILED if state is JobState.CANCELLED and says_time_limit(*words) else state
