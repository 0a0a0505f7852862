"""The application that sqlmap attacks (attacked.py), and the accounts in it; runs in processes of its own.

The portal's own but for three things that would answer for what is behind them, or hold it up: guesses are not counted
(that they are is for tests/integration/test_sign_in_limits.py), a password that was given counts for the day, so that
forms that ask for it again are reached, and hashing one takes no time. Every kind of account is there: sign-up open, a
second factor, a passkey, a reset's link.
"""

from __future__ import annotations

import json
import sys
from typing import Any

SECRET = "JBSWY3DPEHPK3PXP"
GUARDED, FORGETFUL, SACRIFICED = "guarded", "forgetful", "sacrificed"


def made() -> Any:
    """Return the application: gunicorn's `tests.support.attacked_portal:made()`."""
    from django.conf import settings
    from django.contrib.auth.hashers import get_hashers

    from etlportal.wsgi import application
    from monitoring.accounts import limits

    limits.RATES.clear()
    settings.ACCOUNT_RATE_LIMITS = False
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = settings.ACCOUNT_LOGIN_TIMEOUT = 86_400
    # A guess would cost half a second of the processor, and passwords are no part of a statement.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    get_hashers.cache_clear()
    return application


def prepare() -> None:
    """Make the accounts; say in JSON what is in the addresses of their forms."""
    from allauth.account.forms import default_token_generator
    from allauth.account.utils import user_pk_to_url_str
    from allauth.mfa.models import Authenticator
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from demo.users import PASSWORD, create_demo_users
    from monitoring.models import (
        GroupPolicy,
        GroupScope,
        PipelineDay,
        PipelineHour,
        PipelineRunDay,
        PipelineSettings,
        PortalSettings,
        UserPreferences,
    )

    create_demo_users()
    PortalSettings.objects.update(signup_open=True)
    admin, viewers = User.objects.get(username="admin"), Group.objects.get(name="viewer")
    people = {}
    for name in (GUARDED, FORGETFUL, SACRIFICED):
        people[name], _created = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
        people[name].set_password(PASSWORD)
        people[name].save()
        people[name].groups.add(viewers)
    if not Authenticator.objects.filter(user=people[GUARDED]).exists():
        TOTP.activate(people[GUARDED], SECRET)
        RecoveryCodes.activate(people[GUARDED])
        Authenticator.objects.create(
            user=people[GUARDED], type="webauthn", data={"name": "key", "credential": _passkey()}
        )
    PipelineSettings.objects.get_or_create(entity_name="dim_cliente", defaults={"owner": "a"})
    UserPreferences.objects.get_or_create(user=admin)
    spare, _created = Group.objects.get_or_create(name="spare")
    policy, _created = GroupPolicy.objects.get_or_create(group=spare)
    limit, _created = GroupScope.objects.get_or_create(group=spare, defaults={"entity_names": ["dim_cliente"]})
    now = timezone.now()
    for name in ("dim_cliente", "fact_descontos", "fact_vendas"):  # a new demo has none for hours
        PipelineHour.objects.create(entity_name=name, hour=now, samples=1)
        PipelineDay.objects.create(entity_name=name, day=now, samples=1)
        PipelineRunDay.objects.create(
            entity_name=name, day=now, executions=1, succeeded=1, failed=0, extracted=1, upserted=1, soft_deleted=0,
            timed=0, loaded=0,
        )  # fmt: skip
    uid, token = user_pk_to_url_str(people[FORGETFUL]), default_token_generator.make_token(people[FORGETFUL])
    said = {
        "uid": uid, "token": token, "user": people[SACRIFICED].pk, "group": spare.pk, "policy": policy.pk,
        "passkey": Authenticator.objects.get(user=people[GUARDED], type="webauthn").pk,
        "limit": limit.pk,
        "preferences": UserPreferences.objects.get(user=admin).pk,
    }  # fmt: skip
    sys.stdout.write(f"{json.dumps(said)}\n")


def _passkey() -> Any:
    from tests.support.passkey import SoftwareKey

    wanted = {"user": {"id": "YWFhYQ"}, "challenge": "YWFhYQ", "authenticatorSelection": {"residentKey": "required"}}
    return json.loads(SoftwareKey("http://127.0.0.1").create({"publicKey": wanted}))
