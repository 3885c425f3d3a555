"""Settings of the web process: how long a client may take, and how much it may send; seconds and bytes."""

from __future__ import annotations

from webhooks_project import env

WEB_THREADS = env.whole("WEB_THREADS", 4, minimum=1, maximum=256)  # of one process; a client's slowness holds none
WEB_HEAD_SECONDS = env.seconds("WEB_HEAD_SECONDS", 10.0, minimum=0.1)
WEB_BODY_SECONDS = env.seconds("WEB_BODY_SECONDS", 30.0, minimum=0.1)
WEB_WRITE_SECONDS = env.seconds("WEB_WRITE_SECONDS", 30.0, minimum=0.1)  # for 64 KiB of its answer at least
WEB_IDLE_SECONDS = env.seconds("WEB_IDLE_SECONDS", 75.0, minimum=0.1)  # more than proxies keep theirs (nginx: 60)
WEB_BODIES_MAX = env.whole("WEB_BODIES_MAX", 256 * 1024**2, minimum=1024**2)  # of all requests together, in memory
WEB_STATEMENT_SECONDS = env.seconds("WEB_STATEMENT_SECONDS", 10.0, minimum=0.1)  # of a page; exports have their own
WEB_ACCESS_LOG = env.flag("WEB_ACCESS_LOG", default=False)  # a line a request; a proxy in front usually writes one
