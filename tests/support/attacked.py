"""The demo that sqlmap attacks (sqlmap.py), and the browsers of those who visit it."""

from __future__ import annotations

import base64
import csv
import hmac
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, OpenerDirector, Request, build_opener

from tests.support.attacked_portal import SECRET
from tests.support.demo import KEPT, ROOT, answers, free_port
from tests.support.sqlmap_forms import FORGETFUL, GUARDED, HALFWAY, NOBODY, ROLES
from tests.support.sqlmap_targets import Target

SESSION, CSRF, PASSWORD = "etlportal_session", "csrfmiddlewaretoken", "demo"
SENT_AWAY = re.compile(r"/account/(login|reauthenticate|second-factor)/")
LEADS_AWAY = frozenset({"admin/login/", "account/passkey/", "account/logout/"})
"""Who is not signed in is led to the sign-in by these themselves."""


@dataclass(frozen=True, slots=True)
class Portal:
    """`names`: what is in the addresses of the accounts' forms."""

    url: str
    names: dict[str, str]


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """Leave it to who asked."""


class Visitor:
    """Somebody's browser: signs in as a person does."""

    def __init__(self, url: str) -> None:
        self.url, self.jar = url, CookieJar()
        self.opener: OpenerDirector = build_opener(HTTPCookieProcessor(self.jar))
        self.unmoved: OpenerDirector = build_opener(HTTPCookieProcessor(self.jar), Stay())

    def sign_in(self, name: str) -> None:
        """Send name and password. Raises SystemExit when that does not help."""
        self.ask("account/login/", {"login": name, "password": PASSWORD, CSRF: self.token("account/login/")})
        if SESSION not in self.cookies:
            raise SystemExit(f"{name} could not sign in")

    def send_code(self) -> None:
        """Send the second factor's code."""
        self.ask("account/second-factor/", {"code": code(), CSRF: self.token("account/second-factor/")})

    def once_more(self) -> None:
        """Give the password again, as forms about the account ask for it."""
        self.ask("account/reauthenticate/", {"password": PASSWORD, CSRF: self.token("account/reauthenticate/")})

    def ask(self, path: str, fields: dict[str, str] | None = None) -> str:
        """Return the answer's text; "" when it is an error."""
        try:
            with self.opener.open(self._request(path, fields), timeout=60) as answer:
                return str(answer.read().decode(errors="replace"))
        except HTTPError:
            return ""

    def reaches(self, target: Target) -> bool:
        """Return whether this visitor gets to what is attacked, and not to where one signs in."""
        query = f"?{target.fields}" if target.fields and not target.post else ""
        try:
            with self.unmoved.open(self._request(target.path.replace("*", "") + query), timeout=60) as answer:
                answer.read()  # to its end: a person has one file at a time
                status, where = answer.status, ""
        except HTTPError as error:
            status, where = error.code, error.headers.get("Location", "")
        # What takes a form only says so (405) to whoever may send one.
        fine = status < 400 or (target.post and status == 405)
        return fine and (target.path in LEADS_AWAY or not SENT_AWAY.search(where))

    def first(self, path: str) -> dict[str, str]:
        """Return the first row of a file."""
        return next(csv.DictReader(io.StringIO(self.ask(path).lstrip("\ufeff"))))

    def token(self, path: str = "") -> str:
        """Return what a form must bring."""
        for each in (path,) if path else ("preferences/", "account/login/"):
            if found := re.search(rf'name="{CSRF}" value="([^"]+)"', self.ask(each)):
                return found[1]
        return ""

    @property
    def cookies(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self.jar)

    def _request(self, path: str, fields: dict[str, str] | None = None) -> Request:
        return Request(f"{self.url}/{path}", urlencode(fields).encode() if fields else None)


def code() -> str:
    """Return the second factor's code of now (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(SECRET), int(time.time() // 30).to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


def visitors_of(portal: Portal) -> dict[str, Visitor]:
    """Return a browser for everybody, signed in as far as they should be."""
    visitors = {name: Visitor(portal.url) for name in (NOBODY, *ROLES, GUARDED, HALFWAY, FORGETFUL)}
    for role in ROLES:
        visitors[role].sign_in(role)
        visitors[role].once_more()
    for name in (GUARDED, HALFWAY):
        visitors[name].sign_in(GUARDED)
    visitors[GUARDED].send_code()
    visitors[GUARDED].once_more()
    visitors[FORGETFUL].ask("account/password/reset/key/{uid}-{token}/".format(**portal.names))
    return visitors


@contextmanager
def running() -> Iterator[Portal]:
    """Start a demo: its warehouse as it was made (no ETL moves the figures), a collector and a web server."""
    folder, port = Path(tempfile.mkdtemp(prefix="etlportal-sqlmap-")), free_port()
    environment = {name: value for name, value in os.environ.items() if name in KEPT}
    environment |= {"PORTAL_DATA_DIR": str(folder / "data"), "EMAIL_URL": "dummymail://", "PYTHONUNBUFFERED": "1"}
    manage = [sys.executable, "manage.py"]
    server = [
        *(sys.executable, "-m", "gunicorn", "tests.support.attacked_portal:made()", f"--bind=127.0.0.1:{port}"),
        *("--workers=1", "--worker-class=gthread", "--threads=8", "--graceful-timeout=3", "--log-level=warning"),
    ]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        log = stack.enter_context((folder / "log").open("ab"))
        subprocess.run(
            [*manage, "demo", "--prepare-only"], cwd=ROOT, env=environment, stdout=log, stderr=log, check=True
        )
        prepared = subprocess.run(
            [*manage, "shell", "--no-imports", "-c", "from tests.support.attacked_portal import prepare; prepare()"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if prepared.returncode:
            raise SystemExit(prepared.stderr)
        for command in ([*manage, "collect"], server):
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            stack.callback(_end, process)
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while not answers(url):
            if time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.2)
        time.sleep(5)  # until the collector has looked once
        yield Portal(url, {name: str(value) for name, value in json.loads(prepared.stdout.splitlines()[-1]).items()})


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
