"""The webhooks of a running service, put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.service.access.api_keys import KeyFile
from qhybrid_pipelines.service.webhooks.channels import Channel, HttpChannel
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint
from qhybrid_pipelines.service.webhooks.guarded_connections import Resolver
from qhybrid_pipelines.service.webhooks.mail_channel import MailChannel
from qhybrid_pipelines.service.webhooks.outbox import Outbox, Upgrades, Visibility
from qhybrid_pipelines.service.webhooks.registry import EndpointRegistry
from qhybrid_pipelines.service.webhooks.sender import WebhookSender
from qhybrid_pipelines.service.webhooks.webhook_settings import WebhookSettings
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The endpoints of a home, and what tells them.

    Attributes:
        registry: the endpoints.
        sender: tells them.
    """

    registry: EndpointRegistry
    sender: WebhookSender
    _resolver: Resolver

    @classmethod
    def open(cls, home: Home, control_plane: ControlPlane, *, visibility: Visibility) -> Webhooks:
        """Open the endpoints; nothing is sent before the sender is started.

        Raises:
            InvalidInput: they cannot be opened, or a setting is wrong.
        """
        registry = open_registry(home)
        resolver = Resolver()
        settings, ledger = registry.settings, control_plane.ledger

        def open_channel(endpoint: Endpoint) -> Channel:
            if endpoint.kind == "mail":
                return MailChannel(endpoint.target, settings.mail)

            def secrets() -> list[bytes]:
                return registry.secrets(registry.store.get(endpoint.id) or endpoint)

            return HttpChannel(endpoint, secrets=secrets, resolve=resolver, loopback=settings.loopback)

        outbox = Outbox(ledger, ledger.identity().home_id, visibility=visibility, tiers=control_plane.policy.tiers)
        sender = WebhookSender(registry.store, outbox, open_channel=open_channel, usable=registry.obstacle)
        return cls(registry, sender, resolver)

    def tell_of(self, decisions: Upgrades) -> None:
        """Tell endpoints of upgrades of decisions too; before the sender is started."""
        self.sender.deliveries.outbox.decisions = decisions

    def figures(self) -> str:
        """Return figures in Prometheus' text format, without names of anybody."""
        found = CollectorRegistry(auto_describe=False)
        found.register(_Figures(self))
        return generate_latest(found).decode()

    def close(self) -> None:
        """End the sender, and close the file."""
        self.sender.close()
        self._resolver.close()
        self.registry.store.close()


def open_registry(home: Home) -> EndpointRegistry:
    """Return the endpoints of a home, with the settings of this process's environment.

    Raises:
        InvalidInput: they cannot be opened, or a setting is wrong.
    """
    return EndpointRegistry(EndpointStore(home.webhooks), KeyFile(home), WebhookSettings.from_environment())


class _Figures(Collector):
    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def collect(self) -> Iterator[Metric]:
        """Yield the present figures."""
        counts = self._webhooks.sender.deliveries.counts
        attempts = CounterMetricFamily("qhybrid_webhook_messages", "Messages to endpoints", labels=("outcome",))
        for outcome in ("delivered", "failed", "dead"):
            attempts.add_metric((outcome,), counts[outcome])
        yield attempts
        states = [endpoint.state for endpoint in self._webhooks.registry.store.all()]
        endpoints = GaugeMetricFamily("qhybrid_webhook_endpoints", "Endpoints that are registered", labels=("state",))
        for state in ("pending", "active", "disabled"):
            endpoints.add_metric((state,), states.count(state))
        yield endpoints
