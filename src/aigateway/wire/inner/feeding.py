"""The next request of a turn: the one before, with what the model said and what its calls came to (spec 14.4, 14.5)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.messages import message
from aigateway.wire.inner.pieces import array, is_array, json_object, with_elements
from aigateway.wire.inner.turn import CallResult, Round, Untellable
from aigateway.wire.lenient import any_value
from aigateway.wire.splice import JsonObject, Unspliceable


def result_element(api: ApiFormat, result: CallResult) -> bytes:
    """The block, message or item that holds a result."""
    call_id = msgspec.json.encode(result.call.call_id)
    if api is ApiFormat.MESSAGES:
        content = array(json_object({"type": b'"text"', "text": msgspec.json.encode(text)}) for text in result.texts)
        error = {"is_error": b"true"} if result.is_error else {}
        return json_object({"type": b'"tool_result"', "tool_use_id": call_id, "content": content, **error})
    text = msgspec.json.encode("".join(result.texts))
    if api is ApiFormat.CHAT:
        return json_object({"role": b'"tool"', "tool_call_id": call_id, "content": text})
    return json_object({"type": b'"function_call_output"', "call_id": call_id, "output": text})


def fed_back(api: ApiFormat, body: bytes, came: Round, results: Sequence[CallResult]) -> bytes:
    """The next request.

    Raises:
        Untellable: the request before is not one that could be gone on with.

    """
    try:
        request = JsonObject(body)
    except Unspliceable as error:
        raise Untellable(str(error)) from None
    answers = [result_element(api, result) for result in results]
    if api is ApiFormat.RESPONSES:
        return _with_input(request, came.said, answers)
    if api is ApiFormat.MESSAGES:
        answers = [message("user", answers)]
    messages = request.raw("messages")
    if messages is None or not is_array(messages):
        raise Untellable("the request's messages are no array")
    return request.splice(put={"messages": with_elements(messages, b",".join((*came.said, *answers)))})


def without_calls(api: ApiFormat, body: bytes) -> bytes:
    """The request, with no more calls allowed: the model has to say what it can."""
    choice = b'{"type":"none"}' if api is ApiFormat.MESSAGES else b'"none"'
    return JsonObject(body).splice(put={"tool_choice": choice})


def _with_input(request: JsonObject, said: Sequence[bytes], answers: list[bytes]) -> bytes:
    if any_value(request.raw("conversation") or b"null"):
        # What was asked and what was said is in the conversation by now.
        return request.splice(put={"input": array(answers)})
    given = request.raw("input") or b"null"
    if is_array(given):
        before = given
    elif given[:1] == b'"':
        before = array([json_object({"role": b'"user"', "content": given})])
    elif given == b"null":
        before = b"[]"
    else:
        raise Untellable("the request's input is neither a text nor an array")
    stored = request.value("store") is not False
    kept = [item for item in said if stored or _stands_alone(item)]
    return request.splice(put={"input": with_elements(before, b",".join((*kept, *answers)))})


def _stands_alone(item: bytes) -> bool:
    """Whether a provider that stored nothing can take an item back: reasoning only where all of it is in the item."""
    told = any_value(item)
    return not (isinstance(told, dict) and told.get("type") == "reasoning" and not told.get("encrypted_content"))
