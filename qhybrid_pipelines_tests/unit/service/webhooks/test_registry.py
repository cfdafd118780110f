"""What may be registered, which secret belongs to it, and what is shown of it."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.access.api_keys import KeyFile
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.registry import EndpointRegistry, endpoint_fields
from qhybrid_pipelines.service.webhooks.signatures import shown
from qhybrid_pipelines.service.webhooks.webhook_settings import WebhookSettings
from qhybrid_pipelines.storage.layout import Home


@pytest.fixture
def registry(tmp_path):
    home = Home(tmp_path / "home").make()
    made = EndpointRegistry(EndpointStore(home.webhooks), KeyFile(home), WebhookSettings())
    yield made
    made.store.close()


def add(registry, **fields):
    given = {
        "principal": "ada",
        "sees_all": False,
        "kind": "webhook",
        "target": "https://hooks.example.org/",
        "types": None,
        "by_tier": False,
        "after": 0,
    }
    return registry.add(**(given | fields))


def test_the_secret_is_shown_once_and_kept_nowhere(registry, tmp_path):
    endpoint, secret = add(registry)
    assert secret.startswith("whsec_")
    assert [shown(one) for one in registry.secrets(endpoint)] == [secret]
    assert secret.encode() not in registry.keys.home.webhooks.read_bytes()
    assert "secret" not in endpoint_fields(endpoint)


def test_a_new_secret_signs_beside_the_one_before(registry):
    endpoint, secret = add(registry)
    new = registry.rotate(endpoint)
    assert [shown(one) for one in registry.secrets(registry.store.get(endpoint.id))] == [new, secret]


def test_another_pepper_makes_other_secrets_and_nothing_is_sent_with_them(registry):
    endpoint, _ = add(registry)
    assert registry.obstacle(endpoint) is None
    registry.keys.home.service_pepper.write_bytes(b"y" * 32)
    assert "another pepper" in registry.obstacle(endpoint)
    registry.rotate(endpoint)
    assert registry.obstacle(registry.store.get(endpoint.id)) is None


def test_an_address_that_is_a_secret_is_not_shown(registry):
    endpoint, secret = add(registry, kind="slack", target="https://hooks.slack.com/services/T0/B0/word")
    assert secret is None
    assert endpoint_fields(endpoint)["url"] == "https://hooks.slack.com/..."
    with pytest.raises(InvalidInput, match="not signed"):
        registry.rotate(endpoint)


def test_mail_needs_an_address_and_a_server(registry):
    endpoint, secret = add(registry, kind="mail", target="ada+jobs@example.org")
    assert secret is None
    assert "no mail server" in registry.obstacle(endpoint)
    for wrong in ("ada", "ada@", "@example.org", "a@b\nBcc: c@d", "a@b,c@d", "ada@example.org?subject=x"):
        with pytest.raises(InvalidInput):
            add(registry, kind="mail", target=wrong)


@pytest.mark.parametrize(
    "fields",
    [
        {"types": ["JobDreamt"]},
        {"types": []},
        {"types": ["JobCompleted", "DecisionUpgraded"], "by_tier": True},
        {"target": "https://10.0.0.1/"},
        {"target": "http://localhost/"},
    ],
)
def test_wrong_input_is_refused_with_its_field(registry, fields):
    with pytest.raises(InvalidInput) as caught:
        add(registry, **fields)
    assert caught.value.field in {"types", "by_tier", "url"}
    assert registry.store.all() == []


def test_a_replay_is_of_events_that_are_there(registry):
    endpoint, _ = add(registry)
    for after, until, head in ((5, 5, 9), (-1, 5, 9), (0, 10, 9), (0, 200_001, 300_000)):
        with pytest.raises(InvalidInput):
            registry.replay(endpoint, after=after, until=until, head=head)
    registry.replay(endpoint, after=0, until=9, head=9)
    assert registry.store.first_replay(endpoint.id).until == 9
