"""The shared cache in a Redis: one that dies, hangs or refuses costs no error and no limit, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from etlportal import redis_cache
from etlportal.redis_cache import OVERLAP_SECONDS, RETRY_SECONDS, RedisOrTableCache
from tests.support.pretended_redis import PretendedRedis
from tests.support.queries import queries

pytestmark = pytest.mark.django_db


class Clock:
    """The breaker's clock, which a test sets forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        monkeypatch.setattr(redis_cache, "clock", lambda: time.monotonic() + self.ahead)

    def pass_by(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedRedis]:
    monkeypatch.setattr(redis_cache, "_away", {})
    pretended = PretendedRedis()
    pretended.start()
    yield pretended
    pretended.stop()


@pytest.fixture
def cache(server: PretendedRedis) -> RedisOrTableCache:
    return made(server)


def made(server: PretendedRedis) -> RedisOrTableCache:
    options = {"MAX_ENTRIES": 100, "TABLE": "portal_shared_cache"}
    return RedisOrTableCache(server.url, {"KEY_PREFIX": "etlportal", "OPTIONS": options})


def test_while_it_answers_the_database_is_not_asked(cache: RedisOrTableCache, server: PretendedRedis) -> None:
    other = made(server)
    with queries(default=0):
        assert cache.add("used", True, 60)
        assert not other.add("used", True, 60)
        other.set("history", [1.5, 2.5], 60)
        assert cache.get("history", []) == [1.5, 2.5]
        assert cache.get("never", "default") == "default"
        assert cache.has_key("used") and not cache.has_key("never")
        assert cache.touch("used", 30)
        assert cache.delete("used") and not other.has_key("used")
        cache.set_many({"a": 1, "b": "two"}, 60)
        assert other.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"}
    assert all(key.startswith("etlportal:") for key in server.values)


def test_what_is_of_others_stays(cache: RedisOrTableCache, server: PretendedRedis) -> None:
    server.values["theirs"] = ("1", time.time() + 60)
    cache.set("ours", 1, 60)
    cache.clear()
    assert list(server.values) == ["theirs"]
    assert cache.get("ours") is None


@pytest.mark.parametrize("how", ["dies", "hangs", "refuses"])
def test_one_that_fails_is_stood_in_for(
    cache: RedisOrTableCache, server: PretendedRedis, clock: Clock, how: str
) -> None:
    cache.set("before", 1, 60)
    fail(server, how)
    assert cache.add("used", 1, 60)
    assert not made(server).add("used", 1, 60), "the table is everybody's"
    cache.set("history", [1], 60)
    assert cache.get("history") == [1]
    assert cache.delete("history") and not cache.has_key("history")


def test_one_that_hangs_is_waited_for_once(cache: RedisOrTableCache, server: PretendedRedis) -> None:
    server.how = "hangs"
    begun = time.monotonic()
    for number in range(50):
        cache.set(f"k{number}", number, 60)
        assert cache.get(f"k{number}") == number
    assert len(server.asked) == 1
    assert time.monotonic() - begun < 2.5


def test_it_is_tried_again_by_one(cache: RedisOrTableCache, server: PretendedRedis, clock: Clock) -> None:
    server.stop()
    cache.set("a", 1, 60)
    server.start()
    cache.set("a", 2, 60)
    assert not server.asked, "not before its time"
    server.how = "refuses"
    clock.pass_by(RETRY_SECONDS + 1)
    for number in range(5):
        made(server).set("a", number, 60)
    assert server.asked.count("SET") == 1


def test_it_comes_back_and_what_was_counted_meanwhile_still_counts(
    cache: RedisOrTableCache, server: PretendedRedis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    cache.set("history", [1, 2, 3], 600)
    assert cache.add("code", 1, 600)
    server.start()
    clock.pass_by(RETRY_SECONDS + 1)
    assert cache.get("history") == [1, 2, 3]
    assert not cache.add("code", 1, 600), "a one-time code stays used"
    cache.set("history", [1, 2, 3, 4], 600)
    assert any("history" in key for key in server.values), "it is used again"
    assert cache.get("history") == [1, 2, 3, 4]
    clock.pass_by(OVERLAP_SECONDS + 1)
    with queries(default=0):
        assert cache.get("history") == [1, 2, 3, 4]
    assert sum("answers again" in record.message for record in caplog.records) == 1


def test_it_is_said_once_a_minute_and_without_the_password(
    cache: RedisOrTableCache, server: PretendedRedis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    for _ in range(5):
        made(server).get("a")
        clock.pass_by(RETRY_SECONDS + 1)
    said = [record for record in caplog.records if "REDIS_URL fails" in record.message]
    assert len(said) == 1
    assert "ConnectionError" in said[0].message
    assert "p@ss" not in caplog.text and "p%40ss" not in caplog.text


def test_what_somebody_else_wrote_there_is_no_value(cache: RedisOrTableCache, server: PretendedRedis) -> None:
    cache.set("a", 1, 60)
    (key,) = server.values
    server.values[key] = ("cos\nsystem\n(S'true'\ntR.", time.time() + 60)
    assert cache.get("a", "default") == "default"


@pytest.mark.parametrize("how", ["well", "dies", "hangs", "refuses"])
def test_sign_in_and_its_limit_hold(
    users: dict[str, Any], server: PretendedRedis, clock: Clock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Through the pages: nobody is locked out, nobody gets an error, and the fifth wrong password was the last."""
    monkeypatch.setattr(caches._connections, "default", made(server), raising=False)
    if how != "well":
        fail(server, how)
    client = Client()
    assert client.post("/account/login/", {"login": "viewer", "password": "demo"}).status_code == 302
    assert "_auth_user_id" in client.session
    for _ in range(5):
        assert Client().post("/account/login/", {"login": "operator", "password": "wrong"}).status_code == 200
    late = Client()
    late.post("/account/login/", {"login": "operator", "password": "demo"})
    assert "_auth_user_id" not in late.session


def fail(server: PretendedRedis, how: str) -> None:
    if how == "dies":
        server.stop()
    else:
        server.how = how
