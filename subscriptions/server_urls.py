"""URLs of servers: where one is and how to speak to it, or in words what is wrong with the URL.

Pure: nothing is connected to. No message shows a URL, which may hold a password.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

REDIS_EXPECTS: Final = (
    "redis://[user:password@]host:6379/0, rediss://… with TLS, unix:///path/to/socket?db=0, or "
    "sentinel://[user:password@]host:26379,host:26379/0?master=name"
)
AMQP_EXPECTS: Final = "amqp://user:password@host:5672/vhost, or amqps://… with TLS"
REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
"""What a URL's query may say of TLS, by the names that redis-py has for it."""
_SENTINEL_OPTIONS: Final = ("master", "sentinel_username", "sentinel_password")
_REDIS_SCHEMES: Final = {
    "redis": ("db",),
    "rediss": ("db", *TLS_OPTIONS),
    "unix": ("db",),
    "sentinel": _SENTINEL_OPTIONS,
    "sentinels": (*_SENTINEL_OPTIONS, *TLS_OPTIONS),
}
"""Schemes of Redis, and what the query of each may hold."""
_AMQP_SCHEMES: Final = {"amqp": (), "amqps": TLS_OPTIONS}


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis or Valkey, as its URL says.

    Attributes:
        hosts: Host and port; of the sentinels where `master` is set. Empty where `path` is.
        path: Of a Unix socket.
        master: The name under which sentinels know it.
        sentinel: Credentials for the sentinels, by redis-py's names.
        tls: Options of TLS, by redis-py's names; None without TLS.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    master: str = ""
    sentinel: Mapping[str, str] = field(default_factory=dict)
    tls: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AmqpServer:
    """A RabbitMQ, or the nodes of a cluster. `url`: without its query; `tls`: options by redis-py's names, or None."""

    url: str
    tls: Mapping[str, Any] | None = None


def redis_server(url: str) -> RedisServer:
    """Read REDIS_URL. Raises ValueError with what is wrong."""
    parts = _split(url)
    if "cluster" in parts.scheme:
        raise ValueError(
            "Redis Cluster is not supported: scripts take keys of several slots together. "
            "Name a single server, or sentinels"
        )
    query = _query(parts, _REDIS_SCHEMES, REDIS_EXPECTS)
    userinfo, _, netloc = parts.netloc.rpartition("@")
    username, _, password = map(unquote, userinfo.partition(":"))
    tls = _tls(query) if parts.scheme in {"rediss", "sentinels"} else None
    given: dict[str, Any] = {"username": username, "password": password, "tls": tls}
    if parts.scheme == "unix":
        if netloc or not parts.path.startswith("/"):
            raise ValueError("the path of a Unix socket begins with a third slash")
        return RedisServer(path=unquote(parts.path), database=_database(query.get("db", "")), **given)
    in_path = parts.path.strip("/")
    if in_path and "db" in query:
        raise ValueError("it names the database twice, in the path and as db")
    database = _database(in_path or query.get("db", ""))
    if not parts.scheme.startswith("sentinel"):
        hosts = (_host(netloc, REDIS_PORT),)
        return RedisServer(hosts=hosts, database=database, **given)
    if not query.get("master"):
        raise ValueError("it names no master: add ?master= and the name that the sentinels know it by")
    return RedisServer(
        hosts=tuple(_host(one, SENTINEL_PORT) for one in netloc.split(",")),
        database=database,
        master=query["master"],
        sentinel={name.removeprefix("sentinel_"): query[name] for name in _SENTINEL_OPTIONS[1:] if query.get(name)},
        **given,
    )


def amqp_server(url: str) -> AmqpServer:
    """Read the URL of a RabbitMQ; several nodes are separated by semicolons. Raises ValueError with what is wrong."""
    tls: list[Mapping[str, Any] | None] = []
    urls = []
    for one in url.split(";"):
        parts = _split(one)
        query = _query(parts, _AMQP_SCHEMES, AMQP_EXPECTS)
        _host(parts.netloc.rpartition("@")[2], 0)
        tls.append(_tls(query) if parts.scheme == "amqps" else None)
        urls.append(parts._replace(query="").geturl())
    if any(each != tls[0] for each in tls):
        raise ValueError("its nodes differ in what they say of TLS")
    return AmqpServer(";".join(urls), tls[0])


def is_amqp(url: str) -> bool:
    """Tell whether a broker's URL is a RabbitMQ's."""
    return url.partition(":")[0] in _AMQP_SCHEMES


def redis_url(value: Any) -> str:
    """Return REDIS_URL. Raises TypeError, or ValueError with what is wrong."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    if value:
        redis_server(value)
    return value


def broker_url(value: str) -> str:
    """Return CELERY_BROKER_URL. Raises ValueError with what is wrong."""
    if is_amqp(value):
        amqp_server(value)
    elif value.partition(":")[0] in _REDIS_SCHEMES or "cluster" in value.partition(":")[0]:
        redis_server(value)
    else:
        raise ValueError(f"it begins with {_shown(value.partition(':')[0])}, and neither Redis nor RabbitMQ is meant")
    return value


def web_address(value: Any) -> str:
    """Return an address of web pages. Raises TypeError, or ValueError with what is wrong."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    parts = _split(value)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("it begins with neither https:// nor http://")
    if "@" in parts.netloc or parts.query:
        raise ValueError("it has more than host and path")
    _host(parts.netloc, 443)
    return value


def authorities(value: Any) -> str:
    """Return the path of a PEM file of certificates. Raises TypeError, or ValueError where they can't be loaded."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    if value:
        _loaded({"ssl_ca_certs": value})
    return value


def database_options(options: Mapping[str, Any], known: Collection[str]) -> None:
    """Look at the options of a PostgreSQL's URL. Raises ValueError for an unknown one or a file that can't be read."""
    for name, value in options.items():
        _known(name, known)
        if name in {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"} and value != "system":
            _readable(name, str(value))


def _split(url: str) -> SplitResult:
    if not url.isprintable() or " " in url:
        raise ValueError("it has a space or an unprintable character")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"it can't be read ({error})") from None
    if parts.fragment or url.endswith("#"):
        raise ValueError("it has a #: in a password, write %23")
    if "@" in parts.path and "@" not in parts.netloc:
        raise ValueError("its password has a slash: write %2F")
    return parts


def _query(parts: SplitResult, schemes: Mapping[str, tuple[str, ...]], expects: str) -> dict[str, str]:
    if parts.scheme not in schemes:
        raise ValueError(f"it begins with {_shown(parts.scheme)}; known are {', '.join(schemes)}")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in pairs:
        _known(name, schemes[parts.scheme])
        if not value:
            raise ValueError(f"its option {name} is empty")
    if len(dict(pairs)) != len(pairs):
        raise ValueError("it gives an option twice")
    return dict(pairs)


def _known(name: str, known: Collection[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}" if known else ""
        raise ValueError(f"it has an option {_shown(name)} that is unknown{meant if len(meant) < 200 else ''}")


def _shown(text: str) -> str:
    """Return a scheme or an option's name as it may be shown; anything longer may be a part of a password."""
    return repr(text) if len(text) <= 20 else "something else"


def _host(netloc: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{netloc}")
        given = parts.port
    except ValueError:
        raise ValueError("a port is no number from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.path or given == 0:
        raise ValueError("a port is no number from 1 to 65535")
    return unquote(parts.hostname), given or port


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("the database is a number from 0")
    return int(text or 0)


def _tls(query: Mapping[str, str]) -> dict[str, Any]:
    """Return options of TLS. Certificates are verified unless ssl_cert_reqs=none says otherwise."""
    wanted = query.get("ssl_cert_reqs", "required")
    if wanted not in {"required", "none"}:
        raise ValueError("ssl_cert_reqs is either required or none")
    options: dict[str, Any] = {name: query[name] for name in TLS_OPTIONS[:3] if name in query}
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("ssl_keyfile goes with ssl_certfile")
    _loaded(options)
    return options | {"ssl_cert_reqs": wanted, "ssl_check_hostname": wanted == "required"}


def _loaded(options: Mapping[str, str]) -> None:
    """Load certificates once, to see that they can be. Raises ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, path in options.items():
        _readable(name, path)
    try:
        if "ssl_ca_certs" in options:
            context.load_verify_locations(options["ssl_ca_certs"])
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), password="")
    except (OSError, ValueError) as error:
        raise ValueError(f"the certificates can't be used ({error})") from None


def _readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ValueError(f"{name}: {path} can't be read ({error.strerror})") from None
