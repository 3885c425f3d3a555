#!/usr/bin/env python
"""The command line of Merchant Webhooks; `manage.py help` lists what it can do."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    if sys.argv[1:2] == ["demo"]:
        os.environ.setdefault("DEBUG", "true")  # a demo on a given DATABASE_URL makes its own keys, too
    if sys.argv[1:2] == ["doctor"]:
        from webhooks_project import misconfigured

        misconfigured.tell_and_exit(as_json="--json" in sys.argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
