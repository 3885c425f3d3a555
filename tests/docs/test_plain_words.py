"""People read plain standard English: none of the words below, wherever text is for people."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    r"mend(s|ed|ing)?": "fix, repair, correct",
    r"told": "shown, answered, notified",
    r"wish(es|ed)?": "request, want",
    r"doors?": "entry, sign-in, API",
    r"hearts?": "core",
    r"died of": "failed with",
    r"lately": "in the last hours",
    r"st(and|ands|ood)": "is, are, was",
    r"burial|pacemaker|fuse": "the glossary's word",
}
"""Words that pages, mails, documents and commands don't use → what to write in their place."""
_WORDS = re.compile(rf"(?<![\w`{{])({'|'.join(FORBIDDEN)})(?![\w`}}])", re.IGNORECASE)
_CODE = re.compile(r"```.*?```|`[^`]*`|\{[{%#].*?[}%#]\}|<[^>]*>", re.DOTALL)

DOCUMENTS = [
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "glossary.md"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", ".env.example", "docker-compose.yml")),
]
TEMPLATES = [
    path
    for package in ("deliveries", "subscriptions", "webhooks_project", "examples")
    for pattern in ("*.html", "*.txt")
    for path in sorted((ROOT / package).rglob(f"templates/**/{pattern}"))
]
MODULES = [
    path
    for package in ("deliveries", "subscriptions", "webhooks_project", "examples")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts and "models" not in path.parts  # help texts of columns, which no page shows
]
METHODS = {"get", "post", "put", "patch", "delete"}
CATALOGUES = sorted((ROOT / "subscriptions/event_types").glob("*.json"))


def found(text: str) -> list[str]:
    return [text[max(0, match.start() - 40) : match.end() + 40] for match in _WORDS.finditer(text)]


@pytest.mark.parametrize("path", [*DOCUMENTS, *TEMPLATES, *CATALOGUES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_page_or_mail_uses_a_forbidden_word(path: Path) -> None:
    assert found(_CODE.sub(" ", path.read_text("utf-8"))) == []


def test_no_text_of_a_module_that_people_read_uses_a_forbidden_word() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {each}" for path in MODULES for text in texts(path) for each in found(text)
    ] == []


_SOMEBODY_ELSE = re.compile(r"\bthe receiver|\b[Yy]our server (answer|reject|refuse|could|is|says|asks)", re.IGNORECASE)


def test_what_merchants_read_calls_their_server_their_endpoint() -> None:
    """A receiver is who writes or runs one; the documents for them say so."""
    modules = [path for path in MODULES if not {"management", "api", "storefront"} & set(path.parts)]
    lines = [(path, text) for path in modules for text in texts(path)]
    lines += [(path, _CODE.sub(" ", path.read_text("utf-8"))) for path in TEMPLATES]
    assert [f"{path.relative_to(ROOT)}: {text}" for path, text in lines if _SOMEBODY_ELSE.search(text)] == []


_PLURALS = "attempts|rows|events|deliveries|webhooks|links|times|bytes|merchants|people|keys|secrets|hours|minutes"
_UNCOUNTED = re.compile(rf"\}}\}}(?:</\w+>)? (?:failed |more |dead )?({_PLURALS})\b")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_number_and_its_noun_agree(path: Path) -> None:
    """`{{ n }} attempts` says "1 attempts"; what is shown only where the number is larger says so around it."""
    text = re.sub(r"\{% if [\w.]+ > 1 %\}.*?\{% endif %\}", "", path.read_text("utf-8"))
    assert _UNCOUNTED.findall(text) == []


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module that look like sentences, and docstrings of views, which the API's page shows."""
    tree = ast.parse(path.read_text("utf-8"))
    silent = {id(doc) for node in ast.walk(tree) for doc in _docstrings(node)}
    if "api" in path.parts:
        views = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in METHODS]
        silent -= {id(doc) for node in views for doc in _docstrings(node)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
        if is_text and " " in node.value.strip():
            yield node.value


def _docstrings(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the docstring of a module, class or function, and those of the constants in it."""
    body = getattr(node, "body", None)
    for child in body if isinstance(body, list) else ():
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            yield child.value


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("What a mend told us.", 2),
        ("It stood at the door.", 2),
        ("The standard understands `stand` and amendments.", 0),
        ("Instead of a heartbeat, withstand it.", 0),
    ],
)
def test_the_check_finds_words_and_not_their_parts(text: str, count: int) -> None:
    assert len(found(_CODE.sub(" ", text))) == count
