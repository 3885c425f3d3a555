"""The stage: starts what the demo needs, plays the story, and takes everything down again."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from rich.console import Console
from rich.live import Live

from deliveries.management.demo import cast as casting
from deliveries.management.demo import environment, expectations, processes, screen, story
from deliveries.retries.policy import DEFAULT_POLICY
from webhooks_project import embedded
from webhooks_project.embedded.postgres import EmbeddedPostgres

REDRAWS = 4
"""Times a second that the screen may change."""


class Stage:
    """The demo between `__enter__` (all processes answer) and `__exit__` (none is left): a context manager.

    Raises CommandError when something can't be started, with the tail of its log.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except embedded.EmbeddedServerError as error:
            self._take_down()
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            self._take_down()
            raise CommandError(f"The database can't be used: {error}") from error
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._take_down()

    def _set_up(self) -> None:
        began = time.monotonic()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what they put behind with it ignored
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
        self.logs = environment.folder()
        self._stack.enter_context(environment.alone(self.logs))
        port = processes.web_port()
        variables = environment.for_children(self._postgres(), self._redis(), port)
        environment.adopt(variables)
        call_command("migrate", verbosity=0)
        self.web = processes.Web(variables, self.logs, port)
        self.children = [
            self.web,
            processes.Worker(variables, self.logs),
            processes.beat(variables, self.logs),
        ]
        self._stack.callback(processes.stop_all, self.children)
        processes.start_all(self.children)
        self.cast = casting.assemble()
        self._stack.callback(self.cast.stop)
        consumer = processes.consumer(variables, self.logs, self.web, self.cast)
        self.children.append(consumer)
        processes.start_all([consumer])
        self.console.print(
            "Web, worker, beat, five receivers, three event buses and a feed's consumer are up after "
            f"{time.monotonic() - began:.0f} s; "
            f"the admin is at {self.web.url}/admin/.",
            soft_wrap=True,
        )

    def _redis(self) -> str | None:
        """Start Valkey where no Redis is named, and let commands in other terminals find it."""
        if not environment.needs_redis():
            return None
        if running := embedded.running_url("redis"):
            raise CommandError(
                f"This checkout's processes are up already, with Valkey at {running} (make run?). End them first."
            )
        valkey = self._stack.enter_context(embedded.EmbeddedValkey())
        embedded.announce("redis", valkey.url)
        return str(valkey.url)

    def _postgres(self) -> str | None:
        """Start PostgreSQL where no database is named, and let commands in other terminals find it."""
        if not environment.needs_database():
            return None
        server = self._stack.enter_context(EmbeddedPostgres(data=settings.STATE_DIR / "postgres"))
        embedded.announce("postgres", server.url)
        return str(server.url)

    def _take_down(self) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # one Ctrl-C is enough
        try:
            self._stack.close()
        finally:
            signal.signal(signal.SIGINT, before)

    def play(self) -> bool:
        """Publish, watch, fix, replay, decide; print a summary and return whether every expectation held."""
        began = time.monotonic()
        with self._live() as redraw:
            told = story.publish_examples(self.cast)
            settled = story.wait_until_settled(told, redraw)
            found = list(expectations.before_the_replay(self.cast, told))
            if settled:
                story.mend_and_replay(self.cast, told)
                story.wait_until_settled(told, redraw)
            found += expectations.after_the_replay(self.cast, told, self.web, self.children)
        if not self.console.is_terminal:
            self.console.print(screen.tables(self.cast))
        self.console.print(screen.verdicts(found), soft_wrap=True)
        held = all(one.held for one in found)
        self.console.print(f"Retries are quick here; the default is {DEFAULT_POLICY.describe()}.", soft_wrap=True)
        outcome = "All expectations held" if held else f"{sum(not one.held for one in found)} expectations failed"
        self.console.print(f"{outcome}, {len(told.events)} events, {time.monotonic() - began:.0f} s.")
        if not held:
            self._print_logs()
        return held

    def stay(self) -> None:
        """Publish, then show what happens until Ctrl-C; the dead letters are left for the person at the admin."""
        told = story.publish_examples(self.cast)
        with self._live(transient=True) as redraw:
            story.wait_until_settled(told, redraw)
        story.repair(self.cast)
        if not self.console.is_terminal:
            self.console.print(screen.tables(self.cast))
        self.console.print(screen.directions(self.cast, self.web.url, str(self.logs)))
        with self._live() as redraw:
            while all(child.is_running for child in self.children):
                redraw()
                time.sleep(1 / REDRAWS)
        self._print_logs()
        raise CommandError("A process of the demo ended by itself; its log is above.")

    @contextmanager
    def _live(self, *, transient: bool = False) -> Iterator[Callable[[], None]]:
        """Give a function that redraws the tables; without a terminal it does nothing."""
        if not self.console.is_terminal:
            yield lambda: None
            return
        with Live(console=self.console, auto_refresh=False, transient=transient) as live:
            yield lambda: live.update(screen.tables(self.cast, self.console.height), refresh=True)

    def _print_logs(self) -> None:
        for child in self.children:
            lines = child.log.read_text(errors="replace").splitlines()[-15:]
            self.console.print(f"--- {child.log}", *lines, sep="\n", markup=False, soft_wrap=True)
