"""One shape for every error: `{"type", "errors": [{"code", "detail", "attr"}]}` (drf-standardized-errors).

400: not JSON, a query parameter that there is not, or that says no page, or too many of them. 422: well-formed, but
can't be done as asked; `attr` names the field or the filter. 404 covers what isn't there and what is somebody else's.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import UnreadablePostError
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions, status

from subscriptions import too_slow
from subscriptions.limits import Quota


class Conflict(exceptions.APIException):
    """What is asked contradicts the present state."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This contradicts the present state."
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """The resource changed since the caller read it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The resource has changed since you read it. Read it again, then repeat the change."
    default_code = "precondition_failed"


class TooLarge(exceptions.APIException):
    """The request's body is over the limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class LengthRequired(exceptions.APIException):
    """A body in chunks, whose size isn't known beforehand."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the body with a Content-Length instead of in chunks."
    default_code = "length_required"


class LimitReached(exceptions.Throttled):
    """A rate limit is reached; Retry-After tells in whole seconds when the next request may pass."""

    default_detail = "Too many requests."
    default_code = "rate_limited"

    def __init__(self, quota: Quota) -> None:
        super().__init__(wait=quota.blocked_for)


class Unavailable(exceptions.APIException):
    """The database is away, or takes no writes; Retry-After tells when to ask again."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The service can't do this at the moment. Repeat the request in a few seconds."
    default_code = "unavailable"
    wait = 2
    """Seconds; REST framework makes the header Retry-After of it."""


class TooSlow(exceptions.APIException):
    """A statement took longer than somebody waits for it."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = too_slow.TOLD
    default_code = "too_slow"


class InvalidQuery(exceptions.ValidationError):
    """A query parameter that there is not, or that says no page: no filter."""


class Handler(ExceptionHandler):
    """Brings Django's and our own exceptions into the one shape."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return the REST framework exception that says the same as `exc`."""
        match exc:
            case DjangoValidationError():
                exc = exceptions.ValidationError(_details(exc))
            case OperationalError() if too_slow.is_too_slow(exc):
                exc = TooSlow()
            case RequestDataTooBig():
                exc = TooLarge("The body is larger than one request may be. Split it.")
            case UnreadablePostError():
                exc = exceptions.ParseError("The body broke off before its announced end.")
            case SuspiciousOperation() | BadRequest():
                exc = exceptions.ParseError(told(exc))
            case _:
                exc = super().convert_known_exceptions(exc)
        if isinstance(exc, exceptions.ValidationError) and not isinstance(exc, InvalidQuery):
            exc.status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
        return exc

    def should_not_handle(self, exc: Exception) -> bool:
        """Answer everything in the one shape, with DEBUG as well."""
        return False


def told(error: Exception | None) -> str:
    """Return what a client is told of a request that Django refused: Django's own words name settings and hosts."""
    if isinstance(error, TooManyFieldsSent):
        return f"A request has at most {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} parameters."
    return "This request can't be read as it was sent."


def _details(error: DjangoValidationError) -> Any:
    if not hasattr(error, "error_dict"):
        return [exceptions.ErrorDetail(text, "invalid") for text in error.messages]
    fields = {
        name: [exceptions.ErrorDetail(text, item.code or "invalid") for item in items for text in item.messages]
        for name, items in error.error_dict.items()
    }
    general = fields.pop(NON_FIELD_ERRORS, None)
    if general:
        fields["non_field_errors"] = general
    return fields
