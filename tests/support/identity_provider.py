"""An OpenID Connect provider in this process, with a signing key of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from etlportal.environment import Oidc, Secret

SERVER = "https://id.example.com"
START, CALLBACK = "/account/oidc/sso/login/", "/account/oidc/sso/login/callback/"


class Provider:
    """`person` signs in next; the switches below make the provider misbehave."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.person: dict[str, Any] = {"sub": "1", "preferred_username": "ana", "email": "ana@example.com"}
        self.claims: dict[str, Any] = {}
        """Over the usual ones of the ID token; None takes one away."""
        self.signs_with: Any = self.key
        self.algorithm = "RS256"
        self.userinfo: dict[str, Any] | None = None
        self.down = False
        self.asked: list[str] = []
        self.challenges: dict[str, str] = {}

    # The server's side

    def answer(self, method: str, url: str, **sent: Any) -> requests.Response:
        self.asked.append(url)
        if self.down:
            raise requests.ConnectionError("no route")
        path = urlsplit(url).path
        if path.endswith("openid-configuration"):
            return _json(self._configuration())
        if path == "/keys":
            jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return _json({"keys": [{**jwk, "kid": "k1", "use": "sig", "alg": "RS256"}]})
        if path == "/userinfo":
            assert sent["headers"]["Authorization"] == "Bearer access"
            return _json(self.person if self.userinfo is None else self.userinfo)
        if path == "/token":
            return self._token(sent["data"])
        raise AssertionError(url)

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": SERVER,
            "authorization_endpoint": f"{SERVER}/authorize",
            "token_endpoint": f"{SERVER}/token",
            "userinfo_endpoint": f"{SERVER}/userinfo",
            "jwks_uri": f"{SERVER}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def _token(self, data: dict[str, str]) -> requests.Response:
        digest = hashlib.sha256(data["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if data["client_secret"] != "not-a-secret" or proof != self.challenges.pop(data["code"], ""):
            return _json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        usual = {"iss": SERVER, "aud": "etl-portal", "iat": now, "exp": now + 60, **self.person, **self.claims}
        claims = {name: value for name, value in usual.items() if value is not None}
        token = jwt.encode(claims, self.signs_with, algorithm=self.algorithm, headers={"kid": "k1"})
        return _json({"access_token": "access", "token_type": "Bearer", "id_token": token})

    # The browser's side

    def sign_in(self, client: Client, **query: str) -> Any:
        """Go to the provider and come back, as a browser does; return the portal's answer."""
        sent = client.get(START, query, secure=True)
        assert sent["Location"].startswith(f"{SERVER}/authorize?"), sent["Location"]
        asked = {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}
        assert asked["redirect_uri"] == f"https://testserver{CALLBACK}"
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
            "etl-portal",
            "code",
            "S256",
        )
        self.challenges["code1"] = asked["code_challenge"]
        return client.get(CALLBACK, {"code": "code1", "state": asked["state"]}, secure=True)


class Session(requests.Session):
    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.provider = provider

    def request(self, method: str, url: str, **sent: Any) -> requests.Response:  # type: ignore[override]
        return self.provider.answer(method, url, **sent)


def settings_of(**changes: Any) -> Oidc:
    """The settings that the environment would give."""
    return Oidc(
        **{
            "name": "Contoso",
            "server_url": SERVER,
            "client_id": "etl-portal",
            "client_secret": Secret("not-a-secret"),
            "scope": ("openid", "profile", "email"),
            "groups_claim": "groups",
            "group_map": {"etl-admins": frozenset({"admin"}), "dwh": frozenset({"viewer", "operator"})},
            "default_group": "",
            "link_by_email": False,
            "second_factor": False,
            **changes,
        }
    )


def _json(content: Any, status: int = 200) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers["content-type"] = "application/json"
    response._content = json.dumps(content).encode()
    return response
