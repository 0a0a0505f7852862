"""The admin site: uses the portal's login and is open to users with access to one of its tables."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from etlportal.databases import WATCHED

OPENS_ADMIN = "monitoring.view_etlrun"


class PortalAdminSite(AdminSite):
    site_header = _("ETL Portal: data")
    site_title = _("ETL Portal")
    index_title = _("Tables")

    def has_permission(self, request: HttpRequest) -> bool:
        """Require an active user: staff, or allowed to read the audit tables. Each table also checks its permission."""
        user = request.user
        return user.is_active and (getattr(user, "is_staff", False) or user.has_perm(OPENS_ADMIN))

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect anonymous users to the portal's login page and keep `next`. Raises PermissionDenied."""
        index = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return HttpResponseRedirect(index)
        if request.user.is_authenticated:
            raise PermissionDenied
        wanted = request.GET.get("next", "")
        return redirect_to_login(wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else index)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Answer users without access with 403 instead of the login page.

        Also refuse parameters with which Django's lookups fail with a 500: a relation to a field without a name, and
        action rows whose keys are invalid.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            if "" in (request.GET.get("_to_field"), request.POST.get("_to_field")):
                raise BadRequest
            if request.method == "POST" and not _selects_keys(request, getattr(view, "__self__", None)):
                raise BadRequest
            return inner(request, *args, **kwargs)

        return checked

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        apps = []
        for app in super().get_app_list(request, app_label):
            if app["app_label"] != "monitoring":
                apps.append(app)
                continue
            watched = [model for model in app["models"] if _watched(model)]
            own = [model for model in app["models"] if not _watched(model)]
            if watched:
                apps.append({**app, "name": _("Warehouse (read-only)"), "models": watched})
            if own:
                apps.append({**app, "name": _("The portal's own tables"), "models": own})
        return apps


def _selects_keys(request: HttpRequest, admin: object) -> bool:
    if not isinstance(admin, ModelAdmin):
        return True
    key = admin.model._meta.pk
    try:
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            key.run_validators(key.to_python(chosen))
    except ValidationError:
        return False
    return True


def _watched(model: dict[str, Any]) -> bool:
    return getattr(model["model"], "database_alias", "") in WATCHED
