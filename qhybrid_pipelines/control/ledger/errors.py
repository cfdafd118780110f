"""What a ledger may say no to; whatever it was, nothing was written."""

from __future__ import annotations

from qhybrid_pipelines.core.errors import QHybridError


class StaleJob(QHybridError):
    """The job was changed by somebody else after it was read; nothing was written. Read it again."""


class DuplicateProviderJob(QHybridError):
    """A provider answered with a job id that belongs to another job of the ledger; nothing was written."""

    exit_code = 3


class StaleBreaker(QHybridError):
    """The breaker was changed by somebody else after it was read; nothing was written. Read it again."""


class DuplicateJob(QHybridError):
    """Another job has this token, or this place among the jobs of a payload; nothing was written."""

    exit_code = 3


class LedgerUnreachable(QHybridError):
    """The ledger's database does not answer. What was being written is there whole or not at all: read it again."""

    exit_code = 3
