"""How passwords are hashed: argon2id at the least cost that OWASP finds sound for servers.

OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. Django's default takes 100 MiB and
six times as long, which on two cores lets a handful of logins hold up every send.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane."""

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
