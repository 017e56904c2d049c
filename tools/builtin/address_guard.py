"""Which addresses of the web may be asked: public ones, checked after resolution.

The address that was checked is the one that is connected to, so a name that resolves to something
else a moment later gains nothing. Redirects come through here again, one by one.
"""

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, TypeAlias
from urllib.parse import urlsplit

from playhead.events.errors import ToolError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses. Raises OSError."""

PORTS = {"http": 80, "https": 443}

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

CLOSED_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16",
        "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15",
        "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # Public by its number, but a cloud's own service to its machines.
        "168.63.129.16/32",
    )
)  # fmt: skip
"""The special-purpose registry of IANA: our own list, not the one of this Python's version."""

OPEN_6 = ipaddress.IPv6Network("2000::/3")
"""All that is routed; the rest is reserved, local, or holds an IPv4 address (NAT64, SIIT)."""

CLOSED_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        # Protocols (Teredo, ORCHID, benchmarks), documentation, 6to4, what the 6bone gave back.
        "2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16", "3ffe::/16",
    )
)  # fmt: skip

ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface id whose lower half is an IPv4 address."""

HINT = "Only public http and https addresses can be fetched. Try another page."


class ResolvedAddress(NamedTuple):
    """Where to connect to, and what to ask there."""

    scheme: str
    host: str
    port: int
    address: str
    """As checked: connect to this, not to the name."""
    target: str
    """Path and query."""


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Says which URLs may be asked."""

    allow: Collection[str] = ()
    """`host:port` that may be asked wherever they lead: for servers of one's own."""
    ports: Collection[int] = (80, 443)
    resolve: Resolve | None = None
    """None for the system's resolver."""

    def place(self, url: str) -> ResolvedAddress:
        """Where the URL leads. Raises ToolError where nobody may go, or nothing is."""
        scheme, host, port, target = _taken_apart(url)
        own = f"{host}:{port}" in self.allow
        if not own and port not in self.ports:
            msg = f"port {port} of {host} may not be asked"
            raise ToolError(msg, hint=HINT)
        found = self._addresses(host, port)
        if not own:
            for address in found:
                _check_public(host, address)
        return ResolvedAddress(scheme, host, port, found[0], target)

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = [host] if _literal(host) else list((self.resolve or _system)(host, port))
        except (OSError, UnicodeError) as error:
            msg = f"there is no host {host[:100]}"
            raise ToolError(msg, hint="Check the spelling of the address.") from error
        if not found:
            msg = f"there is no host {host[:100]}"
            raise ToolError(msg, hint="Check the spelling of the address.")
        return found


def _system(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _taken_apart(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, path with query. Raises ToolError."""
    if any(ord(c) <= 32 or c in "\\\x7f" for c in url.strip()):
        _bad("it holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        _bad(str(error))
    if parts.scheme not in PORTS:
        msg = f"{parts.scheme or 'no scheme'}: only http and https can be fetched"
        raise ToolError(msg, hint='Write the whole address, such as "https://example.com/page".')
    if parts.username is not None or parts.password is not None:
        _bad("it holds a user name or password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        _bad("its path holds characters that must be written as %XX")
    host = _host(parts.hostname or "")
    return parts.scheme, host, PORTS[parts.scheme] if port is None else port, target


def _bad(why: str) -> NoReturn:
    msg = f"that is no proper address: {why}"
    raise ToolError(msg, hint=HINT)


def _host(given: str) -> str:
    """A host name in ASCII, or an address in its one usual form."""
    host = unicodedata.normalize("NFKC", given).rstrip(".").lower()
    if _literal(host):
        return host
    if not host or "%" in host or ":" in host:
        _bad("its host cannot be read")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            _bad("its host cannot be read")
    labels = host.split(".")
    if re.fullmatch(r"0x[0-9a-f]*|[0-9]+", labels[-1]):
        _bad("numbers as a host are an IPv4 address of four decimal numbers, nothing else")
    if not all(LABEL.fullmatch(label) for label in labels):
        _bad("its host is no name that there can be")
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_public(host: str, address: str) -> None:
    if not is_public(address):
        where = host if host == address else f"{host} ({address})"
        msg = f"{where} is not on the public internet, and may not be asked"
        raise ToolError(msg, hint=HINT)


def is_public(address: str) -> bool:
    """Whether an address leads to the public internet, and to one machine there."""
    number = _literal(address)
    if isinstance(number, ipaddress.IPv6Address):
        if number.ipv4_mapped is None:
            return _is_public_6(number)
        number = number.ipv4_mapped
    return number is not None and not any(number in network for network in CLOSED_4)


def _is_public_6(number: ipaddress.IPv6Address) -> bool:
    inside = int(number) >> 32 & 0xFFFFFFFF in ISATAP
    closed = inside or any(number in network for network in CLOSED_6)
    return number in OPEN_6 and number.scope_id is None and not closed
