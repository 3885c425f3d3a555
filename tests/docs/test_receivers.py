"""docs/receivers/: the sample receivers, run as they are printed, take what the product sends and nothing else."""

from __future__ import annotations

import base64
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from deliveries import dialects
from deliveries.dialects import Encoded
from deliveries.transport import AddressPolicy, Request, Transport
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET
from tests.support.receivers.samples import message

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAMPLES = DOCS / "receivers"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(DOCS.parent)}
"""As in a checkout without the package."""
DIALECTS = ("alva", "litestore", "cryptlex", "shopery", "standard", "standard_library")
PAIRS = [(language, name) for language in ("node", "python") for name in DIALECTS]

# Of the webhook, of somebody else, and the one that a rotation has just made.
PLAIN_SECRETS = (PLAIN_SECRET, "another-secret-of-the-shop", "the-secret-to-come")
STANDARD_SECRETS = (STANDARD_SECRET, *(f"whsec_{base64.b64encode(part * 32).decode()}" for part in (b"a", b"b")))


class Sample:
    """One sample receiver in a process of its own."""

    def __init__(self, language: str, name: str, secret: str = "") -> None:
        self.language, self.name = language, name
        self.dialect = dialects.get(name.removesuffix("_library"))
        self.is_standard = self.dialect.name == "standard"
        self.secret, self.other, coming = STANDARD_SECRETS if self.is_standard else PLAIN_SECRETS
        self.secret = secret or self.secret
        program, script = {"node": (node(name), "server.js"), "python": (sys.executable, "server.py")}[language]
        self._process = subprocess.Popen(
            [program, SAMPLES / language / script, name, "0"],
            env=ENVIRONMENT | {"WEBHOOK_SECRET": self.secret, "WEBHOOK_SECRET_2": coming},  # as while it is rotated
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.line().removeprefix("listening on "))
        self.url = f"http://127.0.0.1:{self.port}/webhooks"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def line(self) -> str:
        """The next line it prints."""
        return self._lines.get(timeout=60)

    def worked_on(self) -> dict[str, Any]:
        """What it did next, once it had answered."""
        return json.loads(self.line())

    @property
    def idle(self) -> bool:
        return self._lines.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reader.join(30)


def node(name: str) -> str:
    """Node's path; with the library that `standard_library.js` needs, installed by npm on first use."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None:
        pytest.skip("node is not on PATH; install nodejs to run the sample receivers")
    if name == "standard_library" and not (SAMPLES / "node" / "node_modules" / "standardwebhooks").exists():
        if npm is None:
            pytest.skip("npm is not on PATH; install it to run the sample with the standardwebhooks library")
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run([npm, "install", *quiet], cwd=SAMPLES / "node", check=True, timeout=300)
    return program


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def sample(request: pytest.FixtureRequest) -> Iterator[Sample]:
    with Sample(*request.param) as sample:
        yield sample


@pytest.fixture(scope="module")
def transport() -> Iterator[Transport]:
    transport = Transport(AddressPolicy(require_https=False, allowed_networks=["127.0.0.0/8"]))
    yield transport
    transport.close()


Send = Callable[..., int | None]


@pytest.fixture
def send(transport: Transport, sample: Sample) -> Send:
    """Deliver a request over the product's own transport; return the answer's status."""

    def deliver(encoded: Encoded) -> int | None:
        outcome = transport.send(Request(sample.url, encoded.headers, encoded.body, 10.0, 30.0))
        assert outcome.status_code is not None, outcome
        return outcome.status_code

    return deliver


def encoded(sample: Sample, *secrets: str, **changes: Any) -> Encoded:
    fields = {"event_id": os.urandom(8).hex(), "sent_at": datetime.now(UTC), **changes}
    return sample.dialect.encode(message(**fields), secrets or (sample.secret,))


def with_signature(sample: Sample, request: Encoded, *values: str) -> Encoded:
    """The request with other values in place of its signature."""
    name = sample.dialect.signature_header
    kept = [header for header in request.headers if header[0].lower() != name.lower()]
    assert len(kept) == len(request.headers) - 1
    return Encoded(request.body, (*kept, *((name, value) for value in values)))


def signature(sample: Sample, request: Encoded) -> str:
    return {name.lower(): value for name, value in request.headers}[sample.dialect.signature_header.lower()]


def test_a_delivery_is_verified_answered_and_worked_on(sample: Sample, send: Send) -> None:
    request = encoded(sample, event_id="evt_first")
    assert send(request) == 200
    done = sample.worked_on()
    assert (done["id"], done["event"], done["body"]) == ("evt_first", "order.created", json.loads(request.body))


def test_a_retry_and_a_replay_are_answered_200_and_worked_on_once(sample: Sample, send: Send) -> None:
    assert send(encoded(sample, event_id="evt_twice", attempt=1)) == 200
    assert sample.worked_on()["id"] == "evt_twice"
    assert send(encoded(sample, event_id="evt_twice", attempt=2)) == 200
    assert send(encoded(sample, event_id="evt_next")) == 200
    assert sample.worked_on()["id"] == "evt_next"
    assert sample.idle


def test_another_secrets_signature_is_refused(sample: Sample, send: Send) -> None:
    assert send(encoded(sample, sample.other)) == 401
    assert sample.idle


@pytest.mark.parametrize("change", ["missing", "empty", "short", "long", "upper case", "not ASCII", "one digit"])
def test_a_wrong_signature_is_refused_and_harms_nothing(sample: Sample, send: Send, change: str) -> None:
    request = encoded(sample)
    right = signature(sample, request)
    wrong = {
        "missing": [],
        "empty": [""],
        "short": [right[:-1]],
        "long": [right + right],
        "upper case": [right.upper()],
        "not ASCII": [right[:-1] + "é"],
        "one digit": [right[:-3] + ("A" if right[-3] != "A" else "B") + right[-2:]],
    }[change]
    assert send(with_signature(sample, request, *wrong)) == 401
    assert send(request) == 200  # it goes on
    assert sample.worked_on()


def test_a_changed_body_is_refused(sample: Sample, send: Send) -> None:
    request = encoded(sample)
    changed = Encoded(request.body.replace(b"25.5", b"99.5"), request.headers)
    assert changed.body != request.body
    if sample.name == "shopery":  # its document signs nothing
        assert send(changed) == 200
        assert sample.worked_on()
    else:
        assert send(changed) == 401


def test_a_body_as_long_as_the_senders_limit_is_taken_and_a_longer_one_refused(sample: Sample, send: Send) -> None:
    envelope = len(encoded(sample, data='{"a":""}').body)
    full = encoded(sample, data=json.dumps({"a": "x" * (1024**2 - envelope)}, separators=(",", ":")))
    assert len(full.body) == 1024**2
    assert send(full) == 200
    assert sample.worked_on()
    longer = encoded(sample, data=json.dumps({"a": "x" * 1024**2}))
    assert send(longer) == 413


@pytest.mark.parametrize("sample", [pair for pair in PAIRS if "standard" in pair[1]], indirect=True, ids="-".join)
def test_standard_takes_either_secret_of_a_rotation_and_no_old_attempt(sample: Sample, send: Send) -> None:
    assert send(encoded(sample, sample.other, sample.secret)) == 200
    assert sample.worked_on()
    assert send(encoded(sample, sent_at=datetime.now(UTC) - timedelta(minutes=10))) == 401
    request = encoded(sample)
    for name in ("webhook-timestamp", "webhook-id"):
        headers = tuple((key, "1" if key == name else value) for key, value in request.headers)
        assert send(Encoded(request.body, headers)) == 401
        without = tuple(header for header in request.headers if header[0] != name)
        assert send(Encoded(request.body, without)) == 401


@pytest.mark.parametrize("language", ["node", "python"])
def test_a_receiver_without_a_secret_does_not_start(language: str) -> None:
    command = [node("") if language == "node" else sys.executable, SAMPLES / language]
    command[1] /= "server.js" if language == "node" else "server.py"
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "WEBHOOK_SECRET"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "WEBHOOK_SECRET" in done.stderr


@pytest.mark.parametrize("language", ["node", "python"])
def test_a_receiver_of_an_unknown_dialect_does_not_start(language: str) -> None:
    program, script = {"node": (node(""), "server.js"), "python": (sys.executable, "server.py")}[language]
    environment = ENVIRONMENT | {"WEBHOOK_SECRET": PLAIN_SECRET}
    command = [program, SAMPLES / language / script, "stripe", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "no dialect stripe; there are alva, litestore" in done.stderr


def test_nodes_module_passes_its_own_tests_and_packs_what_it_needs(tmp_path: Path) -> None:
    folder = tmp_path / "module"
    shutil.copytree(SAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run([node(""), "--test"], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout
    described = json.loads((folder / "package.json").read_text())
    assert {described["main"], described["types"]} <= set(described["files"])
    for file in folder.iterdir():  # nothing but what is listed is left
        if file.name not in {*described["files"], "package.json"}:
            file.unlink()
    installed = tmp_path / "node_modules" / described["name"]
    installed.parent.mkdir()
    folder.rename(installed)
    code = f"console.log(require('{described['name']}').DIALECTS.length)"
    done = subprocess.run([node(""), "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "5"


def test_every_link_of_the_guide_leads_to_a_file() -> None:
    page = (DOCS / "receivers.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", page) if "://" not in link]
    assert {f"receivers/{language}/" for language in ("node", "python")} <= set(links)
    assert [link for link in links if not (DOCS / link).exists()] == []
