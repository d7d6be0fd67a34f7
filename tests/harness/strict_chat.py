"""The rules of the strictest chat templates, over what a model server was really sent.

Each rule is one that real servers refuse requests by: the templates of Mistral, Devstral, Gemma, Llama 3 and Qwen (as
llama.cpp, vLLM and LM Studio render them), and the APIs of OpenAI, Anthropic and Mistral. A request that keeps them all
is refused by none.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["check_request", "faults", "without_notes"]

Message = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""OpenAI takes 40 characters at most, Anthropic this alphabet."""
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_NOTE = re.compile(r"(\n\n)?\[(An error|The user stopped|No answer|The results have)[^\[\]]*\.\]$")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_request(body: dict[str, Any], *, mistral: bool = False) -> None:
    """Fail with every rule that the request breaks, and its messages."""
    found = faults(body, mistral=mistral)
    assert not found, "\n".join([*found, json.dumps(body["messages"], indent=1)[:6000]])


def faults(body: dict[str, Any], *, mistral: bool = False) -> list[str]:
    """What is wrong with the request's messages, rule by rule."""
    messages: list[Message] = body["messages"]
    found: list[str] = []
    if any(message["role"] == "system" for message in messages[1:]):
        found.append("a system message stands elsewhere than at the start")
    if messages and messages[0]["role"] == "system":
        if not _filled(messages[0]):
            found.append("the system message is empty")
        messages = messages[1:]
    found += _order(messages)
    found += _contents(messages)
    found += _calls(messages, mistral=mistral)
    if not body.get("tools") and any(m["role"] == "tool" or m.get("tool_calls") for m in messages):
        found.append("tools are spoken of, and none is offered")
    return found


def without_notes(text: str) -> str:
    """An assistant's text as the user was shown it: without what Netra tells the model of how the turn ended."""
    return _NOTE.sub("", text)


def _order(messages: list[Message]) -> list[str]:
    found: list[str] = []
    before = "the start"
    open_calls: list[str] = []
    for message in messages:
        role = message["role"]
        if role == "tool":
            if not open_calls:
                found.append(f"a tool result after {before} answers nothing")
            elif message["tool_call_id"] != open_calls.pop(0):
                found.append("tool results don't stand in the order of their calls")
        elif open_calls:
            found.append(f"{role} comes while the calls {open_calls} have no result")
            open_calls = []
        if role == "user" and before not in {"the start", "assistant"}:
            found.append(f"user comes straight after {before}")
        if role == "assistant":
            if before not in {"user", "tool"}:
                found.append(f"assistant comes straight after {before}")
            open_calls = [call["id"] for call in message.get("tool_calls") or ()]
        if role not in {"user", "assistant", "tool"}:
            found.append(f"nobody knows the role {role}")
        before = "calls" if role == "assistant" and open_calls else role
    if open_calls:
        found.append(f"the calls {open_calls} have no result")
    if before not in {"user", "tool"}:
        found.append(f"the last word is that of {before}")
    return found


def _contents(messages: list[Message]) -> list[str]:
    found: list[str] = []
    for message in messages:
        if not _filled(message) and not message.get("tool_calls"):
            found.append(f"a message of {message['role']} is empty")
        if message.get("tool_calls") and message.get("content") is not None and not _filled(message):
            found.append("a message with calls has a blank text")
    return found


def _calls(messages: list[Message], *, mistral: bool) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    newest = max((index for index, message in enumerate(messages) if _said_by_a_person(message)), default=0)
    for index, message in enumerate(messages):
        calls = message.get("tool_calls") or []
        if index < newest and len(calls) > 1:
            found.append("an earlier turn has several calls in one message, which Llama 3's template refuses")
        for call in calls:
            name, key = call["function"]["name"], call["id"]
            if key in seen:
                found.append(f"the id {key!r} stands twice")
            seen.add(key)
            if not (_MISTRAL_ID if mistral else _ID).fullmatch(key):
                found.append(f"the id {key!r} has a form that is refused")
            if not _NAME.fullmatch(name):
                found.append(f"the tool's name {name!r} has a form that is refused")
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                found.append("arguments aren't an object")
    return found


def _said_by_a_person(message: Message) -> bool:
    """And not by the library in mid-turn, which asks for another answer in the user's voice."""
    said = str(message.get("content"))
    return message["role"] == "user" and not re.match(r"<system>|Please |.*<pyai:", said, re.DOTALL)


def _filled(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return bool(content.strip())
    return bool(content)
