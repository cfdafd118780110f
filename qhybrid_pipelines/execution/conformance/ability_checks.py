"""Checks of optional abilities: what is declared works, what is not declared is absent."""

from __future__ import annotations

from qhybrid_pipelines.core.errors import ProviderError, Rejected
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.conformance.provider_under_test import ProviderUnderTest, assert_raises


def check_abilities_are_declared(subject: ProviderUnderTest) -> None:
    """Every optional member is there if, and only if, its ability is declared."""
    provider = subject.connect()
    assert provider.abilities <= frozenset(Ability)
    for ability in Ability:
        declared, present = ability in provider.abilities, hasattr(provider, ability)
        assert declared == present, f"{ability} is declared: {declared}, present: {present}"


def check_nothing_is_missing(subject: ProviderUnderTest) -> None:
    """A provider that is set up does not ask for a setting."""
    provider = with_ability(subject.connect(), Ability.MISSING_SETTING)
    if provider is not None:
        missing = provider.missing_setting()
        assert missing is None, f"a provider that is set up asks for a setting: {missing}"


def check_keys_are_told_apart(subject: ProviderUnderTest) -> None:
    """The right key is accepted, and another one is not."""
    provider = with_ability(subject.connect(), Ability.CHECK_KEY)
    if provider is None:
        return
    provider.check_key()
    assert subject.with_wrong_key is not None, "a provider that checks keys is tested with a wrong one"
    stranger = with_ability(subject.with_wrong_key(), Ability.CHECK_KEY)
    assert stranger is not None
    assert_raises(ProviderError, stranger.check_key, what="a wrong key")


def check_immediacy_agrees_with_capabilities(subject: ProviderUnderTest) -> None:
    """What is said without a request is what the capabilities say."""
    fresh = subject.connect()
    provider = with_ability(fresh, Ability.IS_IMMEDIATE)
    if provider is None:
        return
    counted = with_ability(fresh, Ability.REQUESTS)
    before = counted.requests if counted is not None else 0
    said = provider.is_immediate(subject.backend)
    assert counted is None or counted.requests == before, "saying whether jobs are immediate took a request"
    assert said == fresh.capabilities(subject.backend).immediate
    assert_raises(Rejected, provider.is_immediate, f"{fresh.name}:no-such-backend")


def check_requests_are_counted(subject: ProviderUnderTest) -> None:
    """Looking for a token, which nothing but a request can answer, is counted."""
    provider = subject.connect()
    counted = with_ability(provider, Ability.REQUESTS)
    if counted is not None:
        before = counted.requests
        provider.find(subject.backend, "token-counted")
        assert counted.requests > before, "a request was not counted"
