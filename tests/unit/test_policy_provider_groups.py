"""From a provider's claims to the portal's groups."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.accounts.single_sign_on import groups_for, managed, names_in

MAP = {"ops": frozenset({"operator"}), "all": frozenset({"viewer", "operator"})}


@pytest.mark.parametrize(
    ("claims", "path", "expected"),
    [
        ({"groups": ["a", "b"]}, "groups", {"a", "b"}),
        ({"groups": "a b"}, "groups", {"a b"}),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://x.example/roles": ["a"]}, "https://x.example/roles", {"a"}),
        ({"groups": ["a", 1, None, ["b"]]}, "groups", {"a"}),
        ({"groups": {"a": 1}}, "groups", set()),
        ({"groups": 5}, "groups.deep", set()),
        ({}, "groups", set()),
    ],
)
def test_names_in(claims: dict[str, Any], path: str, expected: set[str]) -> None:
    assert names_in(claims, path) == expected


def test_groups_for() -> None:
    assert groups_for(["ops"], MAP, "") == {"operator"}
    assert groups_for(["/ops"], MAP, "") == {"operator"}, "Keycloak's full path"
    assert groups_for(["ops", "all"], MAP, "viewer") == {"viewer", "operator"}
    assert groups_for(["OPS", "opss", ""], MAP, "") == frozenset()
    assert groups_for([], MAP, "viewer") == {"viewer"}


def test_managed() -> None:
    assert managed(MAP, "guest", ["viewer", "admin"]) == {"viewer", "admin", "operator", "guest"}
    assert managed({}, "", ["viewer"]) == {"viewer"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON), st.text())
def test_whatever_a_provider_says_gives_only_mapped_groups(claims: dict[str, Any], path: str) -> None:
    assert groups_for(names_in(claims, path), MAP, "") <= {"viewer", "operator"}
