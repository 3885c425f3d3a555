"""Public ids: a prefix that names the kind and a ULID, like Shopery's `wbh_01HA4XCG60CT4G3EWF4CKYM1MF`."""

from __future__ import annotations

import os
import re
import time

MERCHANT, WEBHOOK, EVENT, DELIVERY, ATTEMPT, API_KEY = "mch", "wbh", "evt", "dlv", "att", "key"

CALLER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a caller may choose as an event's id: safe in a header, and without a dot, since Standard Webhooks signs
`id.timestamp.body`."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def new_id(prefix: str) -> str:
    """Return `prefix_` and a fresh ULID (48 bits of milliseconds, 80 random bits, Crockford's base 32).

    Ids of several hosts don't sort by time: order means the bigint identity beside them. Written out here because it
    stands on the hot path twice an event, at half the cost of the ULID libraries.
    """
    number = int.from_bytes((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10), "big")
    return prefix + "_" + "".join([_PAIRS[(number >> dispatcher) & 1023] for dispatcher in range(120, -1, -10)])
