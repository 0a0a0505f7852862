"""A session's signature is looked at once as long as what is stored stays the same; what it holds is read each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etlportal.sessions import SessionStore, _proven


def test_what_was_proven_is_not_proven_again() -> None:
    stored = SessionStore().encode({"_auth_user_id": "7", "unmasked": {}})
    before = _proven.cache_info()
    first, second = (SessionStore().decode(stored) for _ in range(2))
    after = _proven.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
    first["unmasked"]["dim_cliente"] = "now"
    assert second == SessionStore().decode(stored) == {"_auth_user_id": "7", "unmasked": {}}


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: "x" + text, lambda text: "", lambda text: "a:b:c"]
)
def test_what_was_changed_is_nothing(change: Callable[[str], str], caplog: pytest.LogCaptureFixture) -> None:
    stored = SessionStore().encode({"_auth_user_id": "7"})
    assert SessionStore().decode(stored)
    assert SessionStore().decode(change(stored)) == {}
    assert "corrupted" in caplog.text


def test_a_key_that_is_another_proves_nothing(settings: Any) -> None:
    settings.SECRET_KEY = "another"
    stored = SessionStore().encode({"_auth_user_id": "7"})
    settings.SECRET_KEY = "the one"
    assert SessionStore().decode(stored) == {}
