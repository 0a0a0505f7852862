"""The two views of single sign-on: to the provider, and back."""

from __future__ import annotations

from typing import Any

import jwt
import requests
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from monitoring.accounts import limits
from monitoring.accounts.single_sign_on import keep_claims
from monitoring.web import errors

ALGORITHMS = [f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)]
"""Public key algorithms only: a token signed with a shared secret proves nothing here."""
ELSEWHERE = frozenset({"cross-site", "same-site"})


class VerifyingAdapter(OpenIDConnectOAuth2Adapter):
    """allauth's adapter, but it always requires an ID token, verifies its signature, and stores no claims."""

    @property
    def openid_config(self) -> dict[str, Any]:
        try:
            return dict(super().openid_config)
        except (ValueError, TypeError) as error:
            raise OAuth2Error("the provider's configuration cannot be read") from error

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        try:
            data = {"id_token": self._verified(app, kwargs["response"]["id_token"])}
            if "userinfo_endpoint" in self.openid_config:
                data["userinfo"] = self._userinfo(token.token)
                if data["userinfo"]["sub"] != data["id_token"]["sub"]:
                    raise OAuth2Error("userinfo belongs to another subject")
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error("the provider's answer is not what OpenID Connect asks for") from error
        keep_claims(request, data)
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, data)
        login.account.extra_data = {"sub": data["id_token"]["sub"]}
        # Exactly True: allauth would take the texts "false" and "no" for true.
        verified = (data.get("userinfo") or data["id_token"]).get("email_verified") is True
        for address in login.email_addresses:
            address.verified = verified
        return login

    def _userinfo(self, access_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.profile_url, headers={"Authorization": f"Bearer {access_token}"})
            answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _verified(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        keys = jwt.PyJWKSet.from_dict(answer.json())
        claims: dict[str, Any] = jwt.decode(
            id_token,
            key=keys[jwt.get_unverified_header(id_token)["kid"]],
            algorithms=ALGORITHMS,
            audience=app.client_id,
            issuer=self.openid_config["issuer"],
            leeway=30,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        return claims


@login_not_required
@require_safe
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider. Requests from other sites are refused."""
    adapter = _adapter(request, provider_id)
    if request.headers.get("Sec-Fetch-Site") in ELSEWHERE:
        return HttpResponseRedirect(reverse("account_login"))
    if not limits.may_ask_provider(request):
        return errors.answer(request, errors.TOO_MANY)
    provider = adapter.get_provider()
    try:
        response: HttpResponse = provider.redirect(
            request,
            AuthProcess.LOGIN,
            next_url=get_next_redirect_url(request),
            scope=provider.get_scope(),
            auth_params=provider.get_auth_params(),
        )
    except (OAuth2Error, requests.RequestException, KeyError) as error:
        response = render_authentication_error(request, provider, exception=error)
    return response


@login_not_required
@require_safe
def finish(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Complete the sign-in with the provider's answer."""
    adapter = _adapter(request, provider_id)
    try:
        response: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)
    except KeyError as error:
        response = render_authentication_error(request, adapter.get_provider(), exception=error)
    except ImmediateHttpResponse as answer:
        response = answer.response
    return response


def _adapter(request: HttpRequest, provider_id: str) -> VerifyingAdapter:
    adapter = VerifyingAdapter(request, provider_id)
    try:
        adapter.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    return adapter
