"""Which addresses are the public internet: by our own list, whatever this Python thinks."""

import pytest

from playhead.tools.builtin.address_guard import is_public

OPEN = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.215.14", "100.63.255.255",
    "100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
    "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.114.0", "223.255.255.255",
    "::ffff:8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2400:cb00::1",
    "2606:4700:4700::1111", "2620:fe::fe", "2a00:1450:4001::1", "2c0f:fb50::1",
)  # fmt: skip
CLOSED = (
    # this network, private, shared, loopback, link-local, the metadata services of clouds
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
    "100.100.100.200", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254",
    "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "168.63.129.16",
    # protocols (the whole /24: 9 and 10 are anycast of the network one is in), documentation
    "192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.192",
    "192.0.0.255", "192.0.2.1", "192.88.99.1", "198.18.0.0", "198.19.255.255", "198.51.100.1",
    "203.0.113.1",
    # multicast, reserved, broadcast
    "224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255",
    # IPv6: unspecified, loopback, an IPv4 address inside (mapped, compatible, SIIT, NAT64, 6to4)
    "::", "::1", "::ffff:127.0.0.1", "::ffff:192.0.0.8", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::",
    "2001:0:7f00:1::", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1",
    # IPv6: discard, benchmark, ORCHID, documentation, SRv6, local, site-local, multicast
    "100::1", "100:0:0:1::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1",
    "3ffe::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "2606:4700:4700::1111%eth0",
    # IPv6: reserved, and open to some versions of Python
    "1::1", "200::1", "400::1", "800::1", "1000::1", "4000::1", "6000::1", "8000::1", "a000::1",
    "c000::1", "e000::1", "f000::1", "f800::1", "fe00::1",
    # no address at all
    "", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5", "08.8.8.8",
)  # fmt: skip


def test_the_table_has_eighty_rows_and_none_twice() -> None:
    assert len({*OPEN, *CLOSED}) == len(OPEN) + len(CLOSED) >= 80


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_may_be_asked(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_any_other_address_may_not(address: str) -> None:
    assert not is_public(address)
