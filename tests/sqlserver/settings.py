"""Settings of the tests with the server of TEST_SQLSERVER_*; without it, with the embedded warehouse."""

from __future__ import annotations

from tests.sqlserver.server import portal_environment
from tests.support import clean_room

clean_room.WANTED.update(portal_environment())

from tests.settings import *  # noqa: E402, F403
