"""The site's own settings, with the bare views among its routes."""

from imsite.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
