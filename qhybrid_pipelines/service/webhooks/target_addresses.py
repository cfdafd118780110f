"""Where messages may go: addresses of the public internet by HTTPS, and nothing behind the service's own walls.

A receiver's address is written by whoever registers it, and the request is made by a machine inside a network: without a
bound it would be asked to talk to cloud metadata, databases and other services for them (SSRF). The rule is applied to the text when it is
registered, and to every address that its name resolves to when a connection is made, because a name may change its mind (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import psutil

from qhybrid_pipelines.core.errors import InvalidInput

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Ports of HTTPS; others belong to services that speak something else.
PORTS = frozenset({443, 8443})
MAX_URL_LENGTH = 2000
#: Letters, digits and dashes in parts of at most 63; the last part has a letter, so that no number is taken for a name.
_NAME = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_HEXADECIMAL = re.compile(r"0x[0-9a-f]*")
#: IPv6 of the public internet; what is outside is local, mapped, translated or not given out.
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
#: Inside of it: protocol assignments with Teredo, 6to4, documentation. Such an address may lead to an IPv4 address of any kind.
_SPECIAL_IPV6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
#: Protocol assignments, of which Python 3.11 knows a part only; 6to4 relays; benchmarking; the platform of Azure, whose address is public.
_SPECIAL_IPV4 = tuple(
    map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "168.63.129.16/32"))
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes.

    Attributes:
        url: as it was given.
        scheme: https, or http on this machine.
        host: name or address, without brackets.
        port: to connect to.
        path: with the query; what is asked for.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str


def parse_target(text: str, *, loopback: bool) -> Target:
    """Return what an address means, when messages may go there as far as its text tells.

    Args:
        text: an address of HTTP.
        loopback: receivers on this machine are allowed, by any port and without encryption.

    Raises:
        InvalidInput: it is none, or leads where nothing is sent.
    """
    parts = _parts(text)
    host, port, scheme = (parts.hostname or "").lower(), parts.port, parts.scheme
    address = _literal(host)
    if address is None and (not _NAME.fullmatch(host) or _HEXADECIMAL.fullmatch(host.rpartition(".")[2])):
        raise _refused(
            "the host is neither a name nor an address in its usual form", "Write a name, such as hooks.example.org."
        )
    if host == "localhost" or (address is not None and _is_loopback(address)):
        if not loopback:
            raise _refused("nothing is sent to this machine itself", "Name a receiver on the internet.")
        if scheme not in {"http", "https"}:
            raise _refused("messages are sent by HTTP or HTTPS", "Write http:// in front.")
    else:
        _check_elsewhere(scheme, port, address)
    path = parts.path or "/"
    return Target(
        url=text,
        scheme=scheme,
        host=host,
        port=port or (443 if scheme == "https" else 80),
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def _parts(text: str) -> SplitResult:
    plain = text.isascii() and text.isprintable() and not re.search(r'[\s\\<>"`{}|^]', text)
    try:
        parts = urlsplit(text) if plain and len(text) <= MAX_URL_LENGTH else None
        if parts is not None:
            parts.port  # noqa: B018  wrong ones are found when it is asked for
    except ValueError:
        parts = None
    if parts is None:
        raise _refused(
            "this is not an address of HTTPS", "Write https://HOST/PATH in plain ASCII, at most 2,000 characters."
        )
    if "@" in parts.netloc:
        raise _refused("a name or password in the address is not sent", "Leave out what is before the @.")
    if "#" in text:
        raise _refused("a fragment in the address is not sent", "Leave out what follows the #.")
    return parts


def _check_elsewhere(scheme: str, port: int | None, address: IpAddress | None) -> None:
    if scheme != "https":
        raise _refused("messages are sent by HTTPS only", "Write https:// in front.")
    if port is not None and port not in PORTS:
        raise _refused(f"nothing is sent to port {port}", f"Use one of {', '.join(map(str, sorted(PORTS)))}.")
    if address is not None and not may_connect(address, loopback=False):
        raise _refused("nothing is sent to addresses inside a network", "Name a receiver on the public internet.")


def may_connect(address: IpAddress, *, loopback: bool, own: Callable[[], frozenset[IpAddress]] | None = None) -> bool:
    """Tell whether a connection may be made to an address.

    Args:
        address: that a name resolved to.
        loopback: this machine is allowed.
        own: returns the addresses of this machine, which are refused though they may be public; None for those that it has.
    """
    if _is_loopback(address):
        return loopback
    return _is_public(address) and address not in (own or own_addresses)()


def own_addresses() -> frozenset[IpAddress]:
    """Return the addresses of this machine's interfaces."""
    found = set()
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            try:
                found.add(ipaddress.ip_address(one.address.partition("%")[0]))
            except ValueError:  # of the hardware
                continue
    return frozenset(found)


def _is_loopback(address: IpAddress) -> bool:
    # Python 3.13 calls 127.0.0.1 in an IPv6 form loopback too, which nobody writes who means this machine.
    mapped = address.version == 6 and address.ipv4_mapped is not None
    return address.is_loopback and not mapped


def _is_public(address: IpAddress) -> bool:
    # Python's `is_global` alone is not enough: 3.11 says True for multicast, and for 6to4 and NAT64 forms of 127.0.0.1.
    if address.version == 4:
        special = any(address in network for network in _SPECIAL_IPV4)
        return address.is_global and not address.is_multicast and not address.is_reserved and not special
    special = any(address in network for network in _SPECIAL_IPV6)
    return address.is_global and address in _GLOBAL_IPV6 and not special


def _literal(host: str) -> IpAddress | None:
    """Return an address that is written in its one usual form; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(problem, remedy=remedy, field="url")
