"""The language, time zone, permissions and time budget of each request."""

from __future__ import annotations

import logging
import zoneinfo
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.db import Error as DatabaseFault
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from etlportal.budget import budget
from etlportal.databases import WATCHED
from monitoring import access
from monitoring.access import may, scope_of
from monitoring.models import UserPreferences, scope
from monitoring.web import errors
from monitoring.web.export import Busy, Unreadable

logger = logging.getLogger(__name__)

ZONE_COOKIE = "etlportal_zone"
"""The browser's time zone, set by static/js/shell.js. The user's preference wins."""

PAGE_SECONDS = 2.2
"""Maximum total wait of one request for the warehouse, so that a page takes at most three seconds. Views with an
address of their own (exports, integrity checks) set another limit."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requests by machines, also while `default` hangs. The user is not looked up for them."""


class ReaderMiddleware:
    """Set `request.preferences`, and activate language, time zone and the user's scope (monitoring/models/scope.py).

    Preferences win over the browser, the browser over the settings. While `default` does not answer, every page is an
    error page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in PROBES:
            # LoginRequiredMiddleware would look up the user, and hang with the database.
            request.reader, request.user = request.user, AnonymousUser()  # type: ignore[attr-defined]
            return self.get_response(request)
        try:
            user = request.user
            preferences = UserPreferences.of(user) if user.is_authenticated else UserPreferences()
            reader_scope = scope_of(user)
        except DatabaseFault:
            logger.exception("the portal's own database does not answer")
            return errors.answer(request, errors.DATABASE_DOWN)
        request.preferences = preferences  # type: ignore[attr-defined]
        language = preferences.language or translation.get_language_from_request(request)
        zone = _zone(preferences.time_zone) or _zone(request.COOKIES.get(ZONE_COOKIE, ""))
        waits, limited = budget(PAGE_SECONDS, breaks=True), scope.limited_to(reader_scope)
        with limited, translation.override(language), timezone.override(zone), waits:
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
            if response.streaming:
                response.streaming_content = scope.in_this_scope(response.streaming_content)  # type: ignore[attr-defined]
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Refuse views that monitoring/access.py does not list, or does not open to this user."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        if not name.startswith("monitoring:") or name in access.OPEN or not request.user.is_authenticated:
            return
        needs = access.PORTAL.get(name)
        if needs is None and not getattr(getattr(view, "view_class", None), "permission_required", ()):
            logger.error("%s is closed: monitoring/access.py does not list it", name)
            raise PermissionDenied
        if needs is not None and not may(request.user, *needs):
            raise PermissionDenied

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the error page for a database that does not answer. An error in a query stays a 500."""
        if isinstance(exception, Busy):
            return errors.answer(request, errors.BUSY_WITH_YOURS if exception.own else errors.BUSY_WITH_OTHERS)
        if isinstance(exception, Unreadable):
            return errors.unread(request, exception.words)
        # pyodbc raises Error itself for unknown states.
        if not isinstance(exception, OperationalError | InterfaceError) and type(exception) is not DatabaseFault:
            return None
        # The backends of the watched databases set `alias` on their errors (etlportal/backends/bounded.py).
        alias = getattr(exception, "alias", DEFAULT_DB_ALIAS)
        logger.error("the database %s does not answer", alias, exc_info=exception)
        return errors.answer(request, errors.WAREHOUSE_DOWN if alias in WATCHED else errors.DATABASE_DOWN)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return None
