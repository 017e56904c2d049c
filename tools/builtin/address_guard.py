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

CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        # Public by its number, but a cloud's own service to its machines.
        "168.63.129.16/32",
        # What holds an IPv4 address inside: NAT64, 6to4, Teredo, IPv4-compatible; and site-local.
        "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10",
        "192.88.99.0/24",
    )
)  # fmt: skip

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
    number = _literal(address)
    mapped = getattr(number, "ipv4_mapped", None)
    number = mapped if mapped is not None else number
    closed = (
        number is None
        or not number.is_global
        or number.is_multicast
        or any(number in network for network in CLOSED)
    )
    if closed:
        where = host if host == address else f"{host} ({address})"
        msg = f"{where} is not on the public internet, and may not be asked"
        raise ToolError(msg, hint=HINT)
