"""How an endpoint is asked who we are, beside signatures: the ways there are, their settings, what a request carries.

A token of OAuth 2 is fetched by `deliveries.sending.carrying`, which alone knows a network.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from django.core.exceptions import ValidationError

from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import base, certificates, private_keys
from deliveries.transport import ClientCertificate, ErrorClass, Outcome
from subscriptions.webhook_rules import CheckedSignIn, KindField

BASIC: Final = "basic"
BEARER: Final = "bearer"
OAUTH2: Final = "oauth2"
CERTIFICATE: Final = "certificate"
AUTHORIZING: Final = frozenset((BASIC, BEARER, OAUTH2))
"""Those that send the header `Authorization`."""

_PRINTABLE: Final = base.matching("[!-~]+", "Use printable ASCII without spaces.")
_LATIN: Final = base.matching("[ -~]+", "Use printable ASCII.")
_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "username": base.matching("[^:]+", "A user name can't hold a colon; HTTP Basic ends it there."),
    "token": _PRINTABLE,
    "client_id": _LATIN,
    "client_secret": _LATIN,
    "scope": base.matching(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*", "Give scopes with single spaces between them."),
    "client_authentication": base.matching("basic|body", "Use basic or body."),
    "certificate": certificates.check_chain,
    "private_key": private_keys.check,
}


@dataclass(frozen=True, slots=True)
class Method:
    """A way to sign in at an endpoint: what may be shown of it, and what may not."""

    name: str
    label: str
    settings: Sequence[KindField]
    credentials: Sequence[KindField]


METHODS: Final = {
    method.name: method
    for method in (
        Method(
            BASIC,
            "User name and password (HTTP Basic)",
            (KindField("username", "User name", "As your endpoint knows us.", length_max=256),),
            (KindField("password", "Password", "Sent with every message.", length_max=1024),),
        ),
        Method(
            BEARER,
            "A fixed token (Bearer)",
            (),
            (KindField("token", "Token", "Sent with every message.", length_max=4096),),
        ),
        Method(
            OAUTH2,
            "OAuth 2 client credentials",
            (
                KindField("token_url", "Token URL", "The https address that gives tokens."),
                KindField("client_id", "Client id", "As the token server knows us.", length_max=512),
                KindField("scope", "Scope", "With single spaces between several.", False, length_max=1024),
                KindField("audience", "Audience", "Where the token server wants one.", False, length_max=1024),
                KindField(
                    "client_authentication",
                    "How id and secret are sent",
                    "basic (in a header, the default) or body (in the form).",
                    False,
                    length_max=10,
                ),
            ),
            (KindField("client_secret", "Client secret", "Sent to the token URL only.", length_max=1024),),
        ),
        Method(
            CERTIFICATE,
            "A client certificate (mTLS)",
            (
                KindField(
                    "certificate",
                    "Certificate",
                    "PEM text, with those of its authorities behind it.",
                    length_max=certificates.CHAIN_MAX,
                    is_long=True,
                ),
            ),
            (
                KindField(
                    "private_key",
                    "Private key",
                    "PEM text, without a passphrase.",
                    length_max=private_keys.KEY_MAX,
                    is_long=True,
                ),
            ),
        ),
    )
}


def check(given: Mapping[str, Any], credentials: Any) -> CheckedSignIn:
    """Return what is stored of a way to sign in; `credentials` are None where the present ones stay.

    Raises ValidationError, as `sign_in.username` and `credentials.password`.
    """
    name = given.get("method")
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        raise ValidationError({"sign_in.method": [f"Use one of {', '.join(METHODS)}, or null for no sign-in."]})
    rest = {key: value for key, value in given.items() if key != "method"}
    found = base.checked(rest, method.settings, "sign_in", _CHECKS)
    kept = None if credentials is None else base.checked(credentials, method.credentials, "credentials", _CHECKS)
    if name == OAUTH2:
        found.setdefault("client_authentication", "basic")
    if name != CERTIFICATE:
        return CheckedSignIn({"method": method.name, **found}, kept)
    if kept is not None:
        try:
            certificates.check_pair(found["certificate"], kept["private_key"])
        except ValueError as error:
            raise ValidationError({"credentials.private_key": [str(error)]}) from None
    ends = certificates.ends_at(found["certificate"])
    return CheckedSignIn({"method": method.name, **found}, kept, ends)


def headers(sent: Sequence[tuple[str, str]], webhook: WebhookSettings) -> Sequence[tuple[str, str]]:
    """Return a request's headers with what signs in; a token that has to be fetched is not there yet."""
    keys = webhook.credentials
    match webhook.sign_in["method"]:
        case "basic":
            pair = f"{webhook.sign_in['username']}:{keys['password']}"
            return authorized(sent, f"Basic {base64.b64encode(pair.encode()).decode()}")
        case "bearer":
            return authorized(sent, f"Bearer {keys['token']}")
    return sent


def authorized(sent: Sequence[tuple[str, str]], value: str) -> list[tuple[str, str]]:
    """Return headers with this `Authorization`, in the place of a custom one."""
    return [*(each for each in sent if each[0].lower() != "authorization"), ("Authorization", value)]


def client_certificate(webhook: WebhookSettings) -> ClientCertificate | None:
    """Return what an endpoint is shown that asks for a certificate; None for other ways to sign in.

    Raises ValueError for a key, taken before today's bounds, that costs too much.
    """
    if webhook.sign_in["method"] != CERTIFICATE:
        return None
    try:
        private_keys.read(webhook.credentials["private_key"])
    except ValueError as error:
        why = f"the client certificate's key isn't used. {error} Then give it with its certificate."
        raise ValueError(why) from None
    return ClientCertificate(webhook.sign_in["certificate"], webhook.credentials["private_key"])


def outcome(outcome: Outcome, webhook: WebhookSettings) -> Outcome:
    """Return an outcome in which a certificate's end, and what may be its refusal, is told from the endpoint's own."""
    if webhook.sign_in["method"] != CERTIFICATE:
        return outcome
    if outcome.error not in (ErrorClass.CERTIFICATE_REFUSED, ErrorClass.CONNECTION_RESET):
        return outcome
    ends = certificates.ends_at(webhook.sign_in["certificate"])
    if ends <= datetime.now(UTC):
        detail = f"The client certificate expired on {ends:%d %B %Y at %H:%M} UTC. Give a new one with its key."
        return replace(outcome, error=ErrorClass.CERTIFICATE_EXPIRED, detail=detail)
    if outcome.error is ErrorClass.CONNECTION_RESET:  # with TLS 1.3 the alert may be lost with the connection
        return replace(outcome, detail=f"{outcome.detail} It may not have accepted the client certificate.")
    return outcome
