"""One Node process that answers line by line, so that thousands of questions cost one start."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import pytest

HERE = Path(__file__).parent


class NodeScript:
    """A script of this folder: one JSON value a line in, one a line out."""

    def __init__(self, name: str) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("node is not on PATH; install nodejs to compare with a real JavaScript engine")
        self._process = subprocess.Popen(
            [node, str(HERE / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)
