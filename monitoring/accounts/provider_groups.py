"""From what an identity provider says of somebody to the portal's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def names_in(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the names in a claim: a list of texts, or one text. Dots lead inwards ("realm_access.roles").

    Whatever has another form names nobody's group.
    """
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return frozenset({value})
    if not isinstance(value, list | tuple):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str))


def groups_for(names: Iterable[str], group_map: Mapping[str, frozenset[str]], default: str) -> frozenset[str]:
    """Return our groups of somebody in the provider's groups `names`; `default` only where none of them says anything.

    Case counts: a provider may have two groups that differ by it alone. Keycloak's "/path" names match with and
    without the slash.
    """
    found: frozenset[str] = frozenset()
    for name in names:
        found |= group_map.get(name) or group_map.get(name.removeprefix("/"), frozenset())
    return found or (frozenset({default}) if default else frozenset())


def managed(group_map: Mapping[str, frozenset[str]], default: str, ours: Iterable[str]) -> frozenset[str]:
    """Return the groups that follow the provider: the portal's own, and whatever the map or the default names."""
    return frozenset(ours).union(*group_map.values(), {default} if default else ())
