"""docs/receivers.md: the route for Express, cut out of the page and run in Express itself."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deliveries.dialects import Encoded, alva
from tests.docs.test_receivers import DOCS, SAMPLES, node
from tests.docs.test_receivers_hostile import SECRETS, lines, pieces, raw
from tests.support.factories import PLAIN_SECRET
from tests.support.receivers.samples import message

EXPRESS = Path(__file__).resolve().parents[1] / "support" / "receivers" / "express"
AROUND = """
process.env.NODE_ENV = 'production';   // Express' own answers to what fails, without a trace on stderr
const told = [];
const webhookQueue = { add: async (job, options) => console.log(JSON.stringify({ job, options })) };
%s
app.listen(0, '127.0.0.1', function () { console.log(`listening on ${this.address().port}`); });
"""
"""What the page leaves to its reader: the queue, and listening."""


def snippet() -> str:
    [section] = re.findall(r"### In Express\n(.*?)\n### ", (DOCS / "receivers.md").read_text(), re.DOTALL)
    [code] = re.findall(r"```js\n(.*?)```", section, re.DOTALL)
    return str(code)


def install() -> None:
    """Fetch Express by npm, once for a checkout."""
    if (EXPRESS / "node_modules" / "express").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on PATH; install it to run the guide's route in Express")
    quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run([npm, "install", *quiet], cwd=EXPRESS, check=True, timeout=300)


class Express:
    """The page's route in a process of its own. As `tests.docs.test_receivers.Sample`, for Alva's dialect."""

    def __init__(self, folder: Path, secret: str = PLAIN_SECRET) -> None:
        install()
        self.secret = secret
        (folder / "route.js").write_text(AROUND % snippet())
        module = folder / "node_modules" / "merchant-webhooks-verify"
        shutil.copytree(SAMPLES / "node", module, ignore=shutil.ignore_patterns("node_modules"))
        self._process = subprocess.Popen(
            [node(""), folder / "route.js"],
            env=os.environ | {"WEBHOOK_SECRET": secret, "NODE_PATH": str(EXPRESS / "node_modules")},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self._lines.get(timeout=60).removeprefix("listening on "))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines_out:
            for line in lines_out:
                self._lines.put(line)

    def queued(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._lines.get(timeout=60))
        return found

    @property
    def idle(self) -> bool:
        return self._lines.empty()

    def post(self, request: Encoded, extra: str = "") -> int:
        head = lines(request) + extra + f"Content-Length: {len(request.body)}\r\n"
        return raw(self, head, request.body, path="/webhooks/alva")[0]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reader.join(30)


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Express]:
    running = Express(tmp_path_factory.mktemp("express"))
    yield running
    running.stop()


def signed(express: Express, secret: str = "", **changes: Any) -> Encoded:
    fields = {"event_id": os.urandom(8).hex(), "sent_at": datetime.now(UTC), **changes}
    return alva.DIALECT.encode(message(**fields), (secret or express.secret,))


def with_signature(request: Encoded, *values: str) -> Encoded:
    kept = [header for header in request.headers if header[0].lower() != "x-alva-hmac-sha256"]
    return Encoded(request.body, (*kept, *(("X-Alva-HMAC-SHA256", value) for value in values)))


def test_a_delivery_is_verified_queued_by_its_id_and_answered(express: Express) -> None:
    request = signed(express, event_id="evt_first")
    assert express.post(request) == 200
    queued = express.queued()
    assert queued == {"job": json.loads(request.body), "options": {"jobId": "evt_first"}}


@pytest.mark.parametrize(
    "value",
    ["", " ", "0", "x", "0" * 64, "é" * 64, "sha256=" + "0" * 64, "[object Object]", "undefined", "0" * 10_000, None],
    ids=range(11),
)
def test_a_forged_signature_is_401_and_queues_nothing(express: Express, value: str | None) -> None:
    request = signed(express)
    assert express.post(with_signature(request, *([] if value is None else [value]))) == 401
    assert express.post(with_signature(request, "0" * 64, "1" * 64)) == 401
    assert express.idle


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b"[]", b"not JSON", b"\xff\xfe", b"\x00" * 10, b'{"a":1}{"b":2}', b"a=1&b=2", b" " * 1000],
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_ours_is_401_and_queues_nothing(express: Express, body: bytes, kind: str) -> None:
    kept = [header for header in signed(express).headers if header[0].lower() != "content-type"]
    request = Encoded(body, (*kept, *([("Content-Type", kind)] if kind else [])))
    assert express.post(request) == 401
    assert express.idle


def test_a_changed_byte_is_401(express: Express) -> None:
    request = signed(express)
    assert express.post(Encoded(request.body.replace(b"25.5", b"99.5"), request.headers)) == 401
    assert express.post(Encoded(request.body + b" ", request.headers)) == 401
    assert express.post(request) == 200
    assert express.queued()


def test_a_body_as_long_as_the_senders_limit_is_taken_and_a_longer_one_refused(express: Express) -> None:
    envelope = len(signed(express, data='{"a":""}').body)
    full = signed(express, data=json.dumps({"a": "x" * (1024**2 - envelope)}, separators=(",", ":")))
    assert len(full.body) == 1024**2
    assert express.post(full) == 200
    assert express.queued()
    assert express.post(signed(express, data=json.dumps({"a": "x" * 1024**2}))) == 413


@pytest.mark.parametrize("secret", SECRETS[:5])
def test_the_secret_is_taken_as_it_is(secret: str, tmp_path: Path) -> None:
    running = Express(tmp_path, secret)
    try:
        assert running.post(signed(running)) == 200
        running.queued()
        for piece in sorted(pieces(secret)):
            assert running.post(signed(running, piece)) == 401, piece
        assert running.idle
    finally:
        running.stop()
