"""The running product with a real browser before it: web, worker, receivers, Chromium. Nothing here is a stand-in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, sync_playwright
from psycopg import sql

from tests.browser.receiver import Receiver
from tests.support.processes import ROOT, Web, environment, wait_for, web, worker

PASSWORD = "a-long-pass-phrase-2026"
HERE = Path(__file__).parent
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STEP = 20_000
"""Milliseconds a step of a journey may take; a busy machine needs them."""


@dataclass
class House:
    """The product's processes, and what a person needs to walk in."""

    web: Web
    variables: dict[str, str]
    people: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    merchants: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    def command(self, *words: str) -> str:
        """Run a command of manage.py and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_shop(self, name: str) -> None:
        """Create a merchant with an owner."""
        email = f"{name}@shop.example"
        made = json.loads(self.command("create_merchant", name, "--email", email, "--password", PASSWORD, "--json"))
        self.people[name], self.keys[name], self.merchants[name] = made["username"], made["api_key"], made["merchant"]

    def call(self, name: str, path: str, body: Any = None) -> Any:
        """Ask the REST API with a merchant's key; POST where there is a body."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.keys[name]}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def publish(self, name: str, event: str, data: dict[str, Any]) -> str:
        """Publish an event over REST and return its id."""
        return self.call(name, "events", {"event": event, "data": data})["id"]

    def wait_for_dead_letters(self, name: str, count: int) -> None:
        """Wait until so many dead letters are open."""

        def there() -> bool:
            return len(self.call(name, "dead-letters")["results"]) >= count

        wait_for(there, 60, f"{count} dead letters")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Give the house a database of its own, on the server that DATABASE_URL names."""
    server = os.environ["DATABASE_URL"]
    name = f"browser_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    with database() as address:
        # DEBUG serves the static files without collecting them first; everything else is as in production.
        variables = environment(DATABASE_URL=address, DEBUG="true", WEBHOOKS_SOURCE_IPS="203.0.113.7")
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=variables, check=True)
        with web(variables) as server, worker(variables):
            assert isinstance(server, Web)
            made = House(server, variables)
            made.open_shop("aster")
            made.open_shop("borage")
            yield made


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not on PATH; install Debian's package chromium")
    browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
    yield browser
    browser.close()


class Visit:
    """A person at the desk. Notes every request and every complaint of the page."""

    def __init__(self, house: House, chromium: Browser, **options: Any) -> None:
        self.house = house
        self.context: BrowserContext = chromium.new_context(viewport={"width": 1440, "height": 900}, **options)
        self.context.set_default_timeout(STEP)
        self.page: Page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", self._note)
        self.context.on("requestfailed", self._note_failure)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def _note(self, request: Request) -> None:
        if not request.url.startswith((self.house.url + "/", "data:", "blob:" + self.house.url)):
            self.elsewhere.append(request.url)

    def _note_failure(self, request: Request) -> None:
        """Forget a request that the page's policy kept from leaving."""
        if request.failure == "csp" and request.url in self.elsewhere:
            self.elsewhere.remove(request.url)

    def sign_in(self, username: str, password: str = PASSWORD) -> Page:
        self.page.goto(f"{self.house.url}/admin/login/")
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{self.house.url}/admin/")
        return self.page

    def go(self, path: str) -> Page:
        answer = self.page.goto(f"{self.house.url}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.elsewhere == [], "a request left for another host"
        assert self.complaints == [], "the page complained"


@pytest.fixture
def visit(house: House, chromium: Browser) -> Iterator[Visit]:
    made = Visit(house, chromium)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, installed by npm on first use."""
    source = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not on PATH; install it to check accessibility")
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run([npm, "install", *quiet], cwd=HERE, check=True, timeout=300)
    return source.read_text()
