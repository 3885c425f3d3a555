"""The code that a webhook's page offers to paste: what strangers send is false to it, and never an exception."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deliveries import dialects
from deliveries.admin import verification_snippets
from deliveries.dialects import key_pairs
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET
from tests.support.receivers.samples import message

NODE = """
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const told = cases.map(({ headers, body, secret }) => {
  const raw = body === null ? undefined : typeof body === 'string' ? Buffer.from(body, 'base64') : body;
  try { return verify(headers, raw, secret); } catch (error) { return String(error); }
});
console.log(JSON.stringify(told));
"""
PYTHON = """
import base64 as base64_of, json, sys
class Headers(dict):  # as Flask's and Django's: names in any case, None or KeyError for what isn't there
    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)
    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())
told = []
for case in json.load(sys.stdin):
    raw = base64_of.b64decode(case["body"] if isinstance(case["body"], str) else "")
    try:
        told.append(verify(Headers(case["headers"]), raw, case["secret"]))
    except Exception as error:
        told.append(repr(error))
print(json.dumps(told))
"""
Case = dict[str, Any]
PAIR = "a key pair of the dialect standard"


def genuine(dialect: str, *, ago: timedelta = timedelta(), secret: str = "") -> Case:
    secret = secret or (STANDARD_SECRET if dialect == "standard" else PLAIN_SECRET)
    sent = dialects.get(dialect).encode(message(sent_at=datetime.now(UTC) - ago), (secret,))
    headers = {name.lower(): value for name, value in sent.headers}
    return {"headers": headers, "body": base64.b64encode(sent.body).decode(), "secret": secret}


def signed(case: Case, dialect: str, value: str | None) -> Case:
    name = dialects.get(dialect).signature_header.lower()
    rest = {key: text for key, text in case["headers"].items() if key != name}
    return case | {"headers": rest | ({} if value is None else {name: value})}


def header(case: Case, name: str, value: str | None) -> Case:
    rest = {key: text for key, text in case["headers"].items() if key != name}
    return case | {"headers": rest | ({} if value is None else {name: value})}


SIGNATURES = [None, "", " ", "x", "0" * 64, "é" * 64, "v1,", "v1", ",", "v1,é", "A" * 44, "=" * 44, "v1," + "A" * 44,
              "v1, v1, v1,", "0" * 100_000, "undefined", "null", "[object Object]", "\t", "\xa0"]  # fmt: skip
TIMES = [
    None,
    "",
    "abc",
    "NaN",
    "Infinity",
    "-1",
    "1e9",
    "0x10",
    "9" * 5000,
    "٣",
    "1705332605.5",
    " 1705332605",
    "é",
    "0",
]
"""Timestamps that no attempt of this minute has."""
BODIES = [None, {}, [], {"n": 1}, 5]
"""What a framework leaves in place of a body, where there was none or it parsed it."""


def hostile(dialect: str) -> list[Case]:
    case = genuine(dialect)
    found = [signed(case, dialect, value) for value in SIGNATURES]
    if dialect == "standard":
        found += [header(case, "webhook-timestamp", value) for value in TIMES]
        found += [header(case, "webhook-id", value) for value in (None, "", "another", "é")]
        found += [genuine(dialect, ago=timedelta(minutes=6)), genuine(dialect, ago=timedelta(minutes=-6))]
        found += [case | {"headers": {}}]
    if dialect != "shopery":  # it signs nothing
        found += [case | {"body": body} for body in ("", base64.b64encode(b"{}").decode())]
        other = PLAIN_SECRET[::-1] if dialect != "standard" else "whsec_" + base64.b64encode(b"a" * 32).decode()
        found += [genuine(dialect, secret=other) | {"secret": case["secret"]}]
    return found


def answers(language: str, dialect: str, cases: list[Case], folder: Path) -> list[Any]:
    snippets = verification_snippets.of("standard" if dialect == PAIR else dialect, by_public_key=dialect == PAIR)
    code, program = {
        "node": (snippets.node + NODE, shutil.which("node")),
        "python": (snippets.python + PYTHON, sys.executable),
    }[language]
    if program is None:
        pytest.skip("node is not on PATH; install nodejs to run the snippet")
    (folder / "snippet").write_text(code)
    done = subprocess.run(
        [program, folder / "snippet"], input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def differing(cases: list[Case], told: list[Any], wanted: bool) -> list[Any]:
    return [
        (answer, str(case["headers"])[:300], case["body"])
        for case, answer in zip(cases, told, strict=True)
        if answer is not wanted
    ]


@pytest.mark.parametrize("dialect", dialects.NAMES)
@pytest.mark.parametrize("language", ["node", "python"])
def test_what_nobody_signed_is_false_and_raises_nothing(language: str, dialect: str, tmp_path: Path) -> None:
    cases = hostile(dialect)
    assert len(cases) >= 20
    assert differing(cases, answers(language, dialect, cases, tmp_path), wanted=False) == []


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_a_body_that_is_missing_or_parsed_already_is_false_in_node(dialect: str, tmp_path: Path) -> None:
    cases = [genuine(dialect) | {"body": body} for body in BODIES]
    wanted = dialect == "shopery"
    assert differing(cases, answers("node", dialect, cases, tmp_path), wanted=wanted) == []


@pytest.mark.parametrize("dialect", dialects.NAMES)
@pytest.mark.parametrize("language", ["node", "python"])
def test_what_we_sign_is_true_also_while_a_secret_is_rotated(language: str, dialect: str, tmp_path: Path) -> None:
    cases = [genuine(dialect), genuine(dialect, ago=timedelta(minutes=4))]
    if dialect == "standard":
        case = genuine(dialect)
        value = case["headers"]["webhook-signature"]
        cases += [signed(case, dialect, f"v1,{'A' * 43}= {value}"), signed(case, dialect, f"v1a,x {value} v2,y")]
    assert differing(cases, answers(language, dialect, cases, tmp_path), wanted=True) == []


@pytest.mark.parametrize("language", ["node", "python"])
def test_the_code_for_a_key_pair_takes_what_its_owner_signed_and_nothing_else(language: str, tmp_path: Path) -> None:
    private = key_pairs.make()
    public, other = key_pairs.public_key_of(private), key_pairs.public_key_of(key_pairs.make())
    right = genuine("standard", secret=private) | {"secret": public}
    rotating = dialects.get("standard").encode(message(sent_at=datetime.now(UTC)), (STANDARD_SECRET, private))
    both = right | {"headers": {name.lower(): value for name, value in rotating.headers},
                    "body": base64.b64encode(rotating.body).decode()}  # fmt: skip
    signature = right["headers"]["webhook-signature"]
    wrong = [
        right | {"secret": other},
        right | {"body": base64.b64encode(b"{}").decode()},
        genuine("standard") | {"secret": public},
        genuine("standard", secret=private, ago=timedelta(seconds=400)) | {"secret": public},
        *(signed(right, "standard", text)
          for text in (None, "", "v1a,", "v1a,AAAA", "v1a,%%%", signature.removeprefix("v1a,"), "v1" + signature[3:],
                       "v1a," + "A" * 86 + "==")),
    ]  # fmt: skip
    cases = [right, both, *wrong]
    assert answers(language, PAIR, cases, tmp_path) == [True, True, *([False] * len(wrong))]
