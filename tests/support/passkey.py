"""A security key in software: signs the responses that a browser would send."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftwareKey:
    """One credential for one site."""

    def __init__(self, origin: str = "https://testserver", verifies: bool = True) -> None:
        self.origin = origin
        self.host = origin.split("://")[1].split(":")[0]
        self.flags = USER_PRESENT | (USER_VERIFIED if verifies else 0)
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.identity = os.urandom(16)
        self.user = b""
        self.count = 0

    def create(self, options: dict[str, Any]) -> str:
        """Return what goes into the form's field `credential` after `navigator.credentials.create`."""
        public = options["publicKey"]
        self.user = public["user"]["id"].encode()
        attested = bytes(16) + len(self.identity).to_bytes(2, "big") + self.identity
        attested += cbor.encode(dict(ES256.from_cryptography_key(self.private.public_key())))
        data = self._data(self.flags | ATTESTED) + attested
        client = self._client("webauthn.create", public["challenge"])
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        resident = public["authenticatorSelection"]["residentKey"] == "required"
        return self._answer(
            {"attestationObject": websafe_encode(attestation), "clientDataJSON": websafe_encode(client)},
            {"credProps": {"rk": resident}},
        )

    def get(self, options: dict[str, Any]) -> str:
        """Return the same after `navigator.credentials.get`."""
        self.count += 1
        data = self._data(self.flags)
        client = self._client("webauthn.get", options["publicKey"]["challenge"])
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "authenticatorData": websafe_encode(data),
                "clientDataJSON": websafe_encode(client),
                "signature": websafe_encode(signature),
                "userHandle": self.user.decode(),
            }
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str], extensions: dict[str, Any] | None = None) -> str:
        identity = websafe_encode(self.identity)
        return json.dumps(
            {
                "id": identity,
                "rawId": identity,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": extensions or {},
            }
        )
