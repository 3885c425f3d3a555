"""`python -m webhooks_project.server`: the web process, or several."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile

from webhooks_project.server import processes


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="webhooks_project.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="web processes (%(default)s)")
    parser.add_argument(
        "--pages", type=int, help="page processes; 0: web processes make pages (as many as web; 0 for one web process)"
    )
    parser.add_argument("--grace", type=float, default=30.0, help="seconds open requests have when asked to stop")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    try:
        listener = processes.listen(options.host, options.port)
    except OSError as error:
        parser.exit(1, f"Can't listen on {options.host}:{options.port}: {error}\n")
    if options.processes <= 1 and not options.pages:
        processes.serve(listener, options.grace)
        return 0
    return _run(listener, options)


def _run(listener: socket.socket, options: argparse.Namespace) -> int:
    pages = options.processes if options.pages is None else options.pages
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        inner, path = processes.listen_for_pages(folder)

        def be(kind: str, pipe: int) -> None:
            if kind == processes.PAGES:
                processes.make_pages(inner, listener.getsockname()[:2], options.grace, pipe)
            else:
                processes.serve(listener, options.grace, pipe, pages=path if pages else "")

        counts = {processes.WEB: options.processes, processes.PAGES: pages}
        return processes.Parent(counts, be).run()


if __name__ == "__main__":
    sys.exit(main())
