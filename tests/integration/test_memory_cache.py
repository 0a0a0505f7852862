"""What pages keep in their process's memory: handed out as it is, and never changed by who reads it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.core.cache import caches
from django.urls import reverse
from django.utils import timezone

from etlportal.memory_cache import MOST_CHARACTERS, MemoryCache
from tests.support import worlds
from tests.support.addresses import ADDRESSES, PAGES
from tests.support.warehouse import Warehouse


def cache() -> MemoryCache:
    found: Any = MemoryCache("tests", {"timeout": 60})
    found.clear()
    return found


def test_what_was_kept_is_handed_out_itself() -> None:
    kept, value = cache(), ("text", 1.0)
    kept.set("a", value)
    assert kept.get("a") is value
    assert not kept.add("a", "other")
    assert kept.add("b", 1)
    assert kept.incr("b") == 2
    with pytest.raises(ValueError, match="not found"):
        kept.incr("c")
    kept.set("a", value, timeout=-1)
    assert kept.get("a", "gone") == "gone"


def test_too_much_text_gives_way_the_least_used_first() -> None:
    kept, piece = cache(), "x" * (MOST_CHARACTERS // 10)
    for number in range(10):
        kept.set(str(number), (piece, 0.0))
    assert kept.get("0") is not None  # used: the next ones go
    kept.set("more", (piece, 0.0))
    assert kept.get("more") is not None
    assert kept.get("0") is not None
    assert kept.get("1") is None


def test_what_is_not_text_says_how_much_it_holds() -> None:
    class Held:
        characters = MOST_CHARACTERS // 3

    kept = cache()
    for number in range(9):
        kept.set(str(number), (Held(), 0.0))
    assert sum(kept.get(str(number)) is not None for number in range(9)) <= 3


def test_one_text_that_is_too_long_does_not_empty_it_for_ever() -> None:
    kept = cache()
    kept.set("whole", ("x" * (MOST_CHARACTERS + 1), 0.0))
    assert kept.get("whole") is not None


def test_who_reads_changes_nothing(client_as: Any, snapshot_stored: Any, warehouse: Warehouse) -> None:
    """Every page and file is asked for twice: what the first time left is the same after the second."""
    worlds.in_warehouse(warehouse)
    snapshot_stored(worlds.build(), ticked_at=timezone.now())
    client, arguments = client_as("admin"), {"run_id": 100, "entity": "dim_cliente", "fingerprint": "0" * 16}
    left: dict[str, Any] = {}
    for _ in range(2):
        for name in PAGES:
            pattern = ADDRESSES[name].pattern
            client.get(reverse(name, kwargs={key: arguments[key] for key in pattern.converters}))
        store: Any = caches["local"]
        now = dict(store._cache)
        for key, (before, kept) in left.items():
            if store._cache.get(key) is before:
                assert before == kept, key
        left = {key: (value, copy.deepcopy(value)) for key, value in now.items()}
    assert len(left) > 10
