"""What sqlmap is sent to (`make sqlmap`) is everything: each name that the code asks an address for, each form.

Every address is opened with an address line that notes what it is asked for, and once more with all of that. A new
filter without a line in tests/support/sqlmap_targets.py fails here, and so does a line for what nobody asks for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.handlers.wsgi import WSGIRequest
from django.http import QueryDict
from django.test import Client
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.functional import cached_property

from tests.integration.test_access import PATTERNS
from tests.integration.test_attack import USUAL, Attacker, reader  # noqa: F401 - a fixture
from tests.support.sqlmap_forms import FORMS, NOT_FORMS, OTHERS_FORMS
from tests.support.sqlmap_targets import ADDRESSES, OTHERS_ADDRESSES

NAMES = defaultdict(lambda: "1", {**USUAL, "pipeline": "dim_cliente", "run": "100", "failure": USUAL["fingerprint"]})
NAMES |= {"uid": "a", "token": "b", "app": "monitoring"}
VALUES = {"facet": "login_name", "window": "7d", "trend": "7d", "_to_field": "", "run": "", "page": "1"}
ONLY_WITH_MAIL = "account/password/reset/"
"""Addresses that this installation has not: sqlmap's demo has them."""
BY_KEY = {"_popup", "_to_field"}
"""What Django asks for on a page that is not there, before it says so."""


REFUSED = {"admin:monitoring_portalsettings_add", "admin:monitoring_portalsettings_delete"}
"""Nobody may do that: there is one row, for ever."""


ANY_METHOD = {
    "admin:index", "admin:login", "admin:logout", "admin:jsi18n", "admin:app_list", "admin:password_change_done",
    "account_set_password", "account_inactive", "socialaccount_login_cancelled", "openid_connect_login",
}  # fmt: skip
"""These look at no field, whatever the method: pages of Django's admin (its `_history` too), redirects."""


class Noting(QueryDict):
    """An address's parameters that note what they are asked for."""

    asked: set[str] | None = None

    def get(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def getlist(self, key: Any, default: Any = None) -> Any:
        self._note(key)
        return super().getlist(key, default)

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self._note(key)
        return super().__contains__(key)

    def _note(self, key: Any) -> None:
        if Noting.asked is not None:
            Noting.asked.add(str(key))


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request's GET notes what it is asked for; of a list of the admin, its filters' names and the order, too."""

    def noted(request: WSGIRequest) -> Noting:
        return Noting(request.environ.get("QUERY_STRING", ""), encoding=request.encoding)

    line = cached_property(noted)
    line.__set_name__(WSGIRequest, "GET")
    monkeypatch.setattr(WSGIRequest, "GET", line)
    filters_of = ChangeList.get_filters

    def get_filters(self: ChangeList, request: Any) -> Any:
        found = filters_of(self, request)
        for spec in found[0]:
            for name in spec.expected_parameters():
                request.GET._note(name)
        request.GET._note(ORDER_VAR)
        return found

    monkeypatch.setattr(ChangeList, "get_filters", get_filters)
    monkeypatch.setattr("tests.integration.test_attack.READ", 10**9)


def addresses() -> Iterator[tuple[str, str]]:
    """Return the name and a path of every address."""
    for name, pattern in PATTERNS.items():
        for usual in (True, False):
            try:
                yield (
                    name,
                    reverse(name, kwargs={key: USUAL[key] if usual else "1" for key in pattern.pattern.converters}),
                )
                break
            except (NoReverseMatch, KeyError):
                continue


def asked_of(client: Client, path: str) -> set[str]:
    """Return the names that the address's code asks for: alone, and with all of them there."""
    Noting.asked = set()
    try:
        for _again in range(2):
            sent = {name: VALUES.get(name, "1") for name in Noting.asked - BY_KEY}
            answer = client.get(path, sent)
            assert answer.status_code < 500 or "readyz" in path, path
            list(answer) if answer.streaming else None
        return Noting.asked
    finally:
        Noting.asked = None


def listed(paths: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, set[str]]:
    """Return which names are sent to which address (by its name in the URLconf)."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, queries in paths:
        filled = re.sub(r"\{(\w+)\}", lambda part: NAMES[part[1]], path.replace("*", ""))
        try:
            name = resolve(f"/{filled}").view_name
        except Resolver404:
            assert path.startswith(ONLY_WITH_MAIL), path
            continue
        found[name] |= {pair.split("=")[0] for query in queries for pair in query.split("&") if pair}
    return found


@pytest.mark.failing_block
def test_every_parameter_is_attacked(reader: Client, noting: None) -> None:  # noqa: F811
    every = [*ADDRESSES.items(), *(each for paths in OTHERS_ADDRESSES.values() for each in paths.items())]
    sent = listed(every)
    asked = {name: asked_of(reader, path) for name, path in addresses()}
    missing = {name: names - sent[name] for name, names in asked.items() if name not in REFUSED and names - sent[name]}
    assert missing == {}, "add them to tests/support/sqlmap_targets.py"
    own = {name for name in sent if name.startswith("monitoring:")}
    assert {name: sent[name] - asked[name] for name in own if sent[name] - asked[name]} == {}


@pytest.mark.failing_block
def test_every_form_is_attacked(reader: Client, users: dict[str, Any]) -> None:  # noqa: F811
    every = [*FORMS.items(), *(each for paths in OTHERS_FORMS.values() for each in paths.items())]
    sent = {*listed(every), *listed((path, ("",)) for path in NOT_FORMS)}
    takes = set()
    for name, path in addresses():
        reader.force_login(users["admin"], backend="monitoring.accounts.UserBackend")
        answer = reader.post(path)
        if answer.status_code not in {403, 404, 405}:
            takes.add(name)
    missing = sorted(name for name in takes - sent - ANY_METHOD if not name.endswith("_history"))
    assert not missing, f"add them to tests/support/sqlmap_forms.py: {', '.join(missing)}"
