"""Clients that read through nginx, each from its own address, and record every response."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter

PAGES = ("/", "/pipelines/", "/runs/", "/runs/failures/", "/connections/", "/blocks/summary-kpis/", "/blocks/verdict/")
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `status` 0: there was none, and `text` has the reason."""

    at: float
    seconds: float
    method: str
    path: str
    status: int
    text: str
    server: str = ""

    @property
    def ended(self) -> float:
        return self.at + self.seconds


class From(HTTPAdapter):
    """Connections from this address: the portal's limits are per address."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, source_address=(self.address, 0))


@dataclass
class Visitor:
    """One browser with all its responses in `answers`."""

    url: str
    address: str
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.mount("http://", From(self.address))

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """Ask, follow nothing, write the answer down."""
        at = time.monotonic()
        try:
            found = self.session.request(method, self.url + path, timeout=PATIENCE, allow_redirects=False, **more)
            answer = Answer(
                at, time.monotonic() - at, method, path, found.status_code, found.text, found.headers.get("Server", "")
            )
        except requests.RequestException as error:
            answer = Answer(at, time.monotonic() - at, method, path, 0, f"{type(error).__name__}: {error}")
        self.answers.append(answer)
        return answer

    def sign_in(self, name: str, password: str = "demo") -> Answer:
        """Post the form that the page holds; return the answer, or the page's where there is no form."""
        page = self.ask("GET", "/account/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if page.status != 200 or token is None:
            return page
        data = {"login": name, "password": password, "csrfmiddlewaretoken": token[1]}
        return self.ask("POST", "/account/login/", data=data)


class Viewer(threading.Thread):
    """Looks at pages, one after the other, until `stop`."""

    def __init__(self, visitor: Visitor, name: str, seed: int) -> None:
        super().__init__(name=f"viewer-{name}", daemon=True)
        self.visitor, self.user = visitor, name
        self.signed_in = 0
        self._random = random.Random(seed)
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        inside = False
        while not self._stopped.wait(self._random.uniform(0.1, 0.5)):
            if not inside:
                inside = self.visitor.sign_in(self.user).status == 302
                self.signed_in += inside
                continue
            answer = self.visitor.ask("GET", self._random.choice(PAGES))
            inside = answer.status != 302
