"""Several sends in one request: each for itself, their seqs in the order given."""

from typing import Any

from imsite.core.errors import AppError, InvalidRequest
from imsite.core.shapes import MAX_ID
from messages import drafts, writer
from messages.drafts import Draft


def send(sender_id: int, items: list[Any]) -> list[dict[str, Any]]:
    """Append what can be appended; return for each item its receipt or its error."""
    parsed = [_parse(sender_id, item) for item in items]
    sent = iter(writer.send_many([each for each in parsed if isinstance(each, Draft)]))
    answers: list[dict[str, Any]] = []
    for each in parsed:
        result = next(sent) if isinstance(each, Draft) else each
        answers.append(
            _refusal(result) if isinstance(result, AppError) else {"ok": True, **result.shape()}
        )
    return answers


def _parse(sender_id: int, item: Any) -> Draft | AppError:
    try:
        if not isinstance(item, dict):
            raise InvalidRequest("An item must be an object.")
        message = dict(item)
        conversation_id = message.pop("conversation_id", None)
        if type(conversation_id) is not int or not 1 <= conversation_id <= MAX_ID:
            raise InvalidRequest.field("conversation_id", "must be an id")
        return drafts.parse(conversation_id, sender_id, message)
    except AppError as error:
        return error


def _refusal(error: AppError) -> dict[str, Any]:
    return {
        "ok": False,
        "code": error.code.value,
        "error": error.code.slug,
        "message": error.message,
        "data": error.data,
    }
