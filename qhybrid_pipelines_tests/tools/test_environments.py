"""Environments are made behind an own certificate and an own index, by the settings that pip reads: `PIP_CERT` alone will do."""

from __future__ import annotations

import functools
import http.server
import ssl
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import environments
import pytest

CERTIFICATE = """
[req]
distinguished_name = name
x509_extensions = ext
prompt = no
[name]
CN = nobody
[ext]
subjectAltName = IP:127.0.0.1
basicConstraints = CA:FALSE
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index on loopback with one package, behind a certificate that nobody else signed: its address and the certificate."""
    folder = tmp_path_factory.mktemp("index")
    (folder / "request.cnf").write_text(CERTIFICATE)
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -config request.cnf -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    package = folder / "simple" / "a-package-of-nobody"
    package.mkdir(parents=True)
    wheel = package / "a_package_of_nobody-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("a_package_of_nobody.py", "VALUE = 7\n")
        info = "a_package_of_nobody-1.0.dist-info"
        content.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: a-package-of-nobody\nVersion: 1.0\n")
        content.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        content.writestr(f"{info}/RECORD", "")
    (package / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/simple", folder / "cert.pem"
    server.shutdown()
    server.server_close()


def install(environment: dict[str, str], folder: Path, monkeypatch) -> int | str:
    """Make an environment as `tools/environments.py` does; return what its package says, or why there is none."""
    for name in ("PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE", "SSL_CERT_DIR", "UV_DEFAULT_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"UV_NO_CACHE": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    python = folder / "bin" / "python"
    environments.uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    environments.uv("pip", "install", "--quiet", "--python", str(python), "a-package-of-nobody")
    said = subprocess.run(
        [python, "-c", "import a_package_of_nobody as a; print(a.VALUE)"], capture_output=True, check=True
    )
    return int(said.stdout)


def test_pips_settings_alone_will_do(index, tmp_path, monkeypatch):
    address, certificate = index
    assert install({"PIP_CERT": str(certificate), "PIP_INDEX_URL": address}, tmp_path / "made", monkeypatch) == 7


def test_uvs_own_settings_win(index, tmp_path, monkeypatch):
    address, certificate = index
    own = {"SSL_CERT_FILE": str(certificate), "UV_DEFAULT_INDEX": address}
    others = {"PIP_CERT": "/nonexistent.pem", "PIP_INDEX_URL": "https://127.0.0.1:9/simple"}
    assert install(own | others, tmp_path / "made", monkeypatch) == 7


def test_without_the_certificate_nothing_is_installed(index, tmp_path, monkeypatch):
    """The negative control: the index is one that nobody has to trust."""
    address, _ = index
    with pytest.raises(SystemExit, match="uv pip install"):
        install({"PIP_INDEX_URL": address}, tmp_path / "made", monkeypatch)


def test_a_python_that_is_not_there_is_not_found():
    assert environments.find_python("3.0") is None
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert environments.runs(environments.find_python(here), here)
