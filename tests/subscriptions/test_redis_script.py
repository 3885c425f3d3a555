from __future__ import annotations

import pytest
import redis

from subscriptions.conf import settings
from subscriptions.redis_script import Script


@pytest.fixture
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, retry=None)


def test_a_script_gets_its_keys_and_arguments_as_they_are(client: redis.Redis) -> None:
    script = Script(client, "return {KEYS[1], #KEYS, ARGV[1], ARGV[2], ARGV[3]}")
    assert script(keys=["a b"], args=["é\r\n$1", "", -7]) == ["a b", 1, "é\r\n$1", "", "-7"]


def test_a_redis_that_does_not_know_the_script_yet_learns_it(client: redis.Redis) -> None:
    script = Script(client, "return 'learnt'")
    client.script_flush()
    assert [script(keys=[], args=[]) for _ in range(2)] == ["learnt", "learnt"]


def test_a_failed_call_leaves_a_connection_that_works(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="wrong"):
        Script(client, "return redis.error_reply('wrong')")(keys=[], args=[])
    assert Script(client, "return 1")(keys=[], args=[]) == 1


def test_a_connection_that_redis_closed_meanwhile_is_replaced(client: redis.Redis) -> None:
    script = Script(client, "return 1")
    assert script(keys=[], args=[]) == 1
    redis.Redis.from_url(settings.REDIS_URL).client_kill_filter(_type="normal", skipme=True)
    assert script(keys=[], args=[]) == 1


def test_an_absent_redis_is_an_error_of_redis_py() -> None:
    absent = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2, retry=None)
    with pytest.raises(redis.RedisError):
        Script(absent, "return 1")(keys=[], args=[])
