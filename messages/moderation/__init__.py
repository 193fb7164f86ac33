"""Moderation: cases of what was reported, orders to recall, letters to those concerned."""
