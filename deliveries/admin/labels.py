"""Plain words for states and errors: what a merchant reads, and what they can do about it."""

from __future__ import annotations

from deliveries.reporting.stats import Summary, meant_percentile
from deliveries.transport import ErrorClass
from subscriptions.admin.local_times import DASH

ERRORS: dict[str, tuple[str, str]] = {
    ErrorClass.DNS_FAILED: (
        "Host name not found",
        "Check the spelling of the host in the URL, and that its DNS record exists.",
    ),
    ErrorClass.DNS_TIMEOUT: (
        "Host name not resolved in time",
        "Your DNS servers answered too slowly. Ask whoever runs them; often it passes by itself.",
    ),
    ErrorClass.ADDRESS_REFUSED: (
        "Address not allowed",
        "The URL leads to a private or reserved address. Use one that is reachable from the public internet.",
    ),
    ErrorClass.CONNECT_REFUSED: (
        "Connection refused",
        "Nothing listens at that port. Start your server, or correct the port in the URL.",
    ),
    ErrorClass.CONNECT_TIMEOUT: (
        "No connection in time",
        "A firewall may drop our requests. Allow our source addresses, shown on the webhook's page.",
    ),
    ErrorClass.UNREACHABLE: ("Network unreachable", "No route leads to your endpoint. Check its address and network."),
    ErrorClass.TLS_FAILED: (
        "Certificate or TLS problem",
        "Renew the certificate, include its intermediate certificates, and check that it names this host.",
    ),
    ErrorClass.RESPONSE_TIMEOUT: (
        "No answer in time",
        "Answer first and work afterwards: put the message into a queue and answer 200 at once.",
    ),
    ErrorClass.CONNECTION_RESET: (
        "Connection closed without an answer",
        "Your endpoint or a proxy before it hung up. Its error log says why.",
    ),
    ErrorClass.INVALID_RESPONSE: (
        "Not an HTTP answer",
        "Check that the port speaks HTTP, and https where the URL does.",
    ),
    ErrorClass.REDIRECT: ("Redirect", "We don't follow redirects. Put the final address into the URL."),
    ErrorClass.HTTP_ERROR: ("Error status", "Your endpoint answered, but not with 2xx. Its error log says why."),
    ErrorClass.CERTIFICATE_REFUSED: (
        "Client certificate refused",
        "Have your endpoint trust the certificate shown on the webhook's page, or give the webhook another one.",
    ),
    ErrorClass.CERTIFICATE_EXPIRED: (
        "Client certificate expired",
        "Give the webhook a new certificate with its private key.",
    ),
    ErrorClass.TOKEN_UNAVAILABLE: (
        "No token from the token server",
        "Your endpoint was not asked. Check the token URL and the server behind it; often it passes by itself.",
    ),
    ErrorClass.TOKEN_REFUSED: (
        "Token refused",
        "Your endpoint was not asked. Check client id, client secret and scope with whoever runs the token server.",
    ),
    ErrorClass.TRANSFORMATION_FAILED: (
        "No message from the transformation",
        "Correct “Message made by” on the webhook's page, where it can be tried; then replay what is in review.",
    ),
    ErrorClass.DESTINATION_MISSING: (
        "No such bus, queue or topic",
        "Create it, or make a webhook for the one you mean; then replay what is in review.",
    ),
    ErrorClass.ACCESS_DENIED: (
        "Access denied",
        "Check that the credentials are active and may send there, or give new ones; then replay what is in review.",
    ),
    ErrorClass.THROTTLED: ("Throttled", "Set “Requests a second” on the webhook, or have the cloud raise its quota."),
    ErrorClass.TOO_LARGE: ("Message too large", "Send only some fields of the event."),
    ErrorClass.DESTINATION_REFUSED: (
        "Message refused",
        "The answer below says why. Often a setting of the bus, queue or topic doesn't fit.",
    ),
    ErrorClass.DESTINATION_FAILED: ("Destination failed", "It often passes by itself. The answer below says more."),
    ErrorClass.INTERRUPTED: (
        "Interrupted on our side",
        "Our worker stopped in the middle; the message may have arrived, and be sent again: drop duplicates by id.",
    ),
    ErrorClass.INTERNAL: ("Our fault", "The request could not be made on our side. Tell the platform's staff."),
}

STATUS_ADVICE: dict[int, str] = {
    400: "Your endpoint could not read the message. Compare the body below with what your code expects.",
    401: "Your endpoint rejected the signature. Check that it uses this webhook's present secret and the raw body; "
    "where the webhook signs in, that your endpoint knows its user, token or client.",
    403: "Your endpoint refused us. A firewall, a signature check with an old secret or missing rights are the usual "
    "causes.",
    404: "Nothing answers at this path. Correct the URL, or deploy the route.",
    405: "The address exists but takes no POST. Webhooks are sent as POST.",
    408: "Your endpoint gave up waiting for the request. Raise its time limit, or look at the proxy before it.",
    410: "Your endpoint says that the address is gone for good, which switches the webhook off. Correct the URL and "
    "switch it on, or delete it.",
    413: "The message is too large for your endpoint. Raise its limit for request bodies, or send only some fields.",
    415: "Your endpoint refuses application/json. Have it accept that content type.",
    422: "Your endpoint could read the message but refuses its content. Its answer often says which field.",
    429: "Your endpoint asks us to slow down. Set “Requests a second” on the webhook.",
    500: "Your code failed. Its error log has the reason; fix it there.",
    502: "A proxy before your endpoint got no good answer from it. Check that your application runs behind the proxy.",
    503: "Your endpoint is overloaded or in maintenance. Bring it back, or protect it: “Requests a second” on the "
    "webhook slows us down.",
    504: "A proxy before your endpoint waited too long for it. Answer first and work afterwards.",
}

TONES: dict[str, str] = {
    "delivered": "success",
    "pending": "info",
    "sending": "info",
    "retrying": "warning",
    "dead": "danger",
    "discarded": "default",
    "skipped": "default",
    "cancelled": "default",
}

URGENT = ("dead", "retrying", "pending", "sending", "cancelled", "discarded", "delivered", "skipped")
"""Statuses in the order in which they ask for attention."""


REMEDIES: dict[str, tuple[str, str]] = {
    "signing": ("Check the secret", "#signing"),
    "settings": ("Change the settings", "#settings"),
}
"""Where one acts on a failure: what the link says, and the part of the webhook's page it leads to."""

_PLACES: dict[str, str] = {
    ErrorClass.DNS_FAILED: "settings",
    ErrorClass.ADDRESS_REFUSED: "settings",
    ErrorClass.CONNECT_REFUSED: "settings",
    ErrorClass.INVALID_RESPONSE: "settings",
    ErrorClass.REDIRECT: "settings",
    ErrorClass.RESPONSE_TIMEOUT: "settings",
    ErrorClass.TOO_LARGE: "settings",
    ErrorClass.THROTTLED: "settings",
    ErrorClass.TOKEN_UNAVAILABLE: "settings",
    ErrorClass.CERTIFICATE_EXPIRED: "settings",
    ErrorClass.TRANSFORMATION_FAILED: "settings",
}
_STATUS_PLACES: dict[int, str] = {
    401: "signing",
    403: "signing",
    404: "settings",
    405: "settings",
    410: "settings",
    413: "settings",
    429: "settings",
}


def error_title(error: str) -> str:
    """Return the error in two or three words."""
    return ERRORS.get(error, (error.replace("_", " ").capitalize(), ""))[0]


def advice(error: str, status_code: int | None) -> str:
    """Return what the receiver's side can do about it; empty when nothing needs doing."""
    if not error:
        return ""
    if status_code and error in {ErrorClass.HTTP_ERROR, ErrorClass.REDIRECT}:
        if 300 <= status_code < 400:
            return ERRORS[ErrorClass.REDIRECT][1]
        return STATUS_ADVICE.get(status_code, ERRORS[ErrorClass.HTTP_ERROR][1])
    return ERRORS.get(error, ("", ""))[1]


def remedy(error: str, status_code: int | None) -> tuple[str, str] | None:
    """Return where one acts on a failure, as of REMEDIES; None where that is not on the webhook's page."""
    place = _PLACES.get(error)
    if status_code and error == ErrorClass.HTTP_ERROR:
        place = _STATUS_PLACES.get(status_code)
    return REMEDIES[place] if place else None


def response_times(summary: Summary, shares: tuple[float, ...] = (0.5, 0.95)) -> tuple[str, str]:
    """Return response times, and what they are: percentiles, or the mean where there are too few values for those."""
    times = [meant_percentile(summary.bands, share) for share in shares]
    if None not in times:
        return " / ".join(map(milliseconds, times)), " / ".join(f"p{share * 100:.0f}" for share in shares)
    if not summary.measured:
        return DASH, "nothing was measured"
    return milliseconds(summary.average_ms), f"on average, of {summary.measured:,}"


def milliseconds(value: float | None) -> str:
    """Write a duration: `12 ms`, `1.25 s`; a dash for None."""
    if value is None:
        return DASH
    if value < 10:
        return f"{value:.1f} ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"
