"""Single sign-on with OpenID Connect, from the PORTAL_OIDC_ variables (docs/signing-in.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from etlportal.environment import Environment, Secret

PROVIDER_ID = "sso"
"""Part of the addresses: /account/oidc/sso/login/callback/."""
NEEDED = ("PORTAL_OIDC_SERVER_URL", "PORTAL_OIDC_CLIENT_ID", "PORTAL_OIDC_CLIENT_SECRET")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Oidc:
    """The provider, and what its groups mean here."""

    name: str
    server_url: str
    client_id: str
    client_secret: Secret
    scope: tuple[str, ...]
    groups_claim: str
    group_map: Mapping[str, frozenset[str]]
    default_group: str
    link_by_email: bool
    second_factor: bool


def build(env: Environment) -> Oidc | None:
    """Return the provider, or None if none is configured. Raises ImproperlyConfigured, naming the variable."""
    given = [name for name in NEEDED if env.text(name).strip()]
    if not given:
        return None
    if lacking := [name for name in NEEDED if name not in given]:
        raise ImproperlyConfigured(f"{given[0]} is set without {' and '.join(lacking)}.")
    default_group = env.text("PORTAL_OIDC_DEFAULT_GROUP").strip()
    group_map = _group_map(env.text("PORTAL_OIDC_GROUP_MAP"))
    if not group_map and not default_group:
        raise ImproperlyConfigured(
            "PORTAL_OIDC_GROUP_MAP and PORTAL_OIDC_DEFAULT_GROUP are empty: nobody could sign in."
        )
    return Oidc(
        name=env.text("PORTAL_OIDC_NAME", "Single sign-on").strip(),
        server_url=_server(env.text("PORTAL_OIDC_SERVER_URL").strip()),
        client_id=env.text("PORTAL_OIDC_CLIENT_ID").strip(),
        client_secret=Secret(env.text("PORTAL_OIDC_CLIENT_SECRET").strip()),
        scope=tuple(env.text("PORTAL_OIDC_SCOPE", "openid profile email").split()),
        groups_claim=env.text("PORTAL_OIDC_GROUPS_CLAIM", "groups").strip(),
        group_map=group_map,
        default_group=default_group,
        link_by_email=env.bool("PORTAL_OIDC_LINK_BY_EMAIL", default=False),
        second_factor=env.bool("PORTAL_OIDC_SECOND_FACTOR", default=False),
    )


def providers(oidc: Oidc | None) -> dict[str, Any]:
    """Return SOCIALACCOUNT_PROVIDERS of django-allauth."""
    if oidc is None:
        return {}
    app = {
        "provider_id": PROVIDER_ID,
        "name": oidc.name,
        "client_id": oidc.client_id,
        "secret": oidc.client_secret,
        "settings": {"server_url": oidc.server_url, "scope": list(oidc.scope), "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}


def _server(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ImproperlyConfigured("PORTAL_OIDC_SERVER_URL must be an https:// address.")
    return url.rstrip("/")


def _group_map(text: str) -> dict[str, frozenset[str]]:
    """Parse "etl-admins=admin,dwh-ops=operator". A name may occur more than once."""
    found: dict[str, set[str]] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        theirs, sign, ours = (part.strip() for part in pair.rpartition("="))
        if not (sign and theirs and ours):
            raise ImproperlyConfigured("PORTAL_OIDC_GROUP_MAP must be like: etl-admins=admin,dwh-ops=operator.")
        found.setdefault(theirs, set()).add(ours)
    return {theirs: frozenset(ours) for theirs, ours in found.items()}
