"""Verification in Node and Python for each dialect, ready to paste, with the dialect's own header name.

The tests run every one of them against our own requests.
"""

from __future__ import annotations

from dataclasses import dataclass

from deliveries import dialects

_NODE_HMAC = """const crypto = require('node:crypto');

// rawBody: the bytes as they arrived, e.g. express.raw({ type: () => true }). Don't parse and write them again first.
function verify(headers, rawBody, secret) {
  if (!Buffer.isBuffer(rawBody)) return false; // no body at all, or one that was parsed already
  const given = Buffer.from(String(headers['HEADER'] || ''));
  const expected = Buffer.from(crypto.createHmac('sha256', secret).update(rawBody).digest('DIGEST'));
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}
"""

_PYTHON_HMAC = """import hashlib
import hmac
IMPORT

def verify(headers, raw_body, secret):
    \"\"\"raw_body: the bytes as they arrived, e.g. request.get_data() in Flask or request.body in Django.\"\"\"
    given = headers.get("HEADER", "")
    mac = hmac.new(secret.encode(), raw_body, hashlib.sha256)
    return hmac.compare_digest(given.encode(), EXPECTED)
"""

_NODE_SHARED = """const crypto = require('node:crypto');

// This dialect sends the secret itself: accept it over https only.
function verify(headers, rawBody, secret) {
  const given = Buffer.from(String(headers['HEADER'] || ''));
  const expected = Buffer.from(secret);
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}
"""

_PYTHON_SHARED = """import hmac


def verify(headers, raw_body, secret):
    \"\"\"This dialect sends the secret itself: accept it over https only.\"\"\"
    return hmac.compare_digest(headers.get("HEADER", "").encode(), secret.encode())
"""

_NODE_STANDARD = """const crypto = require('node:crypto');

// rawBody: the bytes as they arrived, e.g. express.raw({ type: () => true }). Don't parse and write them again first.
function verify(headers, rawBody, secret) {
  if (!Buffer.isBuffer(rawBody)) return false; // no body at all, or one that was parsed already
  const id = headers['webhook-id'], timestamp = String(headers['webhook-timestamp']);
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false; // an old message, played again
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const mac = crypto.createHmac('sha256', key).update(`${id}.${timestamp}.`).update(rawBody).digest('base64');
  const expected = Buffer.from('v1,' + mac);
  // While a secret is being rotated there are two signatures; one that fits is enough.
  return String(headers['HEADER'] || '').split(' ').some((each) => {
    const given = Buffer.from(each);
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}
"""

_PYTHON_STANDARD = """import base64
import hashlib
import hmac
import re
import time


def verify(headers, raw_body, secret):
    \"\"\"raw_body: the bytes as they arrived, e.g. request.get_data() in Flask or request.body in Django.\"\"\"
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > 300:
        return False  # no time, or an old message, played again
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + raw_body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(mac.digest())
    # While a secret is being rotated there are two signatures; one that fits is enough.
    return any(hmac.compare_digest(given.encode(), expected) for given in headers.get("HEADER", "").split(" "))
"""


_NODE_PAIR = """const crypto = require('node:crypto');

// rawBody: the bytes as they arrived, e.g. express.raw({ type: () => true }). publicKey: whpk_…, which is no secret.
function verify(headers, rawBody, publicKey) {
  if (!Buffer.isBuffer(rawBody)) return false; // no body at all, or one that was parsed already
  const id = headers['webhook-id'], timestamp = String(headers['webhook-timestamp']);
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false; // an old message, played again
  const raw = Buffer.from(publicKey.replace(/^whpk_/, ''), 'base64');
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  const key = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' });
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), rawBody]);
  // While a key pair is being rotated there are two signatures; one that fits is enough.
  return String(headers['HEADER'] || '').split(' ').some((each) =>
    each.startsWith('v1a,') && crypto.verify(null, signed, key, Buffer.from(each.slice(4), 'base64')));
}
"""

_PYTHON_PAIR = """import base64
import re
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(headers, raw_body, public_key):
    \"\"\"raw_body: the bytes as they arrived. public_key: whpk_…, which is no secret.\"\"\"
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > 300:
        return False  # no time, or an old message, played again
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{message_id}.{timestamp}.".encode() + raw_body
    # While a key pair is being rotated there are two signatures; one that fits is enough.
    for given in headers.get("HEADER", "").split(" "):
        if given.startswith("v1a,"):
            try:
                key.verify(base64.b64decode(given.removeprefix("v1a,")), signed)
                return True
            except (ValueError, InvalidSignature):
                continue
    return False
"""


@dataclass(frozen=True)
class Snippets:
    """Code for one dialect."""

    header: str
    node: str
    python: str


def of(dialect: str, *, by_public_key: bool = False) -> Snippets:
    """Return the snippets of a dialect by its name. Raises ValueError when there is no such dialect.

    `by_public_key`: for a webhook of the dialect standard that signs with a key pair.
    """
    header = dialects.get(dialect).signature_header
    if by_public_key:
        return Snippets(header, _NODE_PAIR.replace("HEADER", header.lower()), _PYTHON_PAIR.replace("HEADER", header))
    node, python = {
        "standard": (_NODE_STANDARD, _PYTHON_STANDARD),
        "shopery": (_NODE_SHARED, _PYTHON_SHARED),
        "cryptlex": (
            _NODE_HMAC.replace("DIGEST", "base64"),
            _PYTHON_HMAC.replace("IMPORT\n", "from base64 import b64encode\n\n").replace(
                "EXPECTED", "b64encode(mac.digest())"
            ),
        ),
    }.get(
        dialect,
        (
            _NODE_HMAC.replace("DIGEST", "hex"),
            _PYTHON_HMAC.replace("IMPORT\n", "\n").replace("EXPECTED", "mac.hexdigest().encode()"),
        ),
    )
    # Node's HTTP server lower-cases header names; Python's frameworks look them up in any case.
    return Snippets(header, node.replace("HEADER", header.lower()), python.replace("HEADER", header))
