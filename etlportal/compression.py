"""Compression of a text that many readers get: once for all of them.

Django's middleware compresses each answer for itself, and leaves alone what is compressed already.
"""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware, re_accepts_gzip
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_string

KEPT = 16
"""Texts, of some 100 kB each: what the pages' readers are sent after a sample."""
SHORT = 200
"""Characters that are not worth it, as Django has it."""


@lru_cache(maxsize=KEPT)
def _compressed(content: bytes) -> bytes:
    return compress_string(content, max_random_bytes=GZipMiddleware.max_random_bytes)


def shared_answer(request: HttpRequest, text: str) -> HttpResponse:
    """Return an answer of `text`, compressed where the browser takes that (gzip).

    Only for text that holds nothing of one reader alone, and that no other site's page can ask for: the random length
    that hides a secret's part in the size of an answer (BREACH) is the same for all who get this one.
    """
    if len(text) < SHORT or not re_accepts_gzip.search(request.headers.get("Accept-Encoding", "")):
        return HttpResponse(text)  # Django's middleware says what it depends on
    response = HttpResponse(_compressed(text.encode()))
    response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response
