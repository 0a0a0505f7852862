"""What is made of sqlmap's words, and the server whose holes it must find first."""

from __future__ import annotations

from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.support.injectable import QUERIES, rows, serving
from tests.support.sqlmap import NOTHING, outcome_of
from tests.support.sqlmap_targets import Target

TRUE, FALSE = "' AND '1'='1", "' AND '1'='2"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (f"[CRITICAL] {NOTHING}. Try to increase values", "nothing"),
        (
            f"[WARNING] HTTP error codes detected during run:\n404 (Not Found) - 2 times\n[CRITICAL] {NOTHING}",
            "nothing",
        ),
        (
            f"[WARNING] HTTP error codes detected during run:\n400 (Bad Request) - 9 times, "
            f"500 (Internal Server Error) - 1 times\n[CRITICAL] {NOTHING}",
            "BROKE",
        ),
        ("sqlmap identified the following injection point(s) with a total of 46 HTTP(s) requests:", "FOUND"),
        ("GET parameter 'q' is vulnerable. Do you want to keep testing the others (if any)? [y/N] N", "FOUND"),
        ("b'' stopped after 900 s", "NOT ENDED"),
        ("", "NOT ENDED"),
    ],
)
def test_only_silence_at_the_end_is_good(said: str, outcome: str) -> None:
    assert outcome_of(said) == outcome


def test_the_holes_are_holes_and_the_safe_one_is_none() -> None:
    for path in ("/text", "/form"):
        assert rows(path, f"dim_cliente{TRUE}"), path
        assert not rows(path, f"dim_cliente{FALSE}"), path
    assert len(rows("/number", "1 OR 1=1")) == len(rows("/search", "%' OR 1=1 -- x")) == 3
    assert rows("/safe", "dim_cliente") and not rows("/safe", f"dim_cliente{TRUE}")


def test_the_server_answers_on_loopback() -> None:
    with serving() as url:
        assert url.startswith("http://127.0.0.1:")
        for path in QUERIES:
            value = "1" if path == "/number" else "dim_cliente"
            assert b"Ana" in urlopen(f"{url}{path}?q={quote(value)}", timeout=5).read(), path


def test_a_target_counts_what_is_attacked() -> None:
    assert Target("admin", "runs/{run}*/", "q=a&sort=b").parameters == 3
    assert Target("admin", "runs/", "q=a&sort=b", within_like=True).parameters == 1
    assert Target("admin", "runs/runs.csv", "q=a").is_file
