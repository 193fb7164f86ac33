"""Sockets, and everything else handed to the synchronous application in fixed threads."""

import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings

from imsite.core.bridge import Bridge
from imsite.wsgi import application as wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
bridge = Bridge(
    wsgi,
    readers=settings.IM_READ_THREADS,
    writers=settings.IM_WRITE_THREADS,
    body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
)
application = ProtocolTypeRouter({"http": bridge})
