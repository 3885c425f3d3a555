"""SQL by name: statements stand in `.sql` files beside the modules that run them, ready to paste into psql.

A file holds statements that begin with `-- name: NAME`; parameters are psycopg's, `%(name)s`.
"""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(module_file: str, name: str) -> dict[str, str]:
    """Return the statements of the file `name` that lies beside a module, by their names.

    Args:
        module_file: The module's `__file__`.
        name: The file, such as `claim.sql`.

    Raises:
        ValueError: When a name is given twice, or text stands before the first name.
    """
    text = Path(module_file).with_name(name).read_text(encoding="utf-8")
    before, *parts = _NAME.split(text)
    if before.strip():
        raise ValueError(f"{name}: text before the first `-- name:` line")
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{name}: a name is given twice")
    return dict(zip(names, (statement.strip() for statement in statements), strict=True))
