"""Servers that speak the protocols of push providers, strictly: `python -m tests.standins fcm`.

Each tells where it listens in a line of JSON, and is steered over plain HTTP (`control.py`).
"""
