from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.generic import View

from monitoring.rules.enums import TrailAction
from monitoring.web.activity import note


class Sessions(View):
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        sessions = UserSession.objects.purge_and_list(request.user)
        sessions.sort(key=lambda session: (not session.is_current(), -session.pk))
        response = render(request, "usersessions/usersession_list.html", {"sessions": sessions})
        response["Cache-Control"] = "private, no-store"
        return response

    def post(self, request: HttpRequest) -> HttpResponse:
        """End one session, or all but the current one. Raises Http404 for another user's session."""
        mine = UserSession.objects.filter(user=request.user)
        if number := request.POST.get("session", ""):
            chosen = list(mine.filter(pk=int(number))) if number.isdecimal() and len(number) < 19 else []
            if not chosen:
                raise Http404
        else:
            chosen = list(mine.exclude(session_key=request.session.session_key))
        if not chosen:
            messages.info(request, gettext("There was no other session."))
            return HttpResponseRedirect(reverse("usersessions_list"))
        note(request, TrailAction.SESSION_ENDED, request.user.get_username(), sessions=len(chosen))
        signs_out = any(session.is_current() for session in chosen)
        for session in chosen:
            session.end()
        if signs_out:
            adapter = get_adapter()
            adapter.add_message(request, messages.SUCCESS, "account/messages/logged_out.txt")
            adapter.logout(request)
            return HttpResponseRedirect(reverse("account_login"))
        text = ngettext("%(number)d session was ended.", "%(number)d sessions were ended.", len(chosen))
        messages.success(request, text % {"number": len(chosen)})
        return HttpResponseRedirect(reverse("usersessions_list"))
