"""All URLs. All but sign-in, /healthz, /readyz and /metrics require a signed-in user."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as keys
from allauth.socialaccount import views as social
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from monitoring.accounts import single_sign_on
from monitoring.accounts.views import Sessions

# Only the views of django-allauth that the portal needs. Users do not manage mail addresses, and do not link accounts
# of the provider by hand. Without mail there is no reset by mail.
accounts = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", account.signup, name="account_signup"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    # A provider's user gets no password here: it would outlive the account there.
    path("password/set/", RedirectView.as_view(pattern_name="mfa_index"), name="account_set_password"),
    path("security/", mfa.index, name="mfa_index"),
    path("second-factor/", mfa.authenticate, name="mfa_authenticate"),
    path("second-factor/again/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("security/app/add/", totp.activate_totp, name="mfa_activate_totp"),
    path("security/app/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("security/codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("security/codes/new/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("security/codes/recovery-codes.txt", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("security/keys/", keys.list_webauthn, name="mfa_list_webauthn"),
    path("security/keys/add/", keys.add_webauthn, name="mfa_add_webauthn"),
    path("security/keys/<int:pk>/remove/", keys.remove_webauthn, name="mfa_remove_webauthn"),
    path("security/keys/<int:pk>/edit/", keys.edit_webauthn, name="mfa_edit_webauthn"),
    path("security/keys/again/", keys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("passkey/", keys.login_webauthn, name="mfa_login_webauthn"),
    path("sessions/", Sessions.as_view(), name="usersessions_list"),
    path("oidc/<slug:provider_id>/login/", single_sign_on.start, name="openid_connect_login"),
    path("oidc/<slug:provider_id>/login/callback/", single_sign_on.finish, name="openid_connect_callback"),
    path("oidc/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
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

handler400 = "monitoring.web.errors.bad_request"
handler403 = "monitoring.web.errors.permission_denied"
handler404 = "monitoring.web.errors.page_not_found"
handler429 = "monitoring.web.errors.too_many_requests"
handler500 = "monitoring.web.errors.server_error"
