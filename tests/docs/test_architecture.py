"""docs/architecture.md and CONTRIBUTING.md name only files that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"]
FOLDERS = ("deliveries", "subscriptions", "webhooks_project", "examples", "tests", "docs")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_the_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = {
        path
        for path in re.findall(r"`([\w./*-]+/[\w./*-]*)`", text)
        if path.startswith(tuple(f"{folder}/" for folder in FOLDERS))
    }
    assert named
    assert (
        sorted(path for path in named if not list(ROOT.glob(path.rstrip("/"))) and not (ROOT / f"{path}.py").exists())
        == []
    )


@pytest.mark.parametrize("page", [*PAGES, *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))])
def test_every_link_of_the_page_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()]
    assert missing == []


def test_the_module_map_names_every_package_and_module_of_the_stages() -> None:
    """So that the map doesn't fall behind the tree; `admin`, `api` and `management` are summed up."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `deliveries/(\w+)/` \|(.*)$", text, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "deliveries").glob("*/__init__.py")} - {"migrations"}
    assert set(rows) == packages
    absent = {
        f"{package}/{module.stem}"
        for package in packages - {"admin", "api", "management"}
        for module in (ROOT / "deliveries" / package).glob("[!_]*.py")
        if f"`{module.stem}`" not in rows[package]
    }
    assert absent == set()
