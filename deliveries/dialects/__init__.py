"""Dialects: what goes over the wire. Pure functions from a message to exact bytes and headers; no models, no Django.

A dialect is one module with one `DIALECT`; its signature is made in that module's `sign` (alva: `seal`).
"""

from typing import Final

from deliveries.dialects import alva, cryptlex, litestore, shopery, standard
from deliveries.dialects.base import BodyStyle, Dialect, Encoded, Message
from deliveries.dialects.headers import check_custom_headers, merge_headers

__all__ = [
    "CHOICES",
    "NAMES",
    "BodyStyle",
    "Dialect",
    "Encoded",
    "Message",
    "check_custom_headers",
    "get",
    "merge_headers",
]

_DIALECTS: Final = {module.DIALECT.name: module.DIALECT for module in (standard, alva, litestore, cryptlex, shopery)}

NAMES: Final = tuple(_DIALECTS)
CHOICES: Final = [(dialect.name, dialect.label) for dialect in _DIALECTS.values()]


def get(name: str) -> Dialect:
    """Return a dialect by its name. Raises ValueError naming those there are."""
    try:
        return _DIALECTS[name]
    except KeyError:
        raise ValueError(f"dialect: {name!r} is not known; choose one of {', '.join(NAMES)}.") from None
