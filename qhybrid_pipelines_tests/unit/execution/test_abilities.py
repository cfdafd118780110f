"""Optional abilities: documented as they are, and typed access only where they are declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.core.vocabulary.enum_docs import MEANING, markdown_table
from qhybrid_pipelines.execution.abilities import Ability, OptionalMembers, with_ability
from qhybrid_pipelines.execution.providers.dwave import DWaveProvider
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.execution.providers.local import LocalProvider

EXTENDING = Path(__file__).parents[3] / "docs" / "extending.md"


def test_the_page_has_the_table_of_abilities():
    table = markdown_table(Ability, "Ability", {MEANING: "What it does", "By": "Declared by"})
    assert table in EXTENDING.read_text()


def test_every_optional_member_is_an_ability():
    members = {name for name in vars(OptionalMembers) if not name.startswith("_")}
    assert members == set(Ability)


@pytest.mark.parametrize("ability", Ability)
def test_members_are_reached_only_where_they_are_declared(ability, tmp_path):
    assert with_ability(LocalProvider(tmp_path), ability) is None
    of_annealers = ability in (Ability.EMBED, Ability.CHAIN_BREAKS)
    provider = DWaveProvider(tmp_path) if of_annealers else IonQProvider(tmp_path)
    assert with_ability(provider, ability) is provider


def test_a_missing_key_is_named_until_it_is_set_or_an_address_of_ones_own_is(tmp_path, monkeypatch):
    for variable in ("IONQ_API_KEY", "IONQ_API_KEY_FILE", "IONQ_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    provider = IonQProvider(tmp_path)
    assert "IONQ_API_KEY" in provider.missing_setting()
    for variable in ("IONQ_API_KEY", "IONQ_API_KEY_FILE", "IONQ_API_URL"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "http://127.0.0.1:1")
            assert provider.missing_setting() is None
    assert provider.requests == 0
