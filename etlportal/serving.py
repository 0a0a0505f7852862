"""How responses are served: the outermost middleware (id, metrics and headers of each request) and static files."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from whitenoise.storage import CompressedManifestStaticFilesStorage

from etlportal import metrics
from etlportal.logs import Work, accepted, new_id, working

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


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Files missing in the manifest keep their plain names, so that a clone and error pages need no build step."""

    manifest_strict = False
    # The portal's own modules import each other by hashed names. Django's support_js_module_import_aggregation would
    # also read the comments of libraries, and fail for the files that they mention.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r"""(?P<matched>from "(?P<url>\./[^"]+)")""", 'from "%(url)s"'),)),
    )

    def stored_name(self, name: str) -> str:
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
