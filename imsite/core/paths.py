"""Ids in URLs: ASCII digits below 2^53, anything else is a path that does not exist."""

from django.urls.converters import get_converters, register_converter

from imsite.core.shapes import MAX_ID


class IdConverter:
    """`<id:user_id>` in a URL pattern."""

    regex = "[0-9]{1,16}"

    def to_python(self, value: str) -> int:
        """Return the id; ValueError makes it a 404."""
        number = int(value)
        if number > MAX_ID:
            raise ValueError("too large to be an id")
        return number

    def to_url(self, value: int) -> str:
        """Return the id as it stands in a URL."""
        return str(value)


def register() -> None:
    """Make the converter known; every URL module that uses it calls this first."""
    if "id" not in get_converters():
        register_converter(IdConverter, "id")
