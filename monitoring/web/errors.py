"""Error pages. They use no database, session or user, because any of these may have failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitoring.web.context import theme_of_browser
from monitoring.web.problems import ProblemWords


@dataclass(frozen=True, slots=True)
class ErrorPage:
    status: int
    title: str | Promise
    explanation: str | Promise
    remedy: str | Promise


BAD_REQUEST = ErrorPage(
    400,
    _("This address is not valid"),
    _("Part of it is not in the expected format."),
    _("Go back and try again. If a link in the portal led you here, tell the portal's administrator."),
)
FORBIDDEN = ErrorPage(
    403,
    _("Your role has no access to this page"),
    _("None of your groups has access to this page."),
    _("Ask the portal's administrator for the group that you need."),
)
CSRF = ErrorPage(
    403,
    _("The form has expired, or was sent from another site"),
    _("To be safe, nothing was changed. This happens after signing in or out in another tab, or without cookies."),
    _("Go back, reload the page and send the form again. The portal requires cookies."),
)
NOT_FOUND = ErrorPage(
    404,
    _("Page not found"),
    _("The page may have moved, or the pipeline or run may have been removed from the audit tables."),
    _("Check the address, or go to the summary."),
)
TOO_MANY = ErrorPage(
    429,
    _("Too many attempts"),
    _("To prevent password guessing, the portal blocks sign-in for a few minutes after too many attempts."),
    _("Wait five minutes, then try again."),
)
NO_GROUP = ErrorPage(
    403,
    _("You are signed in, but have no access"),
    _("You signed in at your organisation, but none of your groups there gives access to this portal."),
    _("Ask your organisation's administrator for a group that the portal knows."),
)
ADDRESS_TAKEN = ErrorPage(
    403,
    _("Another account already uses your e-mail address"),
    _("It is not linked to sign-ins from elsewhere with the same address."),
    _("Sign in with that account's own password, or ask the portal's administrator."),
)
BUSY_WITH_YOURS = ErrorPage(
    429,
    _("Another of your downloads is still being prepared"),
    _("Each user can prepare one download at a time, so that the portal stays fast for everyone."),
    _("Wait for it to finish, then try again. A cancelled download frees its place within five minutes."),
)
BUSY_WITH_OTHERS = ErrorPage(
    429,
    _("Downloads are being prepared for other users"),
    _("Only a few downloads are prepared at a time, so that the portal stays fast for everyone."),
    _("Try again in half a minute."),
)
FAILED = ErrorPage(
    500,
    _("Portal error"),
    _("This is a fault of the portal, not of the pipelines: the ETL is not affected."),
    _("Try again in a moment. The reason is in the portal's log, with the time of this page."),
)
DATABASE_DOWN = ErrorPage(
    503,
    _("The portal's own database does not answer"),
    _("Accounts, figures and history are stored there, so no page can be shown. The ETL itself is not affected."),
    _("Try again in a moment. If it persists, an administrator should check DATABASE_URL and the portal's log."),
)
WAREHOUSE_DOWN = ErrorPage(
    503,
    _("The warehouse does not answer"),
    _("The requested data is read directly from SQL Server, which did not answer. The portal itself works."),
    _("The pre-flight on the summary shows what is wrong and what to do; the figures there are the last ones read."),
)
UNREAD = ErrorPage(
    503,
    _("The requested data could not be read from the warehouse"),
    _("The warehouse did not return a usable answer. The portal itself works."),
    _("The pre-flight on the summary shows what is wrong and what to do."),
)


def answer(request: HttpRequest, page: ErrorPage) -> HttpResponse:
    """Return the page in the language of the request or, if none is set yet, of the browser."""
    language = getattr(request, "LANGUAGE_CODE", None) or translation.get_language_from_request(request)
    with translation.override(language):
        html = render_to_string("errors/page.html", {"page": page, "theme": theme_of_browser(request)})
    response = HttpResponse(html, status=page.status)
    response["Cache-Control"] = "private, no-store"
    response["Content-Language"] = language
    if page.status in {429, 503}:
        response["Retry-After"] = "300" if page is TOO_MANY else "30"
    return response


def _handler(page: ErrorPage) -> Callable[..., HttpResponse]:
    def handler(request: HttpRequest, exception: Exception | None = None, *, reason: str = "") -> HttpResponse:
        return answer(request, page)

    return handler


bad_request = _handler(BAD_REQUEST)
permission_denied = _handler(FORBIDDEN)
csrf_failure = _handler(CSRF)
too_many_requests = _handler(TOO_MANY)
server_error = _handler(FAILED)


class NothingHere(Http404):
    """Its text names what does not exist, in the user's language."""


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    page = replace(NOT_FOUND, explanation=str(exception)) if isinstance(exception, NothingHere) else NOT_FOUND
    return answer(request, page)


def unread(request: HttpRequest, words: ProblemWords) -> HttpResponse:
    return answer(request, replace(UNREAD, explanation=words.what, remedy=words.to_do))
