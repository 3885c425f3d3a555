"""The wheel, built once, and environments that hold it: what these tests know of the checkout is its pyproject.toml."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from webhooks_project.embedded import EmbeddedValkey
from webhooks_project.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: Any, **options: Any) -> str:
    """Run a command to its end and return what it wrote; fail with all of it where it fails."""
    done = subprocess.run(
        [str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        **{"timeout": 900, "env": clean(), **options},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def clean(**more: str) -> dict[str, str]:
    """The environment without what tests of this checkout set."""
    ours = re.compile("WEBHOOKS_|DJANGO_|PYTHON|REDIS_|DATABASE_|CELERY_|SECRET_KEY|DEBUG|ALLOWED_HOSTS|VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not ours.match(name)} | more


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        run(python, "-m", "venv", folder)
        self.python = folder / "bin" / "python"

    def install(self, *what: Any) -> None:
        run(self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in isolation from a copy of what git knows."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "bench/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, source)
    [made] = out.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, str]]:
    """PostgreSQL and Valkey, by the names of their variables."""
    with EmbeddedPostgres() as postgres, EmbeddedValkey() as valkey:
        yield {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}


def lowest() -> list[str]:
    """The lowest release that each direct requirement of the wheel allows."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["admin"], *extras["service"]]
    found = [re.match(r"([\w-]+)(?:\[\w+\])?\s*>=\s*([\w.]+)", line) for line in lines]
    return [f"{each[1]}=={each[2]}" for each in found if each]
