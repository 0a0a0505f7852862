"""Signing in and out, and what each role gets, in the browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.chromium import sign_in
from tests.support.demo import Demo

OpenPage = Callable[..., Page]


def test_nobody_is_sent_to_the_sign_in_page_and_back(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/?status=ok", user="")
    expect(page).to_have_url(f"{demo.url}/account/login/?next=/%3Fstatus%3Dok")
    page.fill("input[name=login]", "viewer")
    page.fill("input[name=password]", "demo")
    page.press("input[name=password]", "Enter")
    expect(page).to_have_url(f"{demo.url}/?status=ok")


def test_a_wrong_password_says_so_and_keeps_the_name(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/account/login/", user="")
    page.fill("input[name=login]", "viewer")
    page.fill("input[name=password]", "wrong")
    page.press("input[name=password]", "Enter")
    expect(page.get_by_text("are not correct")).to_be_visible()
    expect(page.locator("input[name=login]")).to_have_value("viewer")
    expect(page.locator("input[name=password]")).to_have_value("")


def test_the_demo_users_are_one_click_away(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/account/login/", user="")
    page.locator("[data-demo-user=auditor]").click()
    expect(page).to_have_url(f"{demo.url}/")
    expect(page.locator(".topbar__user-name")).to_have_text("auditor")


def test_signing_out_ends_it(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("/account/login/", user="")
    sign_in(page, demo.url, "viewer")
    page.locator(".topbar__user").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{demo.url}/")
    expect(page).to_have_url(f"{demo.url}/account/login/?next=/")


@pytest.mark.parametrize(("user", "sees"), [("viewer", False), ("admin", True)])
def test_the_administration_is_offered_to_its_role(open_page: OpenPage, user: str, sees: bool) -> None:
    page = open_page("/", user=user)
    page.locator(".topbar__user").click()
    expect(page.get_by_role("link", name="Administration")).to_have_count(int(sees))
