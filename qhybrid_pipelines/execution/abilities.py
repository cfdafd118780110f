"""What a provider may offer beyond the port. It declares each ability; nobody looks for one that is not declared."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from qhybrid_pipelines.core.binary_models.ising import IsingModel
    from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
    from qhybrid_pipelines.core.jobs.batch_kinds import Batch
    from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration, CircuitBatch, JobRef, RawResult, TokenListing
    from qhybrid_pipelines.core.jobs.embedding import Embedding
    from qhybrid_pipelines.execution.adapter_assumptions import Fact
    from qhybrid_pipelines.execution.port import Provider


class Ability(StrEnum):
    """The optional members of a provider; the value is the member's name, see `OptionalMembers`."""

    MISSING_SETTING = "missing_setting"
    """Says which setting is missing, without a request; None where the provider can be used.

    By: providers that snapshots of all backends pass over until somebody has set them up
    """
    CHECK_KEY = "check_key"
    """Returns if the key is accepted; raises `ProviderError` if it is wrong or missing, or no answer came.

    By: providers that tell the state of their backends to everybody; elsewhere `status` proves the key
    """
    IS_IMMEDIATE = "is_immediate"
    """Says without a request what `Capabilities.immediate` of a backend is; raises `Rejected` for an unknown one.

    By: providers whose capabilities cost a request
    """
    LIST_TOKENS = "list_tokens"
    """Looks many tokens up with one listing, and says which known jobs the same listing shows.

    By: providers whose jobs can be searched by token (`Capabilities.dedupe` is ``tag_lookup``)
    """
    LABEL_JOBS = "label_jobs"
    """Names the home in the label of every job that is submitted from then on; the token never depends on it.

    By: the same
    """
    VERIFY_FACTS = "verify_facts"
    """Compares what the adapter was written for with what the live service answers, in general or about a finished job.

    By: providers that were written without an account; `qhybrid backends verify` prints it
    """
    EMBED = "embed"
    """Embeds a model in a backend's qubit graph as it is now; the same model, graph and seed give the same embedding.

    By: annealers, whose batches are planned with their embedding
    """
    CHAIN_BREAKS = "chain_breaks"
    """Reads from a kept result in which share of the reads the qubits of each variable disagreed. Pure, like `Provider.decode`.

    By: annealers
    """
    READOUT_ERRORS = "readout_errors"
    """Says from a calibration how often each bit of a kept result was read wrongly; None where that is not known. Pure, like `Provider.decode`.

    By: providers with noisy backends whose capabilities say `Capabilities.readout_calibrated`
    """
    REQUESTS = "requests"
    """Counts the requests that were made since the provider was built.

    By: providers that can poll many jobs with one request; the contract suite holds them to it
    """


class OptionalMembers(Protocol):
    """What a provider has for each ability that it declares in `Provider.abilities`, and has not for any other."""

    def missing_setting(self) -> str | None:
        """Return which setting is missing, see `Ability.MISSING_SETTING`."""

    def check_key(self) -> None:
        """Return if the key is accepted, see `Ability.CHECK_KEY`."""

    def is_immediate(self, backend: str) -> bool:
        """Return whether a job is done when it is acknowledged, see `Ability.IS_IMMEDIATE`."""

    def list_tokens(self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()) -> TokenListing:
        """Return the listed jobs that carry some tokens, see `Ability.LIST_TOKENS`.

        Args:
            backend: full name.
            tokens: to be looked up.
            known_jobs: ids of jobs that the provider has accepted. If there are any, the listing is read until one of them is
                seen or it ends, and absence counts only if it ends or shows one.
        """

    def label_jobs(self, home_id: str) -> None:
        """Name a home in what is submitted from now on, see `Ability.LABEL_JOBS`."""

    def verify_facts(self, backend: str, job: tuple[JobRef, Batch, str] | None = None) -> tuple[Fact, ...]:
        """Return what agrees with what the adapter was written for and what does not, see `Ability.VERIFY_FACTS`.

        Args:
            backend: full name.
            job: a finished job with its batch and token; without one, only what is free is looked at.
        """

    def embed(self, model: IsingModel, backend: str, *, seed: int) -> Embedding:
        """Return an embedding of a model, see `Ability.EMBED`.

        Raises:
            InvalidInput: the model does not fit the backend.
            Rejected: there is no such backend.
            ProviderError: its qubit graph could not be read.
        """

    def chain_breaks(self, raw: RawResult, batch: Batch) -> npt.NDArray[np.float64]:
        """Return the share of broken chains of each variable, shape ``(n,)``, see `Ability.CHAIN_BREAKS`.

        Raises:
            CorruptResult: the result is not the batch's.
        """

    def readout_errors(
        self, raw: RawResult, batch: CircuitBatch, calibration: Calibration | None
    ) -> ReadoutErrors | None:
        """Return the readout errors of each bit of a result, see `Ability.READOUT_ERRORS`.

        Args:
            raw: the kept result.
            batch: what it is the result of.
            calibration: that held when it was made, as far as that is known.
        """

    @property
    def requests(self) -> int:
        """How many requests were made so far, see `Ability.REQUESTS`."""


def with_ability(provider: Provider, ability: Ability) -> OptionalMembers | None:
    """Return a provider as one that has the members of an ability; None where it does not declare the ability."""
    return cast("OptionalMembers", provider) if ability in provider.abilities else None
