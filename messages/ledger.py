"""The log as conversations ask for it: fills the port conversations.logbook."""


class Ledger:
    """x"""
