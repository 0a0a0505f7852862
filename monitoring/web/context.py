"""The context processor for the frame of every page: navigation, databases, preferences."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import resolve, reverse
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.access import may
from monitoring.models import PortalSettings, UserPreferences
from monitoring.rules.enums import Group

THEME_COOKIE = "etlportal_theme"
"""The theme of a browser, for the pages before sign-in (set by static/js/shell.js)."""
PAGES = (
    ("summary", _("Operational summary"), "speedometer"),
    ("pipelines", _("Pipeline health"), "activity"),
    ("runs", _("Runs and control"), "list"),
    ("connections", _("Connection audit"), "plug"),
)
"""Name of the URL, label and icon."""
DEMO_USERS = (
    (Group.VIEWER, _("sees everything but connections")),
    (Group.OPERATOR, _("can capture sessions and run checks")),
    (Group.AUDITOR, _("sees connections too")),
    (Group.ADMIN, _("everything")),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell`, worked out when a template first asks for it (blocks do not)."""
    return {"shell": SimpleLazyObject(lambda: _shell(request))}


def _shell(request: HttpRequest) -> dict[str, Any]:
    preferences = getattr(request, "preferences", None) or UserPreferences()
    found = links(request)
    return {
        "links": found,
        "title": next((link["label"] for link in found if link["current"]), "ETL Portal"),
        "embedded": settings.EMBEDDED,
        "server": "" if settings.EMBEDDED else settings.DATABASES["dw"].get("HOST", ""),
        "databases": [] if settings.EMBEDDED else [settings.DATABASES[alias]["NAME"] for alias in ("dw", "oltp")],
        "preferences": preferences,
        "theme": preferences.theme if request.user.is_authenticated else theme_of_browser(request),
        "language": translation.get_language() or settings.LANGUAGE_CODE,
        "languages": [
            (code, translation.get_language_info(code)["name_local"], code[:2].upper())
            for code, _ in settings.LANGUAGES
        ],
        "zone": timezone.get_current_timezone_name(),
        "zone_label": zone_label(),
        "administers": admin.site.has_permission(request),
        "demo_users": DEMO_USERS if settings.EMBEDDED else (),
        "single_sign_on": settings.OIDC.name if settings.OIDC else "",
        "signup_open": signup_open,
        "groups": list(request.user.groups.order_by("name").values_list("name", flat=True)),
        "refresh_choices": UserPreferences.REFRESH_SECONDS,
        "words": words(),
    }


def signup_open() -> bool:
    try:
        return PortalSettings.load().signup_open
    except DatabaseError:
        return False


def links(request: HttpRequest) -> list[dict[str, Any]]:
    found = []
    for name, label, icon in PAGES:
        url = reverse(f"monitoring:{name}")
        view = getattr(resolve(url).func, "view_class", None)
        if may(request.user, *getattr(view, "permission_required", ())):
            current = request.path == url if name == "summary" else request.path.startswith(url)
            found.append({"name": name, "label": label, "icon": icon, "url": url, "current": current})
    return found


def theme_of_browser(request: HttpRequest) -> str:
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in {"light", "dark"} else ""


def zone_label() -> str:
    """Return for example "Sao Paulo UTC−03"."""
    offset = timezone.localtime().strftime("%z")
    text = offset[:3] if offset.endswith("00") else f"{offset[:3]}:{offset[3:]}"
    city = timezone.get_current_timezone_name().split("/")[-1].replace("_", " ")
    return "UTC" if city == "UTC" else f"{city} UTC{text.replace('-', '−')}"


def words() -> dict[str, str]:
    return {
        "ago": gettext("{time} ago"),
        "ahead": gettext("in {time}"),
        "off": gettext("off"),
        "lost": gettext("Contact lost since {time}"),
        "signed_out": gettext("Signed out: the page no longer refreshes."),
        "sign_in": gettext("Sign in"),
        "forbidden": gettext("You may no longer see this page."),
        "no_data": gettext("No data yet."),
        "running": gettext("running"),
        "usual": gettext("typical"),
        "not_saved": gettext("Your choice could not be saved and applies to this page only."),
    }
