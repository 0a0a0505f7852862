from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import View

from monitoring.models import UserPreferences

FIELDS = ("language", "time_zone", "theme", "refresh_seconds", "auto_refresh")


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
        response = render(self.request, "monitoring/preferences.html", {"form": form}, status=status)
        response["Cache-Control"] = "private, no-store"
        return response


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
