"""Where somebody is signed in, and ending that."""

from __future__ import annotations

from allauth.core.internal.httpkit import authenticated_user
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.generic import View

from monitoring import trail

DIGITS = 18
"""Of a session's number at most: what is longer is nobody's."""


class Sessions(View):
    """One's own sessions: a list, and a button for each and for all others."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        sessions = UserSession.objects.purge_and_list(authenticated_user(request))
        sessions.sort(key=lambda session: (not session.is_current(), -session.pk))
        response = render(request, "usersessions/usersession_list.html", {"sessions": sessions})
        response["Cache-Control"] = "private, no-store"
        return response

    def post(self, request: HttpRequest) -> HttpResponse:
        """End the session of that number, or without one all but this one. Raises Http404 for somebody else's."""
        chosen = self._chosen(request)
        if not chosen:
            messages.info(request, gettext("There was no other session."))
            return HttpResponseRedirect(reverse("usersessions_list"))
        trail.session_ended(request, authenticated_user(request), sessions=len(chosen))
        end_sessions(request, chosen)
        if not request.user.is_authenticated:
            return HttpResponseRedirect(reverse("account_login"))
        text = ngettext("%(number)d session was ended.", "%(number)d sessions were ended.", len(chosen))
        messages.success(request, text % {"number": len(chosen)})
        return HttpResponseRedirect(reverse("usersessions_list"))

    def _chosen(self, request: HttpRequest) -> list[UserSession]:
        mine = UserSession.objects.filter(user=authenticated_user(request))
        number = request.POST.get("session", "")
        if not number:
            return list(mine.exclude(session_key=request.session.session_key))
        valid = number.isascii() and number.isdigit() and len(number) <= DIGITS
        found = list(mine.filter(pk=int(number))) if valid else []
        if not found:
            raise Http404
        return found
