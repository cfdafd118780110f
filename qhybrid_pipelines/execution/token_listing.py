"""Looking tokens up at any provider, whether it lists many of them at once or answers one by one."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.core.jobs.circuit_jobs import ListedJob, TokenListing
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.port import Provider


def list_tokens(
    provider: Provider, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
) -> TokenListing:
    """Return the jobs of a backend that carry some tokens; see `execution.abilities.Ability.LIST_TOKENS`.

    A provider that cannot list is asked for one token after the other; such an answer shows no other job.

    Raises:
        ProviderError: no usable answer.
    """
    able = with_ability(provider, Ability.LIST_TOKENS)
    if able is not None and provider.capabilities(backend).dedupe == "tag_lookup":
        return able.list_tokens(backend, tokens, known_jobs=known_jobs)
    found = {token: provider.find(backend, token) for token in tokens}
    return TokenListing(jobs={token: (ListedJob(ref=ref),) for token, ref in found.items() if ref is not None})
