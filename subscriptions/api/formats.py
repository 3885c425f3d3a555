"""Fields of bodies that say in the OpenAPI document what the validators check: clients can check it beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions import webhook_rules
from subscriptions.api.serializers import Text
from subscriptions.patterns import MAX_NAME_LENGTH
from subscriptions.validators.text import UNREADABLE

NO_NUL: Final = "^[^\\u0000]*$"
"""What any text is held to: no database keeps U+0000."""
SAYS_SOMETHING: Final = (
    r"^[^\u0000]*[^\u0000-\u0020\u002c\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680"
    r"\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff9-\ufffb][^\u0000]*$"
)
"""Text that isn't blank, as `subscriptions.filters.says_nothing` has it (of the basic plane)."""
_LINE: Final = rf"^\s*[^{UNREADABLE}]*\s*$"
"""Text of one line, as `validators.text.single_line` has it; spaces and line breaks at its edges are cut off."""
_WORDS: Final = "[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*"
_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}
_OPTIONS: Final = {"jitter": _SHARE, "clientErrorsFinal": {"type": "boolean"}, "honorRetryAfter": {"type": "boolean"}}
_DELAYS: Final = {
    "type": "array",
    "items": {"type": "number", "minimum": 0, "maximum": 7 * 86400},
    "maxItems": 19,
    "description": "Seconds to wait after each failure.",
}
_BACKOFF: Final = {
    "maxAttempts": {"type": "integer", "minimum": 1, "maximum": 20},
    "backoffMultiplier": {"type": "number", "minimum": 1, "maximum": 100},
    "initialDelay": {"type": "number", "minimum": 0, "maximum": 30000, "description": "Milliseconds."},
}
_POLICIES: Final = [
    {
        "type": "object",
        "properties": {"delays": _DELAYS, **_OPTIONS},
        "required": ["delays"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {**_BACKOFF, **_OPTIONS},
        "anyOf": [{"required": [name]} for name in _BACKOFF],
        "additionalProperties": False,
    },
]


class Line(serializers.RegexField):
    """Text of one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_LINE, **options)


class CheckedLine(Text, Line):
    """Text of one line, whose type and length are checked here."""


class EventName(serializers.RegexField):
    """An event's name: words joined by single `.` or `-`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(f"^{_WORDS}$", max_length=MAX_NAME_LENGTH, **options)


class Pattern(serializers.RegexField):
    """An event's name, a prefix such as `order.*`, or `*`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(rf"^(\*|{_WORDS}([.-]\*)?)$", max_length=MAX_NAME_LENGTH, **options)


class Address(serializers.RegexField):
    """A URL that events may go to. Where its host leads is decided when it is given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(rf"^\s*[Hh][Tt][Tt][Pp][Ss]?://[^{UNREADABLE}\x20@]+\s*$", max_length=2048, **options)


class Kind(serializers.ChoiceField):
    """The name of a kind of webhook."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=[kind.name for kind in webhook_rules.rules().kinds()], **options)


def _members(kind: webhook_rules.Kind, fields: Sequence[webhook_rules.KindField], *, is_open: bool) -> dict[str, Any]:
    """Return the schema of a kind's settings or credentials. `is_open`: further members are left out, not refused."""
    return {
        "type": "object",
        "title": kind.name,
        "properties": {
            field.name: {"type": "string", "maxLength": field.length_max, "description": field.help_text}
            for field in fields
        },
        "required": [field.name for field in fields if field.is_required],
        "additionalProperties": is_open,
    }


def _queues() -> list[webhook_rules.Kind]:
    return [kind for kind in webhook_rules.rules().kinds() if kind.settings]


def _methods() -> list[dict[str, Any]]:
    """Return the schema of each way to sign in at an endpoint."""
    found = []
    for method in webhook_rules.rules().sign_in_methods():
        members = _members(method, method.settings, is_open=False)
        members["properties"] = {"method": {"type": "string", "enum": [method.name]}, **members["properties"]}
        found.append(members | {"required": ["method", *members["required"]]})
    return found


def _secret_parts() -> list[dict[str, Any]]:
    """Return the schema of the credentials of each queue, and of each way to sign in at an endpoint."""
    return [
        *(_members(kind, kind.credentials, is_open=True) for kind in _queues()),
        *(_members(each, each.credentials, is_open=False) for each in webhook_rules.rules().sign_in_methods()),
    ]


_NOTHING: Final = {"type": "object", "title": webhook_rules.HTTPS, "additionalProperties": False}


@extend_schema_field({"anyOf": [*(_members(kind, kind.settings, is_open=False) for kind in _queues()), _NOTHING]})
class Destination(serializers.DictField):
    """Where a queue is, as its kind wants it; empty for endpoints and feeds."""


@extend_schema_field({"anyOf": [*_methods(), _NOTHING]})
class SignIn(serializers.DictField):
    """How an endpoint is asked who we are; empty where signatures say it."""


@extend_schema_field({"anyOf": [*_secret_parts(), _NOTHING]})
class Credentials(serializers.DictField):
    """What opens a queue or signs in at an endpoint, as kind or method want it."""


class Secret(serializers.RegexField):
    """A secret, or empty. The dialect standard wants `whsec_` and base64."""

    def __init__(self, **options: Any) -> None:
        super().__init__("^([!-~][ -~]{10,254}[!-~])?$", allow_blank=True, **options)


class CheckedSecret(Text, Secret):
    """A secret, whose type and length are checked here."""


class Signature(serializers.ChoiceField):
    """What is made up where no secret is given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=[webhook_rules.HMAC, webhook_rules.ED25519],
            required=False,
            help_text="Of the secret that is made: `hmac`, which you share, or `ed25519` (dialect standard only), a "
            "key pair of which you get the public key.",
            **options,
        )


class Dialect(serializers.ChoiceField):
    """The name of a wire format."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=[name for name, _label in webhook_rules.rules().dialects()], **options)


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": 20,
        "propertyNames": {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"},
        "additionalProperties": {"type": "string", "maxLength": 2000, "pattern": "^([!-~]([ -~]*[!-~])?)?$"},
    }
)
class Headers(serializers.DictField):
    """Header names to values."""


@extend_schema_field({"anyOf": _POLICIES})
class Policy(serializers.JSONField):
    """A retry policy in one of its two forms."""
