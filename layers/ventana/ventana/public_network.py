"""Connections that only ever reach the public internet, for addresses that somebody else has chosen.

A name is resolved once, every address that it has is looked at, and the connection goes to one of those: a name that
means something else a moment later leads nowhere else.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

from urllib3 import HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from ventana.errors import Unacceptable

GLOBAL_UNICAST = IPv6Network("2000::/3")
TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))  # Teredo and 6to4 lead on to an address inside
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, shared or reserved."""
    address = ip_address(text.partition("%")[0])
    if not isinstance(address, IPv4Address):
        if address in NAT64:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        elif address not in GLOBAL_UNICAST or any(address in tunnel for tunnel in TUNNELS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class PublicConnection(HTTPSConnection):
    """HTTPS to a public address. Raises Unacceptable for a name that has any other."""

    def _new_conn(self) -> socket.socket:
        timeout = Timeout.resolve_default_timeout(self.timeout)
        failure: OSError | None = None
        for family, address in self._resolved():
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(timeout)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise NewConnectionError(self, "no address answered") from failure

    def _resolved(self) -> list[tuple[int, Any]]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        if not all(is_public(str(address[0])) for *_, address in found):
            raise Unacceptable("the file's host has an address that is not public")
        return [(family, address) for family, _, _, _, address in found]


class PublicPool(HTTPSConnectionPool):
    """A pool of such connections."""

    ConnectionCls = PublicConnection


class PublicPoolManager(PoolManager):
    """A pool manager that knows nothing but such pools: plain HTTP is no scheme to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"https": PublicPool}
