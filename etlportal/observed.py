"""The outermost middleware: gives each request an id and a page name, and counts and times it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from etlportal import metrics
from etlportal.correlation import Work, accepted, new_id, working

HEADER = "X-Request-ID"
NO_PAGE = "none"
"""The page of an address that nobody has."""
STATIC = "static"
KNOWN_LENGTH = 200
"""Longer addresses are looked up again each time, rather than kept."""


class ObservedMiddleware:
    """`request.work` is what log lines and statements of this request carry; the answer says its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.trusted: bool = settings.REQUEST_ID_TRUSTED
        self.static = "/" + settings.STATIC_URL.lstrip("/")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        given = accepted(request.META.get("HTTP_X_REQUEST_ID")) if self.trusted else new_id()
        work = Work("request", self._page(request.path_info), given)
        request.work = work  # type: ignore[attr-defined]
        with working(work):
            response = self.get_response(request)
        response.headers[HEADER] = work.id
        metrics.answered(work.page, request.method, response.status_code, time.perf_counter() - begun)
        return response

    def _page(self, path: str) -> str:
        if path.startswith(self.static):
            return STATIC
        return known_page(path) if len(path) <= KNOWN_LENGTH else page_of(path)


def page_of(path: str) -> str:
    """Return the name of the address ("monitoring:summary"): one of as many as urls.py has."""
    try:
        return resolve(path).view_name or NO_PAGE
    except Resolver404:
        return NO_PAGE


known_page = lru_cache(maxsize=512)(page_of)
