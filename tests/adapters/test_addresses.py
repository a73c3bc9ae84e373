"""Where the hub may connect when a stranger names the host: the open network, and what the operator named."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.addresses import may_connect

LINES = (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd12:3456::/32"))


@pytest.mark.parametrize("address", ["1.1.1.1", "203.119.25.1", "2400:3200::1", "2606:4700:4700::1111"])
def test_the_open_network_may_be_reached(address: str) -> None:
    assert may_connect(ipaddress.ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.1.1.1",
        "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1",
        "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_whatever_is_inside_may_not_however_it_is_written(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["10.20.3.4", "::ffff:10.20.3.4", "fd12:3456::7"])
def test_dedicated_lines_that_the_operator_named_may_be_reached(address: str) -> None:
    assert may_connect(ipaddress.ip_address(address), LINES)


@pytest.mark.parametrize("address", ["10.21.0.1", "192.168.1.1", "127.0.0.1"])
def test_and_nothing_beside_them(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address), LINES)


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "fd00:ec2::254"])
def test_metadata_services_may_never_be_reached(address: str) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert not may_connect(ipaddress.ip_address(address), everything)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for clothes in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert may_connect(ipaddress.IPv6Address(clothes), ()) == may_connect(address, ())
