"""Where to go from a row: addresses, none for a reader who may not see what is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from monitoring.models import ConnectionLoginEvent

AROUND = timedelta(minutes=5)
"""How far before a start and after a finish login events belong to it: a runner samples at both ends."""

Links = list[tuple[Any, str | None]]


@dataclass(frozen=True, slots=True)
class Related:
    """A small table under a row. `rows`: (address or None, name, cells). `note`: how far was looked."""

    title: Any
    headers: list[Any]
    rows: list[tuple[str | None, str, list[Any]]]
    note: str = ""


def url_or_none(name: str, *args: Any, query: str = "", **kwargs: Any) -> str | None:
    """Return the address, or None where this installation has no such page or the key cannot be in one."""
    try:
        return reverse(name, args=args or None, kwargs=kwargs or None) + (f"?{query}" if query else "")
    except NoReverseMatch:
        return None


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether this reader may see that table."""
    return bool(request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"))


def list_url(request: HttpRequest, model: type[Model], **query: Any) -> str | None:
    """Return the address of a list with this query, or None for a user who may not see it."""
    opts = model._meta
    if not may_see(request, model):
        return None
    return url_or_none(f"admin:{opts.app_label}_{opts.model_name}_changelist", query=urlencode(query))


def detail_url(request: HttpRequest, model: type[Model], key: Any) -> str | None:
    """Return the address of one row, or None for a user who may not see it (or a key without one)."""
    opts = model._meta
    if key in (None, "") or not may_see(request, model):
        return None
    return url_or_none(f"admin:{opts.app_label}_{opts.model_name}_change", quote(key))


def events_around(request: HttpRequest, started: datetime, finished: datetime | None) -> str | None:
    """Return the address of the login events from just before a start to just after its finish (or now)."""
    return list_url(
        request,
        ConnectionLoginEvent,
        since=iso(started - AROUND),
        until=iso((finished or timezone.now()) + AROUND),
    )


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
