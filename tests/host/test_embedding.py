"""docs/embedding.md: its steps, run as they are printed, in an empty folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import ROOT, clean
from tests.host.test_host import until
from webhooks_project.embedded import free_port

pytestmark = pytest.mark.wheel

PAGE = (ROOT / "docs" / "embedding.md").read_text()
LINES_MAX = 10
"""Of settings, addresses and Celery, that a project needs."""


def blocks(heading: str) -> list[tuple[str, str]]:
    """The code of a section: its language and text."""
    [section] = re.findall(rf"^## {heading}.*?\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def newest_python() -> str:
    """A Python that works: shims of version managers may lead nowhere."""
    for name in ("python3.13", "python3.12"):
        found = shutil.which(name)
        if found and subprocess.run([found, "-m", "venv", "--help"], capture_output=True, check=False).returncode == 0:
            return found
    return sys.executable


class Folder:
    """An empty folder, and a shell in it."""

    def __init__(self, place: Path, wheel: Path) -> None:
        self.place = place
        self.web, self.listener = free_port(), free_port()
        programs = place.parent / f"{place.name}-bin"
        programs.mkdir()
        (programs / "python").symlink_to(newest_python())
        paths = {"PATH": f"{programs}:{os.environ['PATH']}", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        self.variables = clean(WHEEL=str(wheel), PYTHONUNBUFFERED="1", **paths)

    def _here(self, code: str) -> str:
        return code.replace("8000", str(self.web)).replace("9000", str(self.listener))

    def shell(self, code: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", self._here(code)], cwd=self.place, env=self.variables,
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        return done.stdout

    def add(self, name: str, code: str) -> None:
        with (self.place / name).open("a") as file:
            file.write(f"\n{code}")

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[Path]:
        log = self.place / f"{len(list(self.place.glob('*.log')))}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-euc", f"exec {self._here(command)}"], cwd=self.place, env=self.variables,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                yield log
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)


def test_the_steps_lead_from_an_empty_folder_to_a_delivery(wheel: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "empty", wheel)
    folder.place.mkdir()
    (
        (_, make),
        (_, settings),
        (_, urls),
        (_, celery),
        (_, servers),
        (_, tables),
        (_, view),
        (_, processes),
        (_, calls),
    ) = blocks("The apps")
    lines = [line for code in (settings, urls, celery) for line in code.split("\n") if line.strip()]
    assert len(lines) <= LINES_MAX
    folder.shell(make)
    folder.add("shop/settings.py", settings)
    folder.add("shop/urls.py", urls)
    folder.add("shop/__init__.py", celery)
    with folder.running(servers.strip()) as said:
        until(lambda: "run; their data" in said.read_text())
        folder.variables["API_KEY"] = json.loads(folder.shell(tables).strip().split("\n")[-1])["api_key"]
        folder.add("shop/views.py", view)
        folder.add("shop/urls.py", 'from shop import views\nurlpatterns += [path("orders/", views.order)]\n')
        web, worker, listen = processes.strip().split("\n")
        with folder.running(web) as served, folder.running(worker) as working, folder.running(listen) as heard:
            until(lambda: "Starting development server" in served.read_text())
            until(lambda: "[queues]" in working.read_text())
            until(lambda: "istening" in heard.read_text())
            folder.shell(calls)
            until(lambda: "1045" in heard.read_text())
            time.sleep(2)  # what was refused would have come by now
            assert "refused" not in heard.read_text()


def test_the_services_snippets_publish_and_drop_what_comes_twice(tmp_path: Path) -> None:
    import http.server
    import threading

    got: list[tuple[str, dict[str, str], object]] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.path, dict(self.headers), body))
            self._answer({"id": body["id"], "event": body["event"], "deliveries": 1, "duplicate": False})

        def do_GET(self) -> None:
            self._answer({"results": [{"event": "order.created", "error": "timeout"}], "next": None})

        def _answer(self, value: object) -> None:
            text = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/api/v1"
    try:
        (_, python), (_, javascript) = blocks("The service")
        exec(compile(python, "embedding.md", "exec"), {"API": address, "KEY": "ak_live_x"})
        script = tmp_path / "snippet.mjs"
        script.write_text(f"const API = '{address}', KEY = 'ak_live_x';\n{javascript}")
        if node := shutil.which("node"):
            subprocess.run([node, script], check=True, timeout=60)
    finally:
        server.shutdown()
        server.server_close()
    assert len(got) >= 1
    for path, headers, body in got:
        assert (path, headers["Authorization"]) == ("/api/v1/events", "Bearer ak_live_x")
        assert body == {
            "event": "order.created",
            "data": {"order": {"id": "1045", "total": "49.99"}},
            "id": "order-1045-created",
        }
