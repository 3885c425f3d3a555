"""The one exit for HTTP: vets where a request goes, ends it in time, and returns a typed outcome.

Nothing else in the house may import an HTTP client. This package knows no Django and no models.
"""

from .addresses import AddressPolicy, AddressRefused
from .client import Transport
from .outcome import KEEP_BYTES, MANAGED_HEADERS, READ_BYTES, ClientCertificate, ErrorClass, Outcome, Request
from .pool import MAX_KEPT
from .urls import UrlRefused, check_url

__all__ = [
    "KEEP_BYTES",
    "MANAGED_HEADERS",
    "MAX_KEPT",
    "READ_BYTES",
    "AddressPolicy",
    "AddressRefused",
    "ClientCertificate",
    "ErrorClass",
    "Outcome",
    "Request",
    "Transport",
    "UrlRefused",
    "check_url",
]
