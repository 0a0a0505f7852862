"""CACHES from the environment: a table, or a Redis whose address shows itself nowhere."""

from __future__ import annotations

import pprint
import re
from pathlib import Path
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

from etlportal.environment import Environment, build_caches
from tests.unit.test_settings import load


def build(url: str) -> dict[str, dict[str, object]]:
    env = Environment()
    with mock.patch.object(env, "ENVIRON", {"REDIS_URL": url}):
        return build_caches(env)


def test_without_redis_it_is_a_table() -> None:
    found = build("")
    assert found["default"]["BACKEND"] == "django.core.cache.backends.db.DatabaseCache"
    assert found["local"]["BACKEND"].endswith("LocMemCache")


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://:pa,ss@redis.example.com:6379/3",
        "rediss://user:p%40ss@[::1]:6380/0?ssl_ca_certs=/ca.pem",
        "unix:///run/redis/redis.sock?db=2",
    ],
)
def test_addresses_that_are_understood(url: str) -> None:
    default = build(url)["default"]
    assert default["BACKEND"] == "etlportal.redis_cache.RedisOrTableCache"
    assert default["LOCATION"] == [url]
    assert default["KEY_PREFIX"]


@pytest.mark.parametrize(
    "url",
    [
        "http://:hidden@redis",
        "redis://",
        "redis://:hid/den@redis:6379/0",
        "redis://:hid#den@redis:6379/0",
        "redis://:hidden@redis:port/0",
        "redis://:hidden@redis:6379/name",
        "rediss://:hidden@redis?ssl_cert_reqs=none",
        "redis://:hidden@redis?socket_timeout=99",
        "unix://",
    ],
)
def test_others_are_refused_by_name_and_without_their_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL") as caught:
        build(url)
    assert not re.search("hid|den", str(caught.value))


def test_it_is_read_from_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "redis"
    file.write_text("rediss://portal:$hidden@redis.example.com/0\n")
    settings = load(tmp_path, REDIS_URL_FILE=str(file))
    assert settings["CACHES"]["default"]["LOCATION"] == ["rediss://portal:$hidden@redis.example.com/0"]
    assert "hidden" not in pprint.pformat(settings["CACHES"])
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        load(tmp_path, REDIS_URL_FILE=str(file), REDIS_URL="redis://redis")


def test_tls_verifies() -> None:
    """redis-py verifies certificate and name with the address that we give it."""
    import ssl

    from etlportal.redis_cache import RedisOrTableCache

    cache = RedisOrTableCache(["rediss://redis.example.com/0"], {})
    connection = cache._cache.get_client().connection_pool.make_connection()
    assert connection.cert_reqs == ssl.CERT_REQUIRED
    assert connection.check_hostname is True
    assert connection.socket_timeout <= 0.5 and connection.socket_connect_timeout <= 0.5
