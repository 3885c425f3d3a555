"""URLs of servers: what each says, and what is wrong with those that make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from subscriptions import server_urls
from subscriptions.server_urls import AmqpServer, RedisServer
from tests.support.authority import Authority

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}

GOOD = [
    ("redis://127.0.0.1", RedisServer((("127.0.0.1", 6379),))),
    ("redis://cache.example:1234/7", RedisServer((("cache.example", 1234),), database=7)),
    ("redis://cache.example?db=7", RedisServer((("cache.example", 6379),), database=7)),
    ("redis://[::1]:6379/0", RedisServer((("::1", 6379),))),
    ("redis://:p%40s%2Fs@h/0", RedisServer((("h", 6379),), password="p@s/s")),
    ("redis://me:secret@h/0", RedisServer((("h", 6379),), username="me", password="secret")),
    ("rediss://h", RedisServer((("h", 6379),), tls=VERIFIED)),
    (
        "rediss://h?ssl_cert_reqs=none",
        RedisServer((("h", 6379),), tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
    ),
    ("unix:///run/valkey.sock?db=2", RedisServer(path="/run/valkey.sock", database=2)),
    ("unix://me:secret@/run/v.sock", RedisServer(path="/run/v.sock", username="me", password="secret")),
    ("sentinel://a,b:1,[::1]:2/3?master=m", RedisServer((("a", 26379), ("b", 1), ("::1", 2)), database=3, master="m")),
    (
        "sentinels://me:x@a?master=m&sentinel_username=s&sentinel_password=p",
        RedisServer(
            (("a", 26379),),
            username="me",
            password="x",
            master="m",
            sentinel={"username": "s", "password": "p"},
            tls=VERIFIED,
        ),
    ),
]

BAD_REDIS = [
    ("127.0.0.1:6379", "begins with"),
    ("redi://h", "begins with 'redi'"),
    ("http://h", "begins with 'http'"),
    ("redis+cluster://h", "Cluster is not supported"),
    ("rediss+cluster://h", "Cluster is not supported"),
    ("redis://", "names no host"),
    ("redis:///0", "names no host"),
    ("redis://:secret@/0", "names no host"),
    ("redis://h:port/0", "port"),
    ("redis://h:70000/0", "port"),
    ("redis://h:0/0", "port"),
    ("redis://h/zero", "database is a number"),
    ("redis://h/-1", "database is a number"),
    ("redis://h/1?db=2", "twice"),
    ("redis://h?db=", "db is empty"),
    ("redis://h?databse=2", "'databse'"),
    ("redis://h?ssl_ca_certs=/x", "unknown"),
    ("redis://:sec#ret@h/0", "%23"),
    ("redis://:sec/ret@h/0", "%2F"),
    ("redis://h /0", "space"),
    ("redis://[::1/0", "read"),
    ("rediss://h?ssl_ca=/x", "did you mean ssl_ca"),
    ("rediss://h?ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem can't be read"),
    ("rediss://h?ssl_keyfile=/x", "goes with ssl_certfile"),
    ("rediss://h?ssl_cert_reqs=optional", "required or none"),
    ("unix://run/valkey.sock", "third slash"),
    ("unix://", "third slash"),
    ("sentinel://a:26379/0", "?master="),
    ("sentinel://a:26379/0?master=", "master is empty"),
    ("sentinel://a,,b/0?master=m", "names no host"),
    ("sentinel://a:x,b/0?master=m", "port"),
    ("sentinel://a?master=m&master=n", "twice"),
]

BAD_BROKERS = [
    *BAD_REDIS[2:],
    ("kafka://h", "begins with 'kafka'"),
    ("sqs://", "begins with 'sqs'"),
    ("amqp://", "names no host"),
    ("amqp://guest:guest@h:x//", "port"),
    ("amqp://h?heartbeat=3", "unknown"),
    ("amqp://a;amqp://", "names no host"),
    ("amqp://a;redis://b", "begins with 'redis'"),
    ("amqp://a;amqps://b", "differ"),
    ("amqps://h?ssl_ca_certs=/nowhere", "can't be read"),
]


@pytest.mark.parametrize(("url", "server"), GOOD)
def test_a_redis_is_read_from_its_url(url: str, server: RedisServer) -> None:
    assert server_urls.redis_server(url) == server
    assert server_urls.redis_url(url) == server_urls.broker_url(url) == url


@pytest.mark.parametrize(("url", "word"), BAD_REDIS)
def test_a_url_that_is_no_rediss_is_refused_with_what_is_wrong(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]") as refused:
        server_urls.redis_url(url)
    assert word in str(refused.value)
    assert "sec" not in str(refused.value), "a part of the password is shown"


@pytest.mark.parametrize(("url", "word"), BAD_BROKERS)
def test_a_url_that_is_no_brokers_is_refused_with_what_is_wrong(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-zA-Z]") as refused:
        server_urls.broker_url(url)
    assert word in str(refused.value)


def test_a_rabbitmq_is_read_from_its_url() -> None:
    assert server_urls.amqp_server("amqp://me:x@h:5672//") == AmqpServer("amqp://me:x@h:5672//")
    assert server_urls.amqp_server("amqps://h/v?ssl_cert_reqs=required") == AmqpServer("amqps://h/v", VERIFIED)
    assert server_urls.broker_url("amqp://a/v;amqp://b/v") == "amqp://a/v;amqp://b/v"


def test_certificates_are_loaded_when_the_url_is_read(tmp_path: Path) -> None:
    authority, text = Authority(tmp_path), tmp_path / "no.pem"
    text.write_text("nothing")
    tls = server_urls.redis_server(f"rediss://h?ssl_ca_certs={authority.ca_file}").tls
    assert tls == VERIFIED | {"ssl_ca_certs": authority.ca_file}
    with pytest.raises(ValueError, match="certificates can't be used"):
        server_urls.redis_server(f"rediss://h?ssl_ca_certs={text}")


@pytest.mark.parametrize("address", ["https://hooks.example.com", "http://localhost:8000", "https://h.example/hooks"])
def test_an_address_of_web_pages_is_taken(address: str) -> None:
    assert server_urls.web_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["hooks.example.com", "ftp://h", "https://", "https://h:x", "https://u:p@h", "https://h?a=1", "https://h#a"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|a port)"):
        server_urls.web_address(address)


def test_a_file_of_authorities_is_loaded_when_it_is_named(tmp_path: Path) -> None:
    assert server_urls.authorities("") == ""
    assert server_urls.authorities(Authority(tmp_path).ca_file) == str(tmp_path / "ca.pem")
    (tmp_path / "no.pem").write_text("nothing")
    for path in ("/nowhere/ca.pem", str(tmp_path), str(tmp_path / "no.pem")):
        with pytest.raises(ValueError, match=r"can't be (read|used)"):
            server_urls.authorities(path)
