"""The tests' settings over the server that TEST_SQLSERVER_* name; without them, over the embedded warehouse."""

from __future__ import annotations

from tests.sqlserver.server import portal_environment
from tests.support import clean_room

clean_room.WANTED.update(portal_environment())

from tests.settings import *  # noqa: E402, F403
