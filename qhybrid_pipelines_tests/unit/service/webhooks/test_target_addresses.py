"""Nothing is sent behind the service's own walls, by whichever spelling an address comes."""

from __future__ import annotations

import ipaddress

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.webhooks.target_addresses import may_connect, own_addresses, parse_target

PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:830::200e")
INSIDE = (
    # this machine, and whatever is not given out
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::", "255.255.255.255", "240.0.0.1", "224.0.0.1", "ff02::1"),
    # networks of one's own, carriers', link-local with the metadata of clouds, benchmarking, documentation
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "198.18.0.1", "192.0.2.1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "2001:db8::1", "3fff::1", "100::1"),
    # the platform of Azure, Oracle's metadata, Alibaba's
    *("168.63.129.16", "192.0.0.192", "100.100.100.200"),
    # IPv4 in IPv6: mapped, compatible, translated (NAT64, both prefixes), 6to4 and its relays, Teredo
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::", "192.88.99.1", "2001:0:53aa:64c:0:0:80ff:fffe"),
)
NOTHING: frozenset = frozenset()


@pytest.mark.parametrize("text", INSIDE)
def test_no_connection_is_made_to_an_address_inside(text):
    address = ipaddress.ip_address(text)
    assert not may_connect(address, loopback=False, own=lambda: NOTHING)
    if address not in map(ipaddress.ip_address, ("127.0.0.1", "127.8.8.8", "::1")):
        assert not may_connect(address, loopback=True, own=lambda: NOTHING)


@pytest.mark.parametrize("text", PUBLIC)
def test_connections_are_made_to_the_internet_but_not_to_this_machines_own_address(text):
    address = ipaddress.ip_address(text)
    assert may_connect(address, loopback=False, own=lambda: NOTHING)
    assert not may_connect(address, loopback=False, own=lambda: frozenset({address}))


def test_loopback_is_a_setting_and_this_machines_addresses_are_known():
    assert may_connect(ipaddress.ip_address("127.0.0.1"), loopback=True)
    assert ipaddress.ip_address("127.0.0.1") in own_addresses()


@pytest.mark.parametrize(
    ("url", "port", "path"),
    [
        ("https://hooks.example.org/in?of=1", 443, "/in?of=1"),
        ("https://hooks.example.org:8443", 8443, "/"),
        ("HTTPS://Hooks.Example.ORG/In", 443, "/In"),
        ("https://8.8.8.8/", 443, "/"),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]/", 443, "/"),
        ("https://xn--bcher-kva.example/", 443, "/"),
    ],
)
def test_addresses_of_https_are_taken(url, port, path):
    target = parse_target(url, loopback=False)
    assert (target.scheme, target.port, target.path) == ("https", port, path)
    assert target.host == target.host.lower()


@pytest.mark.parametrize(
    "url",
    [
        # other ways than HTTPS
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "//example.org/",
        "example.org",
        "",
        "https://",
        "https:///path",
        # what is not sent, or is read in two ways
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org/#fragment",
        "https://example.org#@127.0.0.1/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/ HTTP/1.1\r\nHost: internal",
        "https://example.org\t/",
        "https://exa mple.org/",
        # ports of other services
        "https://example.org:22/",
        "https://example.org:6379/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        # this machine and numbers in all their spellings
        "https://localhost/",
        "https://LOCALHOST/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.0x1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        # letters that another program may read as others
        "https://\u24d4xample.org/",
        "https://127\u30020\u30020\u30021/",
        "https://%31%32%37.0.0.1/",
        "https://example..org/",
        "https://-example.org/",
        "https://" + "a" * 64 + ".org/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_other_addresses_are_refused_with_a_remedy(url):
    with pytest.raises(InvalidInput) as caught:
        parse_target(url, loopback=False)
    assert caught.value.field == "url"
    assert caught.value.remedy


def test_receivers_on_this_machine_are_a_setting():
    assert parse_target("http://127.0.0.1:8123/x", loopback=True).port == 8123
    assert parse_target("http://localhost:8123/x", loopback=True).host == "localhost"
    assert parse_target("http://[::1]:8123/x", loopback=True).host == "::1"
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "http://example.org/", "gopher://localhost/"):
        with pytest.raises(InvalidInput):
            parse_target(url, loopback=True)
