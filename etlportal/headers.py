"""The response headers that are the same for every answer: what a page may not do, and who may load it.

The Content-Security-Policy is django-csp's, from CONTENT_SECURITY_POLICY; its own middleware puts the same text
together for each response, for pages with a nonce or a policy of their own. There are none here.
"""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import HEADER
from csp.utils import build_policy
from django.http import HttpRequest, HttpResponse

OFF = (
    *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media"),
    *("gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone"),
    *("midi", "payment", "screen-wake-lock", "serial", "storage-access", "usb", "window-management"),
    "xr-spatial-tracking",
)
OWN = ("clipboard-write", "fullscreen", "publickey-credentials-create", "publickey-credentials-get")
"""What the portal's own pages use: copying a row, a wall display, passkeys."""

HEADERS = {
    "Permissions-Policy": ", ".join([*(f"{name}=()" for name in OFF), *(f"{name}=(self)" for name in OWN)]),
    # Nobody else's page embeds or reads what is served here, static files included.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Permitted-Cross-Domain-Policies": "none",
}


class HeadersMiddleware:
    """Adds HEADERS and the policy to every answer; stands before WhiteNoise, so to static files too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.headers = {HEADER: build_policy(), **HEADERS}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response
