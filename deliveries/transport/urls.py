"""Reading a webhook's URL once, strictly, into the parts that are connected to.

Nothing downstream parses the URL again: requests, urllib3 and http.client are handed scheme, host, port and target
from here, so no two parsers can disagree about where a URL points. Whatever is ambiguous between parsers (userinfo,
backslashes, white space, short and octal IPv4 forms) is refused and the message names the fix.
"""

import re
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import NoReturn
from urllib.parse import quote

import idna

from .addresses import AddressPolicy, AddressRefused, IPAddress
from .lookups import AddrInfo
from .outcome import ErrorClass, Fault
from .resolver import Endpoint, Resolver, system_lookup

MAX_URL_LENGTH = 2048
"""Characters; also the longest URL that common proxies and browsers carry."""
MAX_HOST_LENGTH = 253  # RFC 1035 §2.3.4, without the root dot
CHECK_RESOLVE_SECONDS = 3.0
"""So long `check_url(resolve=True)` waits for a name."""
WAITING_MAX = 1
"""Callers of a process that wait for a name at a time: they are threads that serve others, too."""
QUEUE_SECONDS = 0.05
"""So long one more caller waits for its turn."""
SLOW_SECONDS = 1.0
"""A name that took so long is followed by as long without a wait, for those who need not know the answer."""
INTERNAL_SUFFIXES = frozenset(
    ("localhost", "local", "internal", "localdomain", "lan", "home", "corp", "intranet", "private", "svc", "home.arpa")
)
"""Last labels that never lead to a public receiver (RFC 6761, 6762, 8375, ICANN's `internal`, and common habit)."""

_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL).fullmatch
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:.*)?").fullmatch
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*").fullmatch  # WHATWG URL, "ends in a number"
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?").fullmatch
_DEFAULT_PORTS = {"http": 80, "https": 443}


_waiting = threading.Semaphore(WAITING_MAX)
_rest = SimpleNamespace(until=0.0)  # monotonic seconds


class UrlRefused(ValueError):
    """A URL that webhooks may not be sent to; the message says what is wrong and how to fix it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a checked URL points.

    Attributes:
        scheme: `http` or `https`.
        host: Lower-case ASCII name (IDNs in punycode) or IP address, without brackets.
        port: The port, the scheme's default filled in.
        path: Path and query as sent in the request line, ASCII.
        endpoint: Set when the host is an IP address: already vetted, nothing to resolve.
    """

    scheme: str
    host: str
    port: int
    path: str
    endpoint: Endpoint | None


def check_url(
    url: str,
    policy: AddressPolicy,
    *,
    resolve: bool = False,
    must_exist: bool = True,
    lookup: Callable[[str, int], Sequence[AddrInfo]] | None = None,
) -> None:
    """Check a webhook's URL before it is saved. The transport runs the same check again at each send.

    Args:
        url: The URL as the merchant gave it.
        policy: The installation's policy.
        resolve: Also look the name up (at most `CHECK_RESOLVE_SECONDS`) and vet its addresses. Names can change
            after saving, so this is a courtesy to the merchant; the check that protects us happens when connecting.
        must_exist: With `resolve`, also refuse a name that has no address, or none that could be found in time or
            while as many others wait as may.
        lookup: Replaces the system's resolver (`(host, port)` to `getaddrinfo` tuples).

    Raises:
        UrlRefused: With what is wrong and the fix.
    """
    target = read_url(url, policy)
    if resolve and target.endpoint is None:
        if lookup is None and not must_exist and time.monotonic() < _rest.until:
            return
        resolver = Resolver(lookup, threads=1) if lookup else _saving_resolver()
        try:
            _look_up(resolver, target, policy)
        except Fault as fault:
            if fault.error is not ErrorClass.ADDRESS_REFUSED and not must_exist:
                return
            fix = {
                ErrorClass.ADDRESS_REFUSED: "Give a receiver that is reachable from the internet.",
                ErrorClass.DNS_TIMEOUT: "Check the name's DNS servers and try again.",
            }.get(fault.error, "Check the spelling of the host name.")
            raise UrlRefused(f"{fault.detail} {fix}") from fault


def _look_up(resolver: Resolver, target: Target, policy: AddressPolicy) -> None:
    """Wait for a name on the caller's thread, as few callers at a time may: name servers that never answer are cheap.

    Raises Fault.
    """
    if not _waiting.acquire(timeout=QUEUE_SECONDS):
        raise Fault(ErrorClass.DNS_TIMEOUT, f"Other names are being looked up; there was no time for {target.host}.")
    began = time.monotonic()
    try:
        resolver.resolve(target.host, target.port, policy, CHECK_RESOLVE_SECONDS)
    finally:
        took = time.monotonic() - began
        if took >= SLOW_SECONDS and resolver is _saving_resolver():
            _rest.until = began + 2 * took  # requests of one merchant come one after the other, and each would wait
        _waiting.release()


@cache
def _saving_resolver() -> Resolver:
    """Return the resolver of whoever saves; one, since its threads live as long as the process."""
    return Resolver(system_lookup, threads=2)


def read_url(url: str, policy: AddressPolicy) -> Target:
    """Parse and check a URL without touching the network.

    Raises:
        UrlRefused: With what is wrong and the fix.
    """
    if len(url) > MAX_URL_LENGTH:
        raise UrlRefused(f"The URL has {len(url)} characters; at most {MAX_URL_LENGTH} are allowed.")
    _refuse_invisible_characters(url)
    match = _SPLIT(url)
    if match is None:
        raise UrlRefused("This is not an absolute URL; write it as https://your-host.example/path.")
    scheme, authority, path, query, fragment = match.groups()
    scheme = scheme.lower()
    if scheme != "https" and (policy.require_https or scheme != "http"):
        raise UrlRefused(f"The URL starts with {scheme}://; webhooks are only sent to https:// URLs.")
    if fragment is not None:
        raise UrlRefused("The URL has a fragment (the part from '#' on), which is never sent; remove it.")
    if "@" in authority:
        raise UrlRefused("The URL holds a user name or password before '@'; remove it and use a header instead.")
    parts = _AUTHORITY(authority)
    if parts is None or (parts[2] or "").count(":") > 1:
        raise UrlRefused(
            "The host is malformed; write a host name such as hooks.example.com (an IPv6 address goes in brackets)."
        )
    port = _read_port(parts[2], scheme, policy)
    host, address = _read_host(parts[1], policy)
    endpoint = None if address is None else _vet_literal(address, port, policy)
    target = quote(path or "/", safe="/:@!$&'()*+,;=~-._%") + quote(query or "", safe="?/:@!$&'()*+,;=~-._%")
    return Target(scheme, host, port, target, endpoint)


def _refuse_invisible_characters(url: str) -> None:
    for position, character in enumerate(url):
        if character == "\\":
            raise UrlRefused(f"The URL has a backslash at position {position + 1}; URLs use '/'.")
        if (
            character <= " "
            or character == "\x7f"
            or (character > "\x7f" and unicodedata.category(character)[0] in "CZ")
        ):
            raise UrlRefused(
                f"The URL has a space, control or invisible character (U+{ord(character):04X}) at position "
                f"{position + 1}; remove it, or percent-encode it if it belongs to the path."
            )


def _read_port(text: str | None, scheme: str, policy: AddressPolicy) -> int:
    if text is None:
        port = _DEFAULT_PORTS[scheme]
    else:
        digits = text[1:]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
            raise UrlRefused("The port after ':' must be a number from 1 to 65535.")
        port = int(digits)
    if policy.allowed_ports is not None and port not in policy.allowed_ports:
        allowed = ", ".join(str(number) for number in sorted(policy.allowed_ports))
        raise UrlRefused(f"Port {port} is not allowed; use one of: {allowed}.")
    return port


def _read_host(text: str, policy: AddressPolicy) -> tuple[str, IPAddress | None]:
    if not text:
        raise UrlRefused("The URL has no host; write it as https://your-host.example/path.")
    if "%" in text:
        raise UrlRefused("The host holds '%'; write the host name without percent-encoding or zone.")
    if text.startswith("["):
        try:
            ipv6 = IPv6Address(text[1:-1])
        except ValueError:
            raise UrlRefused("The host in brackets is not an IPv6 address.") from None
        return str(ipv6), ipv6
    host = text.lower() if text.isascii() else _to_punycode(text)
    if host.endswith("."):
        raise UrlRefused("The host name ends with a dot; remove it.")
    labels = host.split(".")
    if _NUMERIC_LABEL(labels[-1]):
        try:
            ipv4 = IPv4Address(host)
        except ValueError:
            raise UrlRefused(
                "The host is an IPv4 address in a short, octal, hexadecimal or single-number form; "
                "write four decimal numbers such as 198.51.100.7, or better a host name."
            ) from None
        return str(ipv4), ipv4
    _check_name(host, labels, policy)
    return host, None


def _check_name(host: str, labels: list[str], policy: AddressPolicy) -> None:
    if len(host) > MAX_HOST_LENGTH or not all(map(_LABEL, labels)):
        raise UrlRefused(
            "The host name is malformed: its parts between dots take letters, digits and hyphens, at most 63 each "
            f"and {MAX_HOST_LENGTH} in all."
        )
    if any(label.startswith("xn--") for label in labels):
        _check_punycode(host)
    if policy.names_decided_by_address:
        return
    if len(labels) == 1 or labels[-1] in INTERNAL_SUFFIXES or ".".join(labels[-2:]) in INTERNAL_SUFFIXES:
        raise UrlRefused(
            f"{host} is a name of an internal network; give a receiver that is reachable from the internet."
        )


def _to_punycode(text: str) -> str:
    """Encode by IDNA 2008 without mapping, so that full-width or circled look-alikes of ASCII stay refused."""
    if not text.isprintable() or any(dot in text for dot in "\u3002\uff0e\uff61"):
        _refuse_idn()
    try:
        return idna.encode(text.lower(), std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        _refuse_idn()


def _check_punycode(host: str) -> None:
    try:
        idna.decode(host)
    except (idna.IDNAError, UnicodeError):
        _refuse_idn()


def _refuse_idn() -> NoReturn:
    raise UrlRefused(
        "The host name holds characters that are not allowed in internationalised names (IDNA 2008); "
        "write it in plain letters or in its xn-- form."
    )


def _vet_literal(address: IPAddress, port: int, policy: AddressPolicy) -> Endpoint:
    try:
        policy.check_address(address)
    except AddressRefused as refused:
        raise UrlRefused(f"{refused}; give a receiver that is reachable from the internet.") from refused
    if isinstance(address, IPv4Address):
        return Endpoint(socket.AF_INET, (str(address), port), address)
    return Endpoint(socket.AF_INET6, (str(address), port, 0, 0), address)
