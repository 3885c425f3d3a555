"""A consumer of a feed, to be killed: writes down what comes, then keeps its place, then asks for more.

    python -m tests.faults.consumer PORT KEY WEBHOOK FILE

FILE gets the id of each event that came, a line each; FILE.cursor the place.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import requests


def main(port: str, key: str, webhook: str, name: str) -> None:
    """Fetch for ever."""
    place = Path(f"{name}.cursor")
    cursor = place.read_text() if place.exists() else ""
    address = f"http://127.0.0.1:{port}/api/v1/webhooks/{webhook}/feed"
    with requests.Session() as session, open(name, "a") as file:
        session.headers["Authorization"] = f"Bearer {key}"
        while True:
            query = {"wait": "5", "limit": "50"} | ({"after": cursor} if cursor else {})
            answer = session.get(address, params=query, timeout=60)
            answer.raise_for_status()
            page = answer.json()
            file.writelines(f"{item['event_id']}\n" for item in page["results"])
            file.flush()
            time.sleep(0.1 if page["results"] else 0)  # its work; killed here, it is given them again
            cursor = page["cursor"]
            draft = Path(f"{name}.draft")
            draft.write_text(cursor)
            os.replace(draft, place)


if __name__ == "__main__":
    main(*sys.argv[1:])
