"""Live events on a laptop without a tunnel: fetches a feed of the platform and forwards each event to a local server.

    merchant-webhooks-listen --api https://hooks.example.com --api-key ak_live_… --forward-to http://localhost:3000/hooks

The platform signs, with the webhook's dialect and secret; this program hands on headers and body as they are. It needs
nothing but `requests`, and reaches nothing but the platform's API and the local server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import requests

KEY_VARIABLE: Final = "MERCHANT_WEBHOOKS_API_KEY"
API_VARIABLE: Final = "MERCHANT_WEBHOOKS_API"
DIALECTS: Final = ("standard", "alva", "litestore", "cryptlex", "shopery")
WAIT: Final = 30
"""Seconds that the platform holds a request until there is an event."""
PAGE: Final = 10
"""Events fetched at a time: their signatures are to be fresh when they arrive."""
FRESH: Final = 120.0
"""Seconds after which what was fetched is fetched anew, since receivers refuse signatures that are minutes old."""
ANSWER_SECONDS: Final = 30.0
"""What the local server has for an answer, as an endpoint at most has."""
PAUSES: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between tries while the platform or the local server can't be reached."""
GONE: Final = 410


class Trouble(Exception):
    """Something that trying again doesn't help; the text says what to do."""


class Api:
    """The platform's API. Waits out what passes by itself: no connection, 429, 5xx."""

    def __init__(self, base: str, key: str) -> None:
        self._base = base.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {key}", "Accept": "application/json"})

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        """Return the answer's document; None for 410. Raises Trouble for other errors."""
        for attempt in range(sys.maxsize):
            pause = PAUSES[min(attempt, len(PAUSES) - 1)]
            try:
                answer = self._session.request(
                    method, self._base + path, timeout=(5, WAIT + 15), allow_redirects=False, **options
                )
            except requests.RequestException as error:
                tell(f"The platform can't be reached ({_cause(error)}); next try in {pause:g} s.")
                time.sleep(pause)
                continue
            if answer.ok and not answer.is_redirect:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code == GONE:
                return None
            if answer.status_code != 429 and answer.status_code < 500:
                raise Trouble(f"The platform answered {answer.status_code}: {_detail(answer)}")
            pause = max(pause, float(answer.headers.get("Retry-After") or 0))
            tell(f"The platform answered {answer.status_code}; next try in {pause:g} s.")
            time.sleep(pause)
        raise AssertionError


@dataclass
class State:
    """What outlives this process: which webhook, and up to where its events were forwarded."""

    file: Path
    webhook: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, file: Path) -> State:
        """Return what is kept in a file; nothing where there is none."""
        try:
            found = json.loads(file.read_text())
            return cls(file, str(found["webhook"]), str(found["cursor"]))
        except FileNotFoundError:
            return cls(file)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Trouble(
                f"{file} can't be read ({error}). Delete it to begin anew, or name another --state."
            ) from None

    def keep(self, cursor: str) -> None:
        """Write the file, whole or not at all."""
        self.cursor = cursor
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        draft.write_text(json.dumps({"webhook": self.webhook, "cursor": self.cursor}))
        draft.replace(self.file)


def tell(text: str) -> None:
    """Print a line at once, without control characters."""
    print("".join(char if char.isprintable() else "�" for char in text), flush=True)  # noqa: T201 - what it is for


def make_webhook(api: Api, options: argparse.Namespace, state: State) -> None:
    """Make a webhook of the kind pull for this machine, and keep its id."""
    body: dict[str, Any] = {
        "kind": "pull",
        "name": f"listen on {socket.gethostname()}"[:200],
        "events": options.events or ["*"],
        "dialect": options.dialect,
    }
    if options.secret:
        body["secret"] = options.secret
    made = api.ask("POST", "/webhooks", json=body) or {}
    state.webhook = made["id"]
    state.keep("")
    tell(f"Made the webhook {state.webhook} ({options.dialect}). Its signing secret, shown this once: {made['secret']}")


def listen(api: Api, target: str, state: State) -> NoReturn:
    """Forward what the feed gives, one after the other, for ever."""
    server = requests.Session()
    server.trust_env = False  # the local server is asked directly, whatever proxy leads to the platform
    while True:
        query: dict[str, Any] = {"wait": WAIT, "limit": PAGE}
        if state.cursor:
            query["after"] = state.cursor
        asked = time.monotonic()
        page = api.ask("GET", f"/webhooks/{state.webhook}/feed", params=query)
        if page is None:
            tell("The platform doesn't know where we were any more; going on with what was not acknowledged.")
            state.keep("")
            continue
        for item in page["results"]:
            if time.monotonic() - asked > FRESH or not forward(server, target, item):
                break  # its signature would be too old: fetched anew, for it wasn't acknowledged
            state.keep(item["cursor"])
        else:
            state.keep(page["cursor"])
            if not page["results"] and time.monotonic() - asked < 1:
                time.sleep(1)  # a server in front that doesn't let requests wait


def forward(server: requests.Session, target: str, item: dict[str, Any]) -> bool:
    """Hand a message to the local server and print its answer; False where nothing answers there."""
    began = time.monotonic()
    try:
        answer = server.post(
            target,
            data=item["body"].encode(),
            headers=item["headers"],
            timeout=(3, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
        )
        answer.close()
        came = str(answer.status_code)
    except requests.ConnectionError as error:
        tell(f"{target} can't be reached ({_cause(error)}); next try in {PAUSES[1]:g} s.")
        time.sleep(PAUSES[1])
        return False
    except requests.RequestException as error:
        came = f"no answer ({_cause(error)})"
    took = round((time.monotonic() - began) * 1000)
    test = " (test)" if item["id"] is None else f" {item['id']}"
    tell(f"{time.strftime('%H:%M:%S')} {item['event']} {item['event_id']}{test} → {came} in {took} ms")
    return True


def replay(api: Api, wanted: str, webhook: str) -> None:
    """Have an event come again, by its delivery's id or its own; whoever listens gets it."""
    if wanted.startswith("evt_"):
        query = {"event": wanted, **({"webhook": webhook} if webhook else {})}
        found = (api.ask("GET", "/deliveries", params=query) or {}).get("results", [])
        if not found:
            raise Trouble(f"{wanted} did not go to this webhook. Events that did are in the log.")
        wanted = found[0]["id"]
    api.ask("POST", f"/deliveries/{wanted}/retry")
    tell(f"{wanted} comes again, to whoever listens.")


def _cause(error: BaseException) -> str:
    """Return the innermost cause in a few words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (str(error) or type(error).__name__)[:120]


def _detail(answer: requests.Response) -> str:
    try:
        return " ".join(str(error["detail"]) for error in answer.json()["errors"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.reason or "no reason given"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="merchant-webhooks-listen", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--api", default=os.environ.get(API_VARIABLE), help=f"the platform's URL (or {API_VARIABLE})")
    parser.add_argument(
        "--api-key",
        default=os.environ.get(KEY_VARIABLE),
        help=f"with the scope receive; manage, too, to make the webhook or replay (or {KEY_VARIABLE})",
    )
    parser.add_argument("--forward-to", metavar="URL", help="your local server, such as http://localhost:3000/webhooks")
    parser.add_argument("--webhook", default="", metavar="ID", help="of the kind pull; else one is made and kept")
    parser.add_argument("--events", action="append", metavar="PATTERN", help="of one to be made: order.*; repeatable")
    parser.add_argument("--dialect", choices=DIALECTS, default="standard", help="of a webhook to be made (%(default)s)")
    parser.add_argument("--secret", default="", help="of a webhook to be made; else one is made and shown once")
    parser.add_argument("--state", type=Path, metavar="FILE", help="where the place in the feed is kept between starts")
    parser.add_argument("--replay", metavar="ID", help="have a delivery (dlv_…) or event (evt_…) come again, then end")
    options = parser.parse_args(arguments)
    for name in ("api", "api_key"):
        if not getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} is needed.")
    if not options.replay and not options.forward_to:
        parser.error("--forward-to is needed.")
    return options


def _state_file(options: argparse.Namespace) -> Path:
    if options.state:
        return Path(options.state)
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    subject = [options.api, options.webhook, options.dialect, sorted(options.events or [])]
    return base / "merchant-webhooks" / f"listen-{hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:12]}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        api, state = Api(options.api, options.api_key), State.read(_state_file(options))
        if options.webhook and options.webhook != state.webhook:
            state = State(state.file, options.webhook)
        if options.replay:
            replay(api, options.replay, state.webhook)
            return 0
        if not state.webhook:
            make_webhook(api, options, state)
        tell(f"Forwarding {state.webhook} to {options.forward_to}. Ctrl-C ends it; the next start goes on from there.")
        listen(api, options.forward_to, state)
    except Trouble as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
