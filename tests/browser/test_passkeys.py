"""Second factors in a real browser, with Chromium's own virtual authenticator: set up, used, and accessible."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.chromium import axe_violations
from tests.support.demo import KEPT, ROOT, Demo
from tests.support.totp import code_of

OpenPage = Callable[..., Page]
PASSWORD = "demo"
CODE_SECONDS = 30
SECURITY = ("/account/security/", "/account/sessions/", "/account/security/app/add/", "/account/security/keys/add/")


@pytest.fixture(scope="module")
def people(demo: Demo) -> tuple[str, ...]:
    """Users of these tests alone: the demonstration's four keep signing in with a password."""
    names = ("key", "app")
    code = "from django.contrib.auth.models import Group, User\n" + "\n".join(
        f"User.objects.create_user('{name}', '', '{PASSWORD}').groups.add(Group.objects.get(name='viewer'))"
        for name in names
    )
    variables = {name: value for name, value in os.environ.items() if name in KEPT}
    variables["PORTAL_DATA_DIR"] = str(demo.folder / "data")
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    subprocess.run(command, cwd=ROOT, env=variables, check=True, timeout=120)
    return names


def authenticator(page: Page) -> None:
    """Plug in a key that knows its owner and is touched at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in(page: Page, name: str) -> None:
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")


def confirm(page: Page) -> None:
    """Give the password again."""
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def accessible(page: Page) -> None:
    page.wait_for_timeout(300)
    assert axe_violations(page) == [], page.url
    width = page.viewport_size
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url
    page.set_viewport_size(width or {"width": 1440, "height": 900})


def test_a_passkey(open_page: OpenPage, demo: Demo, people: Any) -> None:
    home = demo.url.replace("127.0.0.1", "localhost")  # keys are for names, not for addresses
    page = open_page("/account/login/", user="")
    page.goto(f"{home}/account/login/?next=/account/security/")
    authenticator(page)
    accessible(page)
    sign_in(page, "key")
    expect(page).to_have_url(f"{home}/account/security/")
    accessible(page)
    page.get_by_role("link", name="Add a key").click()
    accessible(page)
    confirm(page)
    accessible(page)
    page.fill("input[name=name]", "laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add the key").click()
    expect(page).to_have_url(f"{home}/account/security/codes/")
    accessible(page)
    page.goto(f"{home}/account/security/keys/")
    expect(page.get_by_role("row", name="laptop").get_by_text("Passkey")).to_be_visible()
    accessible(page)

    page.locator(".topbar__user").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator(".topbar__user-name")).to_have_text("key")

    page.locator(".topbar__user").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "key")
    expect(page).to_have_url(f"{home}/account/second-factor/")
    accessible(page)
    page.get_by_role("button", name="Use a security key").click()
    expect(page.locator(".topbar__user-name")).to_have_text("key")


def test_without_a_key_the_page_says_so(open_page: OpenPage, demo: Demo) -> None:
    """An address that is a number has no passkeys: the browser refuses, the page explains."""
    page = open_page("/account/login/", user="")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    accessible(page)


def test_an_app(open_page: OpenPage, demo: Demo, people: Any) -> None:
    page = open_page("/account/login/?next=/account/security/app/add/", user="")
    sign_in(page, "app")
    confirm(page)
    expect(page.locator("img.qr")).to_be_visible()
    assert page.evaluate("document.querySelector('img.qr').naturalWidth") > 100
    accessible(page)
    secret = page.locator(".secret").inner_text()
    wait_for_a_whole_code(page)
    page.fill("input[name=code]", code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".codes li")).to_have_count(10)
    for address in SECURITY[:2]:
        page.goto(f"{demo.url}{address}")
        accessible(page)


def wait_for_a_whole_code(page: Page) -> None:
    """A code is good within its half minute only, by the server's clock: do not begin at the end of one."""
    left = CODE_SECONDS - datetime.now(UTC).timestamp() % CODE_SECONDS
    if left < CODE_SECONDS / 2:
        page.wait_for_timeout(1000 * left)
