"""The way of IBM's own client to the emulated cloud: its hosts are built in, so a proxy with a certificate of ours stands for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qhybrid_pipelines.emulator.process import IBM_INSTANCE, Emulator
from qhybrid_pipelines_tests.support.connect_proxy import IBM_HOSTS, ConnectProxy, connect_proxy, make_certificate


@contextmanager
def ibm_client_environment(emulator: Emulator, folder: Path) -> Iterator[tuple[dict[str, str], ConnectProxy]]:
    """Give the variables that lead the client there and nowhere else, and the proxy.

    Args:
        emulator: the cloud.
        folder: of the certificate; the client's home too, so that it finds no account of anybody.
    """
    certificate = make_certificate(folder, IBM_HOSTS)
    with connect_proxy(emulator.url.rpartition("/")[0], certificate, IBM_HOSTS) as proxy:
        variables = {
            "HTTPS_PROXY": proxy.url,
            "REQUESTS_CA_BUNDLE": str(certificate),
            "QISKIT_IBM_TOKEN": emulator.key,
            "QISKIT_IBM_INSTANCE": IBM_INSTANCE,
            "HOME": str(folder),
        }
        yield variables, proxy
