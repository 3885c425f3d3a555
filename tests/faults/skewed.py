"""Runs a module as `python -m` does, on a host whose clock is wrong: `python -m tests.faults.skewed SECONDS MODULE …`.

The wall clock of the whole process, its threads and its forks is SECONDS ahead (behind, if negative) and ticks on. The
monotonic clock is as it was, as on any host.
"""

from __future__ import annotations

import runpy
import sys
import time

import time_machine


def main() -> None:
    seconds, module = float(sys.argv[1]), sys.argv[2]
    time_machine.travel(time.time() + seconds, tick=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
