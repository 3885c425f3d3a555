"""Collects the sentences that a module or a template can say, as patterns that match whatever values are put in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WORDS_MIN = 3
"""Text of fewer words is a piece of a sentence, a name or a separator."""


def of_module(module: Any) -> list[re.Pattern[str]]:
    """Return a pattern for each text of three words or more that stands in a module's code; docstrings say nothing."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    docstrings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    silent = {id(value) for value in docstrings if isinstance(value, ast.Constant)}
    for call in ast.walk(tree):  # what is raised, logged or matched isn't said here
        if isinstance(call, ast.Raise) or (isinstance(call, ast.Call) and ast.unparse(call.func) in {"re.compile"}):
            silent |= {id(node) for node in ast.walk(call)}
    return [_pattern(parts) for parts in _texts(tree, silent) if len(" ".join(parts).split()) >= WORDS_MIN]


def of_template(path: Path) -> list[re.Pattern[str]]:
    """Return a pattern for each piece of text of three words or more between a template's tags."""
    pieces = re.split(r"\{%.*?%\}|\{\{.*?\}\}|\n", path.read_text("utf-8"))
    return [re.compile(re.escape(piece.strip())) for piece in pieces if len(piece.split()) >= WORDS_MIN]


def unsaid(patterns: Iterable[re.Pattern[str]], said: Iterable[str]) -> list[str]:
    """Return what of the patterns nobody said."""
    text = "\n".join(said)
    return [pattern.pattern for pattern in patterns if not pattern.search(text)]


def _texts(node: ast.AST, silent: set[int]) -> Iterator[list[str]]:
    if id(node) in silent:
        return
    if isinstance(node, ast.JoinedStr):
        yield [str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values]
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value, silent)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.split(r"\{[^}]*\}", node.value)
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, silent)


def _pattern(parts: list[str]) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in parts), re.IGNORECASE)
