"""/metrics, for Prometheus: what this web server counted, and what the newest sample says of the pipelines."""

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
    """Everything in Prometheus' text format, for who has the token. Without a token set there is no such address."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not own.allowed(request.headers.get("Authorization"), settings.METRICS_TOKEN):
        return HttpResponse("a token is needed\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return HttpResponse(own.exposition(SampleMetrics(_newest())), content_type=own.CONTENT_TYPE)


def _newest() -> Current | None:
    """The newest sample, None where the portal's own database does not answer or holds another release's."""
    try:
        return current()
    except (Error, msgspec.DecodeError):
        logger.exception("the newest sample could not be read")
        return None
