#!/usr/bin/env python
"""Run a management command of the portal."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etlportal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from etlportal.environment import refuse

    try:
        if sys.argv[1:2] == ["doctor"]:
            from etlportal import settings  # noqa: F401 - the doctor tells also what is wrong with these
    except Exception as error:
        sys.exit(refuse(error, sys.argv[1:]))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(refuse(error, sys.argv[1:]))


if __name__ == "__main__":
    main()
