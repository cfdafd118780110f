"""The way of IBM's own client to the emulated cloud: its hosts are built in, so a proxy with a certificate of ours stands for them."""

from __future__ import annotations

import subprocess
import sys
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


def run_ibm_client(emulator: Emulator, folder: Path, *arguments: str | Path) -> tuple[str, ConnectProxy]:
    """Let a program of IBM's client live in a process of its own until it ends well; give what it printed, and the proxy.

    Args:
        emulator: the cloud.
        folder: where the program is at home.
        arguments: of Python.
    """
    with ibm_client_environment(emulator, folder) as (variables, proxy):
        ended = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=folder,
            env={**variables, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout, proxy
