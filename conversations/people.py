"""What becomes of conversations when a person changes or goes (a follower of accounts)."""

from datetime import datetime
from typing import Any


def profile_changed(user_id: int) -> None:
    """x"""
