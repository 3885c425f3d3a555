"""Logging: structlog over the standard library, a line a fact; JSON in production, colours in development."""

from __future__ import annotations

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

_TOKEN: Final = re.compile(r"(/(?:portal|invitations|password_reset/[^/\s?#\"'\\]+)/)[^/\s?#\"'\\]+")
"""What lets somebody in stands in these addresses: whoever reads logs, or Sentry, must not come in by it."""


STRANGERS: Final = tuple(
    f"django.security.{name}"
    for name in (
        "DisallowedHost",
        "RequestDataTooBig",
        "TooManyFieldsSent",
        "TooManyFilesSent",
        "SuspiciousMultipartForm",
        "SuspiciousOperation",
        "SuspiciousFileOperation",
        "SuspiciousSession",
        "InvalidSessionKey",
        "DisallowedRedirect",
        "DisallowedModelAdminLookup",
        "DisallowedModelAdminToField",
    )
)
"""Loggers that say what strangers do, not what is wrong here: a warning in one line, and nothing to Sentry."""


class StrangersFault(logging.Filter):
    """Makes an error with a traceback, as Django logs it, a warning."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; none is left out."""
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        return True


def without_tokens(value: Any) -> Any:
    """Return text, or a structure of it, without the tokens of addresses that it names."""
    if isinstance(value, str):
        return _TOKEN.sub(r"\1…", value) if "/" in value else value
    if isinstance(value, dict):
        return {name: without_tokens(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_tokens(each) for each in value]
    return value


def _hide_tokens(_logger: Any, _method: str, fields: Any) -> Any:
    return without_tokens(fields)


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING dictionary.

    Every record, ours or a library's, passes the same renderer, which escapes line breaks: a receiver's answer can't
    forge a log line.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.processors.KeyValueRenderer(key_order=["event"])
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _hide_tokens,  # also those that an exception's text names
                    renderer,
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "filters": {"strangers_fault": {"()": StrangersFault}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "celery": {"level": "WARNING"},
            "celery.app.base": {"level": "ERROR"},  # on RabbitMQ a warning a countdown (docs/adr/0044)
            "kombu": {"level": "WARNING"},
            "urllib3": {"level": "ERROR"},
            "django": {"handlers": [], "level": "INFO"},  # else each line comes twice with DEBUG
            "django.request": {"level": "ERROR"},
            **{name: {"filters": ["strangers_fault"]} for name in STRANGERS},
        },
    }


def take_over() -> None:
    """Let warnings, and exceptions that nobody caught, be lines of the log like all others; once a process."""
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_on_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("uncaught_exception", exc_info=(kind, error, trace))


def _uncaught_on_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_type is not SystemExit:
        name = given.thread.name if given.thread else ""
        trace = (given.exc_type, given.exc_value, given.exc_traceback)
        log.critical("uncaught_exception", thread=name, exc_info=trace)
