"""A user's own pages: preferences and sessions."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.generic import View

from monitoring.models import UserPreferences
from monitoring.rules.enums import TrailAction
from monitoring.web.activity import note

FIELDS = ("language", "time_zone", "theme", "refresh_seconds", "auto_refresh")
PRIVATE = cache_control(private=True, no_store=True)


@cache
def zones() -> tuple[tuple[str, str], ...]:
    """Return the time zones by area, without the legacy aliases ("GB", "Etc/GMT+3")."""
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return tuple((name, name.replace("_", " ")) for name in ("UTC", *names))


class PreferencesForm(forms.ModelForm):
    time_zone = forms.ChoiceField(
        label=_("Time zone"), required=False, choices=lambda: [("", _("as the browser says")), *zones()]
    )
    refresh_seconds = forms.TypedChoiceField(
        label=_("Refresh every"),
        coerce=int,
        choices=lambda: [(seconds, f"{seconds} s") for seconds in UserPreferences.REFRESH_SECONDS],
    )

    class Meta:
        model = UserPreferences
        fields = FIELDS


@method_decorator(PRIVATE, name="dispatch")
class Preferences(View):
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page(PreferencesForm(instance=request.preferences))  # type: ignore[attr-defined]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PreferencesForm(request.POST)
        if not form.is_valid():
            return self._page(form, status=422)
        user: Any = request.user
        preferences, _created = UserPreferences.objects.update_or_create(user=user, defaults=form.cleaned_data)
        language = preferences.language or translation.get_language_from_request(request)
        with translation.override(language):
            messages.success(request, gettext("Your preferences are saved."))
        return HttpResponseRedirect(reverse("monitoring:preferences"))

    def _page(self, form: PreferencesForm, status: int = 200) -> HttpResponse:
        return render(self.request, "monitoring/preferences.html", {"form": form}, status=status)


class PreferenceSet(View):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        given = set(FIELDS) & set(request.POST)
        form = PreferencesForm(request.POST)
        for name in set(FIELDS) - given:
            del form.fields[name]
        if not given or not form.is_valid():
            return JsonResponse({"errors": form.errors if given else {}}, status=422)
        user: Any = request.user
        UserPreferences.objects.update_or_create(user=user, defaults=form.cleaned_data)
        url = request.POST.get("next")
        if url is None:
            return HttpResponse(status=204)
        if url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
            return HttpResponseRedirect(url)
        return HttpResponseRedirect(reverse("monitoring:preferences"))


@method_decorator(PRIVATE, name="dispatch")
class Sessions(View):
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        sessions = UserSession.objects.purge_and_list(request.user)
        sessions.sort(key=lambda session: (not session.is_current(), -session.pk))
        return render(request, "usersessions/usersession_list.html", {"sessions": sessions})

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
