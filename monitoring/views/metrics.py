"""/metrics, for Prometheus: the counts of this web server, and the newest sample of the pipelines."""

from __future__ import annotations

import logging

import msgspec
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from etlportal import metrics as own
from monitoring.selectors.exposition import SampleMetrics
from monitoring.selectors.snapshot import Current, current

logger = logging.getLogger(__name__)


@login_not_required
@csrf_exempt
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics to a client with the token. Without a configured token the address does not exist."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not own.allowed(request.headers.get("Authorization"), settings.METRICS_TOKEN):
        return HttpResponse("a token is needed\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return HttpResponse(own.exposition(SampleMetrics(_newest())), content_type=own.CONTENT_TYPE)


def _newest() -> Current | None:
    """Return the newest sample, or None if `default` does not answer or holds the sample of another release."""
    try:
        return current()
    except (Error, msgspec.DecodeError):
        logger.exception("the newest sample could not be read")
        return None
