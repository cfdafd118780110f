"""Where a process stands, and what prod does not put up with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qhybrid_pipelines.control.policy.deployment import ANONYMOUS, Deployment
from qhybrid_pipelines.core.errors import InvalidInput, Refused
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, DurableVendor

SAFE = {"QHYBRID_ENV": "prod", "QHYBRID_LEDGER_URL": "postgresql://u@h/db", "QHYBRID_PRINCIPAL": "nightly"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text("rules: [{name: a, then: allow, reason: b}]")
    return tmp_path


def test_without_variables_it_is_dev_with_the_users_name(tmp_path) -> None:
    deployment = Deployment.from_environment(tmp_path, {})
    assert (deployment.environment, deployment.ledger_url, deployment.policy_file) == ("dev", None, None)
    assert deployment.principal


def test_a_user_without_a_name_is_anonymous(monkeypatch) -> None:
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert Deployment.from_environment(None, {}).principal == ANONYMOUS


def test_the_variables_count_before_the_home(home) -> None:
    assert Deployment.from_environment(home, {}).policy_file == home / "policy.yaml"
    deployment = Deployment.from_environment(
        home, {"QHYBRID_POLICY": "other.yaml", "QHYBRID_ENV": "test", "QHYBRID_PRINCIPAL": "ada"}
    )
    assert (deployment.policy_file, deployment.environment, deployment.principal) == (Path("other.yaml"), "test", "ada")


def test_an_environment_that_nobody_knows_is_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="'staging' is not an environment"):
        Deployment.from_environment(None, {"QHYBRID_ENV": "staging"})


def test_prod_takes_what_is_safe(home) -> None:
    key = home / "key"
    key.write_text("secret")
    key.chmod(0o600)
    deployment = Deployment.from_environment(
        home, SAFE | {"IONQ_API_URL": "https://api.example/v0.4", "IONQ_API_KEY_FILE": str(key)}
    )
    assert (deployment.environment, deployment.principal) == ("prod", "nightly")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"QHYBRID_LEDGER_URL": ""}, "ledger in SQLite"),
        ({"QHYBRID_LEDGER_URL": "sqlite:///x.db"}, "ledger in SQLite"),
        ({"IONQ_API_URL": "http://127.0.0.1:8080/v0.4"}, "IONQ_API_URL.*https only"),
    ],
)
def test_prod_refuses(home, change, words) -> None:
    with pytest.raises(InvalidInput, match=words):
        Deployment.from_environment(home, SAFE | change)
    Deployment.from_environment(home, SAFE | change | {"QHYBRID_ENV": "test"})


def test_prod_refuses_a_missing_policy(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="no policy"):
        Deployment.from_environment(tmp_path, SAFE)


def test_prod_refuses_a_key_that_everybody_may_read(home) -> None:
    key = home / "key"
    key.write_text("secret")
    key.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod o-r") as refusal:
        Deployment.from_environment(home, SAFE | {"IONQ_API_KEY_FILE": str(key)})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"dedupe": "none"}, "paid twice"),
        ({"mode": "emulator"}, "is an emulator"),
        ({"backend": "chaos:x"}, "on purpose"),
    ],
)
def test_backends_that_prod_does_not_use(tmp_path, facts, words) -> None:
    capabilities = replace(DurableVendor(tmp_path).capabilities(BACKEND), **facts)
    with pytest.raises(Refused, match=words):
        Deployment(environment="prod", principal="nightly").check_backend(capabilities)
    Deployment(environment="test", principal="nightly").check_backend(capabilities)
