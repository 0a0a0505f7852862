"""While Redis is down there is no error and no wait, and limits still hold."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from django.test import Client

from etlportal import redis_cache
from etlportal.environment import TABLE
from etlportal.redis_cache import JsonSerializer, RedisOrTableCache

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cache._Outage, "retry_at", 0.0)
    monkeypatch.setattr(redis_cache._Outage, "logged_at", -redis_cache.LOG_SECONDS)


@pytest.fixture
def silent() -> Iterator[RedisOrTableCache]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = RedisOrTableCache(
            [f"redis://:p%40ss@127.0.0.1:{server.getsockname()[1]}/0"], {"KEY_PREFIX": "etlportal"}
        )
        yield made


@pytest.fixture
def refused(silent: RedisOrTableCache) -> RedisOrTableCache:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return made_for(port)


def made_for(port: int) -> RedisOrTableCache:
    return RedisOrTableCache([f"redis://:p%40ss@127.0.0.1:{port}/0"], {"KEY_PREFIX": "etlportal"})


@pytest.mark.parametrize("how", ["silent", "refused"])
def test_the_table_is_used_instead(request: pytest.FixtureRequest, how: str) -> None:
    cache = request.getfixturevalue(how)
    assert cache.add("used", 1, 60)
    assert not cache.add("used", 1, 60)
    assert DatabaseCache(TABLE, {"KEY_PREFIX": "etlportal"}).has_key("used")
    cache.set("history", [1, 2], 60)
    cache.set_many({"a": 1, "b": "two"}, 60)
    assert cache.get("history") == [1, 2]
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"}
    assert cache.get_or_set("c", lambda: 3) == 3
    assert cache.incr("c") == 4
    assert cache.touch("a", 30)
    assert cache.has_key("a") and "a" in cache
    assert cache.delete("history") and not cache.has_key("history")
    cache.delete_many(["a", "b"])
    assert cache.get("a", "gone") == "gone"


def test_a_silent_redis_is_waited_for_once(silent: RedisOrTableCache) -> None:
    begun = time.monotonic()
    for number in range(50):
        silent.set(f"k{number}", number, 60)
        assert silent.get(f"k{number}") == number
    assert time.monotonic() - begun < 1.5


def test_it_is_used_again_once_it_answers(refused: RedisOrTableCache, monkeypatch: pytest.MonkeyPatch) -> None:
    refused.set("a", "here", 60)
    monkeypatch.setattr(redis_cache._Outage, "retry_at", 0.0)
    assert refused.get("a") == "here"
    monkeypatch.setattr(redis_cache._Outage, "retry_at", time.monotonic() + 60)
    assert refused.get("a") == "here", "not asked before its time"


def test_the_log_says_it_once_a_minute_and_without_the_password(
    refused: RedisOrTableCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        refused.get("a")
        monkeypatch.setattr(redis_cache._Outage, "retry_at", 0.0)
    (record,) = [each for each in caplog.records if "REDIS_URL does not answer" in each.message]
    assert "ConnectionError" in record.message
    assert "p@ss" not in caplog.text and "p%40ss" not in caplog.text


def test_a_value_of_another_client_is_never_code() -> None:
    assert JsonSerializer().loads(JsonSerializer().dumps([1.5, "two"])) == [1.5, "two"]
    with pytest.raises(Exception, match="not written by the portal"):
        JsonSerializer().loads(b"cos\nsystem\n(S'true'\ntR.")


@pytest.mark.parametrize("how", ["silent", "refused"])
def test_sign_in_and_its_limit_hold(
    users: dict[str, Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, how: str
) -> None:
    """Users can sign in, no page fails, and five wrong passwords are the limit."""
    monkeypatch.setattr(caches._connections, "default", request.getfixturevalue(how), raising=False)
    client = Client()
    assert client.post("/account/login/", {"login": "viewer", "password": "demo"}).status_code == 302
    assert "_auth_user_id" in client.session
    assert client.get("/").status_code == 200
    for _ in range(5):
        assert Client().post("/account/login/", {"login": "operator", "password": "wrong"}).status_code == 200
    late = Client()
    late.post("/account/login/", {"login": "operator", "password": "demo"})
    assert "_auth_user_id" not in late.session


def test_it_is_djangos_own_otherwise() -> None:
    assert issubclass(RedisOrTableCache, RedisCache)
