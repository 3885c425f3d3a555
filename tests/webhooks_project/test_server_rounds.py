"""Clients whose next request has come already: a few of them have a turn in a round of the loop, in order."""

from __future__ import annotations

import asyncio
import itertools

import uvloop

from webhooks_project.server.rounds import A_ROUND, Rounds


def test_in_a_round_so_many_have_their_turn_and_each_has_it_in_the_end() -> None:
    async def go() -> list[list[int]]:
        rounds: list[list[int]] = [[]]
        order = Rounds(asyncio.get_running_loop())
        ones: list[_Client] = []
        for number in range(3 * A_ROUND + 1):
            ones.append(_Client(number, rounds, order))
            order.add(ones[-1])  # type: ignore[arg-type]
        while sum(map(len, rounds)) < 3 * len(ones):
            rounds.append([])
            await asyncio.sleep(0)
        return rounds

    rounds = uvloop.run(go())
    assert max(map(len, rounds)) == A_ROUND
    told = list(itertools.chain(*rounds))
    number = 3 * A_ROUND + 1
    assert [sorted(told[start : start + number]) for start in range(0, 3 * number, number)] == [list(range(number))] * 3


class _Client:
    """Has three requests to read."""

    def __init__(self, number: int, rounds: list[list[int]], order: Rounds) -> None:
        self.number, self.rounds, self.order, self.left = number, rounds, order, 3

    def take_turn(self) -> None:
        self.rounds[-1].append(self.number)
        self.left -= 1
        if self.left:
            self.order.add(self)  # type: ignore[arg-type]
