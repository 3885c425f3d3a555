"""`python -m webhooks_project.server`: the web process, or several."""

from __future__ import annotations

import argparse
import os
import sys

from webhooks_project.server import processes
from webhooks_project.server.family import PAGES, WEB, Family
from webhooks_project.server.parent import HANDOVER, Parent, handed_over


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
    parser.add_argument("--check", action="store_true", help="only see whether it can start with the settings")
    parser.add_argument(HANDOVER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    pages = options.pages
    if pages is None:
        pages = options.processes if options.processes > 1 else 0
    if options.check:
        processes.check(options.processes + pages)
        return 0
    former = None
    if options.handover:
        listener, former = handed_over(options.handover)
    else:
        try:
            listener = processes.inherited() or processes.listen(options.host, options.port)
        except ValueError as error:
            parser.exit(1, f"Can't listen: {error}\n")
        except OSError as error:
            parser.exit(1, f"Can't listen on {options.host}:{options.port}: {error}\n")
    if options.processes <= 1 and not pages:
        processes.serve(listener, options.grace)
        return 0

    def be(kind: str, family: Family) -> None:
        if kind == PAGES:
            processes.make_pages(family.socket(), listener.getsockname()[:2], options.grace, family)
        else:
            path = family.path if pages else ""
            processes.serve(listener, options.grace, family, pages=path, count=options.processes + pages)

    return Parent({WEB: options.processes, PAGES: pages}, be, listener, former).run()


if __name__ == "__main__":
    sys.exit(main())
