"""The modules of the portal in which one summary request with empty caches calls a function.

`python -m tools.modules_entered` prints them with the number of functions called in each.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("etlportal", "monitoring")


def entered() -> dict[str, set[str]]:
    """Return the functions called by a summary request of a signed-in viewer, by the path of their module."""
    from django.contrib.auth.models import Group, User
    from django.core.cache import caches
    from django.test import Client
    from django.utils import timezone

    from monitoring.collector import snapshot as stored
    from monitoring.models import CollectorState
    from tests import factories

    client, now = Client(), timezone.now()
    user = User.objects.create_user("viewer")
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user, backend="monitoring.accounts.UserBackend")
    row = {"payload": stored.encode(factories.troubled_snapshot()), "version": "1", "sampled_at": now, "ticked_at": now}
    CollectorState.objects.update_or_create(pk=CollectorState.SINGLETON, defaults=row)
    functions: dict[str, set[str]] = defaultdict(set)

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if event != "call" or frame.f_code.co_name == "<module>" or not path.startswith(str(ROOT)):
            return
        relative = str(Path(path).relative_to(ROOT))
        if relative.split("/")[0] in PACKAGES:
            functions[relative].add(frame.f_code.co_qualname)

    client.get("/")  # imports modules and compiles templates
    caches["local"].clear()
    stored._decoded.cache_clear()
    sys.setprofile(note)
    try:
        response = client.get("/")
    finally:
        sys.setprofile(None)
    if response.status_code != 200:
        raise RuntimeError(f"the summary answered {response.status_code}")
    return functions


def main() -> None:
    """Print the modules and the totals."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.test.utils import setup_databases, setup_test_environment

    django.setup()
    setup_test_environment()
    setup_databases(verbosity=0, interactive=False, aliases=["default"], serialized_aliases=[])
    found = entered()
    for path, names in sorted(found.items()):
        print(f"{len(names):4} {path}")  # noqa: T201 (a script's output)
    print(f"{len(found)} modules, {sum(map(len, found.values()))} functions")  # noqa: T201


if __name__ == "__main__":
    main()
