"""Loggers that write a fact with its values; how lines look is the project's affair."""

from __future__ import annotations

import logging
from typing import Any

import structlog


def get_logger(name: str) -> Any:
    """Return a logger: `log.info("worker_ready", queues=…)`.

    Where the project has configured structlog, as the service does, its processors render the line. Elsewhere it goes
    to the standard library's logger of that name as plain text, under whatever LOGGING says there.
    """
    return structlog.wrap_logger(
        logging.getLogger(name), processors=[_render], wrapper_class=structlog.stdlib.BoundLogger, context_class=dict
    )


def _render(logger: Any, method: str, fields: Any) -> Any:
    if structlog.is_configured():
        for processor in structlog.get_config()["processors"]:
            fields = processor(logger, method, fields)
        return fields
    fields = structlog.stdlib.filter_by_level(logger, method, fields)
    options = {name: fields.pop(name) for name in ("exc_info", "stack_info") if name in fields}
    # As Python writes them: a line break in what an endpoint answered forges no line.
    return (" ".join([fields.pop("event"), *(f"{name}={value!r}" for name, value in fields.items())]),), options
