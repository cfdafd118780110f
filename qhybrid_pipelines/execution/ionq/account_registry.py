"""What is remembered of accepted jobs, so that "the provider has no such job" can be told from "this is another account".

A key of another project sees none of our jobs. Read naively, that would fail every open job, and send jobs again that
were accepted. So the project is noted for each token before it is sent and for each job when it is accepted. A note is
on the disk before the request goes out. Losing one loses no job: without it, absence is just not believed, and a person
has to settle what became of the job.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.system.files import remove_leftovers, write_bytes

USUAL_PORTS = {"http": 80, "https": 443}
THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


class AccountRegistry:
    """Notes in one folder, a small file each, by the service's address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        remove_leftovers(folder)

    def record_accepted(self, url: str, backend: str, job_id: str) -> None:
        """Note a job as the last one that the service has accepted for a backend."""
        self._write(url, f"backend {backend}", job_id)

    def last_accepted(self, url: str, backend: str) -> str | None:
        """Return the job noted last for a backend, None if there is none."""
        return self._read(url, f"backend {backend}")

    def record_project(self, url: str, name: str, project: str) -> None:
        """Note the project under which a token is sent, or a job was accepted."""
        self._write(url, f"project of {name}", project)

    def get_project(self, url: str, name: str) -> str | None:
        """Return the project noted for a token or job, None if there is none."""
        return self._read(url, f"project of {name}")

    def _write(self, url: str, name: str, value: str) -> None:
        write_bytes(self._path(normalise_address(url), name), canonical_json({"value": value}).encode())

    def _read(self, url: str, name: str) -> str | None:
        # Homes of format 1 kept their notes under the address as it was typed.
        for address in dict.fromkeys((normalise_address(url), url, url.rstrip("/"), f"{url.rstrip('/')}/")):
            try:
                value = json.loads(self._path(address, name).read_text(encoding="utf-8"))["value"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            return value if isinstance(value, str) else None
        return None

    def _path(self, url: str, name: str) -> Path:
        return self._folder / f"{sha256_hex(f'{url}|{name}')[:32]}.json"


def normalise_address(url: str) -> str:
    """Return the one spelling of a service's address, by RFC 3986, section 6.2: what differs only in spelling is one service.

    Scheme and host in small letters, without the scheme's own port, a final dot of the host, empty and dot segments of the
    path, and a slash at its end; percent-encoding only where it is needed; numbers of IPv6 in their short form, and names in
    other scripts as they are sent. This machine has one name.
    """
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), _one_spelling((parts.hostname or "").rstrip("."))
    host = "localhost" if host in THIS_MACHINE else host
    port = "" if parts.port in (None, USUAL_PORTS.get(scheme)) else f":{parts.port}"
    segments: list[str] = []
    for segment in parts.path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(quote(unquote(segment), safe="~!$&'()*+,;=:@"))
    return f"{scheme}://{host}{port}" + "".join(f"/{segment}" for segment in segments)


def _one_spelling(host: str) -> str:
    """Return the short form of an address in numbers, or a name in ASCII; as it is, where it is neither."""
    try:
        return str(ip_address(host))
    except ValueError:
        try:
            return host.encode("idna").decode()
        except UnicodeError:
            return host
