"""What tests of retrying need: what a transport reports of an attempt, and Litestore's policy."""

from dataclasses import dataclass

from deliveries.recording.decisions import RetryPolicy

LITESTORE = RetryPolicy.from_dict({"maxAttempts": 5, "backoffMultiplier": 2, "initialDelay": 1000})


@dataclass
class Seen:
    """What a transport reports of one attempt."""

    status_code: int | None = None
    error: str | None = None
    retry_after: float | None = None
    permanent: bool = False


def answered(status: int, retry_after: float | None = None) -> Seen:
    return Seen(status, None if 200 <= status < 300 else "http_error", retry_after)
