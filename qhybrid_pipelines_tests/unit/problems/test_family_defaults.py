"""What every family has to bring itself is not there by default: one without it is refused when families are loaded."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.discovery import public_members
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults, UnconstrainedFamily


@pytest.mark.parametrize("defaults", [FamilyDefaults, UnconstrainedFamily])
@pytest.mark.parametrize("member", ["penalised_model", "objective", "model", "greedy", "solve", "answer_words"])
def test_a_default_does_not_stand_in_for_what_only_a_family_knows(defaults, member):
    assert member in public_members(Family)
    assert not hasattr(defaults, member)
