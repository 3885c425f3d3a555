"""What `check_url` accepts and refuses at save time, and that every refusal names the fix."""

import threading

import pytest

from deliveries.transport import AddressPolicy, UrlRefused, check_url
from deliveries.transport.urls import MAX_URL_LENGTH, read_url
from tests.deliveries.transport.conftest import resolving_to

POLICY = AddressPolicy()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "HTTPS://Hooks.Example.COM:8443/a/b?x=1&y=%20",
        "https://example.com?x=1",
        "https://a_b.example.com/with-@-in/path",
        "https://93.184.216.34/hook",
        "https://[2606:4700::6810:84e5]/hook",
        "https://bücher.example/hook",
        "https://xn--bcher-kva.example/hook",
        "https://пример.рф/",
        "https://example.com/päth?q=ü",
        "https://hooks.zapier.com/hooks/catch/1/abc/",
        "https://1.example.com/",
        "https://0x7f.example/",
    ],
)
def test_ordinary_urls_are_accepted(url: str):
    check_url(url, POLICY)


def test_an_internationalised_name_is_connected_to_by_its_punycode():
    target = read_url("https://Bücher.Example/ä", POLICY)
    assert target.host == "xn--bcher-kva.example"
    assert target.path == "/%C3%A4"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/", "only sent to https"),
        ("ftp://example.com/", "only sent to https"),
        ("javascript://example.com/%0aalert(1)", "only sent to https"),
        ("file:///etc/passwd", "only sent to https"),
        ("example.com/hook", "absolute URL"),
        ("//example.com/hook", "absolute URL"),
        ("https:example.com", "absolute URL"),
        ("https:/example.com", "absolute URL"),
        ("", "absolute URL"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://:443/", "no host"),
        ("https://user:secret@example.com/", "user name"),
        ("https://user@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com#@evil.example/", "fragment"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https:\\\\example.com/", "backslash"),
        (" https://example.com/", "space"),
        ("https://example.com/a b", "space"),
        ("https://example.com/\r\nX-Evil: 1", "U+000D"),
        ("https://example.com/\x00", "U+0000"),
        ("https://exam\tple.com/", "U+0009"),
        ("https://example.com/\u200b", "U+200B"),
        ("https://example.com/\u202egpj.exe", "U+202E"),
        ("https://example.com/\xa0", "U+00A0"),
        ("https://example.com/\ud800", "U+D800"),
        ("https://example.com./", "ends with a dot"),
        ("https://example.com:/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:99999999/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:80a/", "port"),
        ("https://example.com:٤٤٣/", "port"),
        ("https://example.com:443:80/", "malformed"),
        ("https://exa%6dple.com/", "'%'"),
        ("https://[::1%25eth0]/", "'%'"),
        ("https://[::g]/", "not an IPv6 address"),
        ("https://[127.0.0.1]/", "not an IPv6 address"),
        ("https://::1/", "brackets"),
        ("https://a[::1]/", "malformed"),
        ("https://exa..mple.com/", "malformed"),
        ("https://.example.com/", "malformed"),
        ("https://-a.example.com/", "malformed"),
        ("https://exa$mple.com/", "malformed"),
        ("https://" + "a" * 64 + ".example/", "malformed"),
        ("https://" + "a." * 130 + "example/", "malformed"),
        ("https://xn--99999999.example/", "IDNA"),
        ("https://xn--ls8h.example/", "IDNA"),
        ("https://xn--zz-\u00e9.example/", "IDNA"),
        ("https://ex\u2603mple.com/", "IDNA"),
        ("https://exam\uff50le.com/", "IDNA"),
    ],
)
def test_a_bad_url_is_refused_with_what_is_wrong(url: str, says: str):
    with pytest.raises(UrlRefused) as refused:
        check_url(url, POLICY)
    assert says.lower() in str(refused.value).lower()
    assert "secret" not in str(refused.value)


def test_a_url_may_have_2048_characters_and_no_more():
    url = "https://example.com/".ljust(MAX_URL_LENGTH, "a")
    check_url(url, POLICY)
    with pytest.raises(UrlRefused, match="2049 characters; at most 2048"):
        check_url(url + "a", POLICY)
    with pytest.raises(UrlRefused, match="characters"):
        check_url("https://" + "é." * 10_000_000, POLICY)  # refused unread


def test_ports_can_be_limited():
    policy = AddressPolicy(allowed_ports={443, 8443})
    check_url("https://example.com/", policy)
    check_url("https://example.com:8443/", policy)
    with pytest.raises(UrlRefused, match=r"Port 25 is not allowed; use one of: 443, 8443\."):
        check_url("https://example.com:25/", policy)


def test_http_is_accepted_only_where_the_policy_says_so():
    check_url("http://example.com/", AddressPolicy(require_https=False))
    with pytest.raises(UrlRefused, match="https"):
        check_url("gopher://example.com/", AddressPolicy(require_https=False))


def test_development_opts_into_its_own_networks_and_names():
    policy = AddressPolicy(require_https=False, allowed_networks=["127.0.0.0/8"])
    for url in (
        "http://127.0.0.1:8000/",
        "http://localhost:8000/",
        "http://receiver:9000/",
        "http://[::ffff:127.0.0.1]/",
    ):
        check_url(url, policy)
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/"):
        with pytest.raises(UrlRefused):
            check_url(url, policy)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks"),
        ({"allowed_networks": ["nonsense"]}, "allowed_networks"),
        ({"allowed_networks": "127.0.0.0/8"}, "a list"),
        ({"allowed_ports": [0]}, "allowed_ports"),
        ({"allowed_ports": [70000]}, "allowed_ports"),
    ],
)
def test_a_policy_that_makes_no_sense_stops_the_start(arguments: dict, says: str):
    with pytest.raises(ValueError, match=says):
        AddressPolicy(**arguments)


def test_a_name_is_looked_up_only_when_asked_for():
    check_url("https://inside.example/", POLICY, lookup=resolving_to("10.0.0.1"))
    check_url("https://outside.example/", POLICY, resolve=True, lookup=resolving_to("93.184.216.34"))
    with pytest.raises(
        UrlRefused, match=r"inside.example resolves to an address that is not public.*reachable from the internet"
    ):
        check_url("https://inside.example/", POLICY, resolve=True, lookup=resolving_to("10.0.0.1"))


def test_a_name_that_does_not_exist_or_takes_too_long_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UrlRefused, match=r"nowhere.example does not exist.*Check the spelling"):
        check_url("https://nowhere.example/", POLICY, resolve=True, lookup=resolving_to())
    monkeypatch.setattr("deliveries.transport.urls.CHECK_RESOLVE_SECONDS", 0.2)
    release = threading.Event()
    with pytest.raises(UrlRefused, match="DNS servers"):
        check_url("https://slow.example/", POLICY, resolve=True, lookup=lambda *_: release.wait(10) and [])
    release.set()
