"""Streams in the manner of servers that people use, field for field as those write them.

Each is read alike with both clients, and those that keep to the API as the agent library reads them by itself; where a
server says its reasoning, it's shown as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.agents.playback import Player
from tests.unit.agents.wire import DONE, stream


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    made = Player()
    yield made
    made.close()


@dataclass(frozen=True)
class Server:
    """What it writes, and what of that is shown."""

    data: bytes
    shown: list[tuple[str, str]]


def chunks(head: dict[str, Any], *deltas: Any, reason: str = "stop", **last: Any) -> list[dict[str, Any]]:
    """Chunks as most servers write them, each with one choice; the last one says why it's the last."""
    made = [
        head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]} for delta in deltas
    ]
    made[-1]["choices"][0]["finish_reason"] = reason
    made[-1] |= last
    return made


def head(model: str, **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "model": model} | more


USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
OPENAI = head("gpt-5-mini", service_tier="default", system_fingerprint="fp_1", usage=None, obfuscation="Zk3")
OPENROUTER = head("openai/gpt-oss-120b", provider="Groq")
AZURE = head("gpt-4o", system_fingerprint="fp_2")
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
LOOK = {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": ""}}

SERVERS = {
    "OpenAI": Server(
        stream(
            *chunks(
                OPENAI,
                {"role": "assistant", "content": "", "refusal": None},
                {"content": "Hel"},
                {"content": "lo"},
                {},
            ),
            OPENAI | {"choices": [], "usage": USAGE | {"completion_tokens_details": {"reasoning_tokens": 3}}},
            DONE,
        ),
        [("text", "Hello")],
    ),
    "OpenAI, two calls": Server(
        stream(
            *chunks(
                OPENAI,
                {"role": "assistant", "content": None, "tool_calls": [LOOK | {"index": 0}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": '{"at":'}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": '"left"}'}}]},
                {"tool_calls": [LOOK | {"index": 1, "id": "call_b"}]},
                {"tool_calls": [{"index": 1, "function": {"arguments": '{"at":"up"}'}}]},
                {},
                reason="tool_calls",
            ),
            DONE,
        ),
        [],
    ),
    "Azure, with its filters": Server(
        stream(
            {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"index": 0}]},
            AZURE
            | {"choices": [{"index": 0, "delta": {"content": "Hi"}, "content_filter_results": SAFE, "logprobs": None}]},
            AZURE | {"choices": [{"index": 0, "delta": {"content": " all"}, "content_filter_results": SAFE}]},
            AZURE | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "content_filter_results": {}}]},
            AZURE | {"choices": [{"index": 0, "finish_reason": None, "delta": None, "content_filter_offsets": {}}]},
            DONE,
        ),
        [("text", "Hi all")],
    ),
    "DeepSeek": Server(
        b": keep-alive\n\n"
        + stream(
            *chunks(
                head("deepseek-reasoner", system_fingerprint="fp_3"),
                {"role": "assistant", "content": None, "reasoning_content": ""},
                {"content": None, "reasoning_content": "Let me"},
                {"content": None, "reasoning_content": " think."},
                {"content": "It", "reasoning_content": None},
                {"content": " is 4.", "reasoning_content": None},
                {"content": "", "reasoning_content": None},
                usage=USAGE,
            ),
            DONE,
        ),
        [("thinking", "Let me think."), ("text", "It is 4.")],
    ),
    "OpenRouter": Server(
        b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
        + stream(
            *chunks(
                OPENROUTER,
                {"role": "assistant", "content": "", "reasoning": "We", "reasoning_details": [{"text": "We"}]},
                {"role": "assistant", "content": "", "reasoning": " add.", "reasoning_details": [{"text": " add."}]},
                {"role": "assistant", "content": "Four"},
                {"role": "assistant", "content": "."},
                {"role": "assistant", "content": ""},
            ),
            OPENROUTER | {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}], "usage": USAGE},
            DONE,
        ),
        [("thinking", "We add."), ("text", "Four.")],
    ),
    "OpenRouter, whose provider fails": Server(
        stream(
            *chunks(OPENROUTER, {"role": "assistant", "content": "Four"}, reason="error"),
            OPENROUTER | {"error": {"code": 502, "message": "Provider disconnected"}, "choices": []},
        ),
        [("text", "Four")],
    ),
    "vLLM": Server(
        stream(
            *chunks(
                head("qwen3", prompt_token_ids=None),
                {"role": "assistant", "content": ""},
                {"reasoning_content": "Well", "reasoning": "Well"},
                {"reasoning_content": ".", "reasoning": "."},
                {"content": "\n\n"},
                {"content": "Four"},
            ),
            head("qwen3") | {"choices": [], "usage": USAGE},
            DONE,
        ),
        [("thinking", "Well."), ("text", "\n\nFour")],
    ),
    "vLLM, which counts in every chunk": Server(
        stream(
            *(
                each | {"usage": USAGE | {"completion_tokens": number}}
                for number, each in enumerate(chunks(head("qwen3"), {"content": "a"}, {"content": "b"}, {}))
            ),
            DONE,
        ),
        [("text", "ab")],
    ),
    "llama.cpp": Server(
        stream(
            *chunks(
                head("gguf", system_fingerprint="b1"),
                {"role": "assistant", "content": None},
                {"content": "<think>"},
                {"content": "Hm"},
                {"content": "</think>"},
                {"content": "4"},
                {},
                timings={"predicted_n": 3},
            ),
            DONE,
        ),
        [("thinking", "Hm"), ("text", "4")],
    ),
    "Ollama": Server(
        stream(
            *chunks(
                head("gpt-oss:20b", system_fingerprint="fp_ollama"),
                {"role": "assistant", "content": "", "reasoning": "Hm"},
                {"role": "assistant", "content": "", "reasoning": "m."},
                {"role": "assistant", "content": "4"},
                {"role": "assistant", "content": ""},
            ),
            DONE,
        ),
        [("thinking", "Hmm."), ("text", "4")],
    ),
    "Groq": Server(
        stream(
            *chunks(
                head("llama", x_groq={"id": "req_1"}),
                {"role": "assistant", "content": ""},
                {"content": "Hi"},
                {},
                x_groq={"id": "req_1", "usage": USAGE},
            ),
            DONE,
        ),
        [("text", "Hi")],
    ),
    "Gemini": Server(
        stream(
            head("gemini-3")
            | {
                "choices": [
                    {
                        "index": 0,
                        "delta": {
                            "role": "assistant",
                            "tool_calls": [
                                {
                                    "id": "c1",
                                    "type": "function",
                                    "function": {"name": "look", "arguments": '{"at":"left"}'},
                                    "extra_content": {"google": {"thought_signature": "sig"}},
                                }
                            ],
                        },
                        "finish_reason": "stop",
                    }
                ]
            },
            DONE,
        ),
        [],
    ),
    "Mistral, in content parts": Server(
        stream(
            *chunks(
                head("magistral"),
                {"role": "assistant", "content": ""},
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
                {"content": [{"type": "text", "text": "Fo"}]},
                {"content": "ur"},
                {"content": ""},
            ),
            DONE,
        ),
        [("thinking", "Hm"), ("text", "Four")],
    ),
    "a proxy that keeps the line busy": Server(
        b":\r\n\r\n:\r\n\r\n"
        + b":\r\n\r\n".join(stream(each, end="\r\n") for each in chunks(head("m"), {"content": "H"}, {"content": "i"}))
        + stream(DONE, end="\r\n"),
        [("text", "Hi")],
    ),
}


@pytest.mark.parametrize("pieces_of", [1, 33, 10**6])
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_it_is_read_alike_with_both_clients(player: Player, server: Server, pieces_of: int) -> None:
    pieces = [server.data[at : at + pieces_of] for at in range(0, len(server.data), pieces_of)]
    lean, sdk = player.both(pieces)
    assert lean.same_as(sdk), (lean, sdk)
    assert lean.shown == server.shown


LIKE_THE_LIBRARY = (
    "OpenAI",
    "OpenAI, two calls",
    "DeepSeek",
    "OpenRouter",
    "vLLM",
    "llama.cpp",
    "Ollama",
    "Groq",
    "Gemini",
)


@pytest.mark.parametrize("name", LIKE_THE_LIBRARY)
def test_what_keeps_to_the_api_is_read_as_the_library_reads_it(player: Player, name: str) -> None:
    lean, _ = player.both([SERVERS[name].data])
    alone = player.alone([SERVERS[name].data])
    assert lean.same_as(alone), (lean, alone)
