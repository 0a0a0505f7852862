"""The outermost middleware: id, metrics and response headers of each request."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from etlportal import metrics
from etlportal.correlation import Work, accepted, new_id, working

NO_PAGE = "none"
STATIC = "static"

OFF = (
    *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media"),
    *("gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone"),
    *("midi", "payment", "screen-wake-lock", "serial", "storage-access", "usb", "window-management"),
    "xr-spatial-tracking",
)
OWN = ("clipboard-write", "fullscreen", "publickey-credentials-create", "publickey-credentials-get")
"""Browser features that the portal uses: copying a row, a wall display, passkeys."""

HEADERS = {
    "Permissions-Policy": ", ".join([*(f"{name}=()" for name in OFF), *(f"{name}=(self)" for name in OWN)]),
    # No other site embeds or reads an answer, static files included.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Permitted-Cross-Domain-Policies": "none",
}


class RequestMiddleware:
    """Set `request.work` (log lines, SQL comments) and `X-Request-ID`. Count and time the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        given = accepted(request.headers.get("X-Request-ID")) if settings.REQUEST_ID_TRUSTED else new_id()
        work = Work("request", page_of(request.path_info), given)
        request.work = work  # type: ignore[attr-defined]
        with working(work):
            response = self.get_response(request)
        for name, value in {"X-Request-ID": work.id, **HEADERS}.items():
            response.headers.setdefault(name, value)
        metrics.answered(work.page, request.method, response.status_code, time.perf_counter() - begun)
        return response


@lru_cache(maxsize=512)
def page_of(path: str) -> str:
    """Return the view name, so that the number of page labels is bounded."""
    if path.startswith("/" + settings.STATIC_URL.lstrip("/")):
        return STATIC
    try:
        return resolve(path).view_name or NO_PAGE
    except Resolver404:
        return NO_PAGE
