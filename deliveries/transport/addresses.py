"""Which addresses and ports a webhook may reach: pure, no I/O.

The table is ssrfguard's transcription of IANA's special-purpose registries, made stricter: a webhook receiver lives
on an ordinary public address, so every special-purpose block is refused, those IANA calls reachable included (PCP
anycast is the local NAT box, NAT64, 6to4 and Teredo carry an IPv4 address that we can't always decode). Only the two
plain notations of an IPv4 address inside IPv6 are decoded and decided by what they hold.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Reach

IPAddress = IPv4Address | IPv6Address

_DECODED = {ip_network("::ffff:0:0/96"), ip_network("::/96")}
_EXTRA = (
    ("168.63.129.16/32", "Azure platform address (WireServer)", "Azure documentation", Reach.DENIED),
    ("161.26.0.0/16", "IBM Cloud service network", "IBM Cloud documentation", Reach.DENIED),
    ("166.8.0.0/14", "IBM Cloud service network", "IBM Cloud documentation", Reach.DENIED),
    # Of IPv6 only 2000::/3 is handed out as global unicast; the rest is reserved, so refused as a whole.
    ("::/0", "Reserved by the IETF", "RFC 4291 §2.4", Reach.DENIED),
    ("2000::/3", "Global Unicast", "RFC 4291 §2.4", Reach.PERMITTED),
)

TABLE = AddressTable(
    (
        *(b if b.network in _DECODED else replace(b, reach=Reach.DENIED) for b in DEFAULT_DENIED.blocks),
        *(Block(network=ip_network(net), name=name, rfc=source, reach=reach) for net, name, source, reach in _EXTRA),
    )
)


class AddressRefused(ValueError):
    """An address that webhooks may not be sent to.

    Attributes:
        address: The refused address as text.
        reason: Why, naming the block and the document that reserves it.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} is not a public address: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True)
class AddressPolicy:
    """What this installation may send to. Immutable; the defaults are production's.

    Args:
        require_https: Refuse `http://` URLs.
        allowed_networks: CIDR networks permitted although the table refuses them, e.g. `["127.0.0.0/8"]` in
            development. Once any is given, internal names such as `localhost` are decided by their addresses.
        allowed_ports: The only ports a URL may name; None permits all.

    Raises:
        ValueError: A network or port that isn't one.
    """

    require_https: bool = True
    allowed_networks: Sequence[str] = ()
    allowed_ports: Collection[int] | None = None
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.allowed_networks, str):
            raise ValueError("allowed_networks must be a list of networks, such as ['127.0.0.0/8'], not one string")
        for port in self.allowed_ports or ():
            if not 1 <= port <= 65535:
                raise ValueError(f"allowed_ports: {port} is not a port; ports go from 1 to 65535")
        try:
            networks = tuple(ip_network(text) for text in self.allowed_networks)
        except ValueError as error:
            raise ValueError(f"allowed_networks: {error}; write networks such as 127.0.0.0/8 or ::1/128") from error
        object.__setattr__(self, "_networks", networks)
        object.__setattr__(self, "allowed_networks", tuple(self.allowed_networks))
        if self.allowed_ports is not None:
            object.__setattr__(self, "allowed_ports", frozenset(self.allowed_ports))

    @property
    def names_decided_by_address(self) -> bool:
        """Whether internal names (`localhost`, single labels) are let through to the address check."""
        return bool(self._networks)

    def check_address(self, address: str | IPAddress) -> None:
        """Return when a webhook may be sent to this address.

        Args:
            address: An IP address, as text or parsed; never a name.

        Raises:
            AddressRefused: The address lies in a refused block.
            ValueError: Text that is no IP address.
        """
        parsed = ip_address(address)
        plain = parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed
        if any(plain.version == network.version and plain in network for network in self._networks):
            return
        if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
            raise AddressRefused(str(parsed), "it is bound to a network interface of this host")
        verdict = TABLE.classify(parsed)
        if verdict.blocked:
            raise AddressRefused(str(parsed), verdict.reason)
