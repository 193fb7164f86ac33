"""The api role."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")

# Django reads its settings when it is imported.
from imsite.core import handler

application = handler.application()
