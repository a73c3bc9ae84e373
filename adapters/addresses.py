"""To which addresses the hub may connect, when somebody outside names the host (server-side request forgery, SSRF).

Whoever registers a webhook chooses where the hub connects to. Without a guard he could make it talk to what only the
hub can reach: its own machine, the database beside it, the metadata service of a cloud. So only addresses of the
open network count, and those of the private networks that the operator named, because banks are often reached over
dedicated lines.
"""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local: metadata of most clouds
        "100.100.100.200/32",  # metadata, Alibaba Cloud
        "168.63.129.16/32",  # the platform of Azure, in the open range
        "192.0.0.0/24",  # protocol assignments; metadata, Oracle Cloud
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::/32",  # metadata, AWS
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "2001::/32",  # Teredo: leads to an IPv4 address that cannot be seen
    )
)
"""not even if the operator's networks include them"""

_EMBEDS_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
_LOCAL_TRANSLATION = ipaddress.ip_network("64:ff9b:1::/48")


def may_connect(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address of the open network, or of one of ``networks``. An IPv6 address that stands for an IPv4
    address is judged as that one."""
    meant = _meant(address)
    if any(meant in network for network in NEVER):
        return False
    if any(meant in network for network in networks):
        return True
    return meant.is_global and meant not in _LOCAL_TRANSLATION


def _meant(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in _EMBEDS_IPV4) and int(address) > 1:  # :: and ::1 are themselves
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
