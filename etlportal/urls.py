"""All addresses. Everything but sign-in, /healthz and /readyz needs a signed-in user."""

from allauth.account import views as account
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

# Of django-allauth's pages only those that mean something here: nobody signs up, and without mail
# there is no reset by mail to promise.
accounts = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", account.signup, name="account_signup"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
]
if settings.MAIL:
    accounts += [
        path("password/reset/", account.password_reset, name="account_reset_password"),
        path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
        re_path(
            r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
            account.password_reset_from_key,
            name="account_reset_password_from_key",
        ),
        path(
            "password/reset/key/done/",
            account.password_reset_from_key_done,
            name="account_reset_password_from_key_done",
        ),
    ]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include(accounts)),
    path("", include("monitoring.urls")),
]

handler400 = "monitoring.views.errors.bad_request"
handler403 = "monitoring.views.errors.permission_denied"
handler404 = "monitoring.views.errors.page_not_found"
handler429 = "monitoring.views.errors.too_many_requests"
handler500 = "monitoring.views.errors.server_error"
