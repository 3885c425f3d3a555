from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from subscriptions.event_types.reference import render

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_in_the_docs_is_current():
    assert (ROOT / "docs" / "events.md").read_text("utf-8") == render(), (
        "run: python -m subscriptions.event_types > docs/events.md"
    )


def test_the_reference_is_printed_by_the_package_without_django_and_in_any_locale():
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = (
        "import runpy, sys\n"
        "sys.modules['django'] = None  # an import of it would fail\n"
        "runpy.run_module('subscriptions.event_types', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=False, timeout=60
    )
    assert (done.stderr, done.returncode) == (b"", 0)
    assert done.stdout.decode() == render()
