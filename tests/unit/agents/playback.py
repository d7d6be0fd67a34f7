"""A model whose server answers with given bytes in given pieces, read by Netra or by the OpenAI client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.messages import (
    ModelRequest,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition
from yarl import URL

from netra_backend.app.agents.ahead import Ahead
from netra_backend.app.agents.aiohttp_transport import AiohttpTransport, Body, Reply
from netra_backend.app.agents.idle_watch import IdleWatch
from netra_backend.app.agents.openai_request import LeanClient, SdkClient
from netra_backend.app.agents.openai_stream import AnswerLimits, ChatModel
from netra_backend.app.agents.result_allowance import ResultLimits
from netra_backend.app.agents.shown_model import ShownModel
from netra_backend.app.agents.tool_calls import CallLimits
from netra_backend.app.agents.transcript import Transcript
from tests.unit.agents.sink import Sink

KEPT = ("parts", "usage", "model_name", "finish_reason", "provider_response_id", "provider_details", "state")


@dataclass
class Reading:
    """What came of reading a response: what was shown, and what the library keeps, or how it failed."""

    shown: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    calls: int = 0
    kept: str = ""
    failure: str = ""

    def same_as(self, other: Reading) -> bool:
        """All but how many pieces it was shown in."""
        return (self.shown, self.kept, self.failure) == (other.shown, other.kept, other.failure)


class _Pieces(Body):
    """The pieces, and then the response's end, or the connection's."""

    def __init__(self, pieces: Sequence[bytes], *, cut: bool) -> None:
        self._pieces: Iterator[bytes] = iter([piece for piece in pieces if piece])
        self._cut = cut
        self.closed = False

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if not piece and self._cut:
            raise httpx2.ReadError("the connection broke")
        return piece

    async def drain(self, limit: float) -> None:
        for _ in self._pieces:
            pass

    async def aclose(self) -> None:
        self.closed = True


class _Playback(AiohttpTransport):
    body: _Pieces

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, *, follow: bool = True
    ) -> Reply:
        return Reply(200, [(b"content-type", b"text/event-stream")], self.body)


LIMITS = AnswerLimits(response=10**8, event=10**7, calls=CallLimits(calls=64, arguments=10**6))


class Player:
    """Reads a response as Netra does, with either client below it; and as the agent library does without Netra.

    The one place in the tests that knows what Netra's reader is made of: bytes of a response go in, and what the user
    is shown and what the agent library keeps come out.
    """

    def __init__(self, *, needs_finish_reason: bool = True, opens_thinking: bool = False) -> None:
        self._transport = _Playback(connect_timeout=5)
        profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=needs_finish_reason)

        def provider(made: type[AsyncOpenAI]) -> OpenAIProvider:
            client = made(
                base_url="http://model.invalid/v1",
                api_key="none",
                max_retries=0,
                http_client=httpx2.AsyncClient(transport=self._transport),
            )
            return OpenAIProvider(openai_client=client)

        lean = LeanClient(self._transport, base_url="http://model.invalid/v1", api_key="none")
        self._models = {
            "lean": ChatModel("asked", provider=OpenAIProvider(openai_client=lean), profile=profile),
            "sdk": ChatModel("asked", provider=provider(SdkClient), profile=profile),
            "alone": OpenAIChatModel("asked", provider=provider(AsyncOpenAI), profile=profile),
        }
        for model in self._models.values():
            if isinstance(model, ChatModel):
                model.limits = LIMITS
                model.opens_thinking = opens_thinking
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def both(
        self, pieces: Sequence[bytes], *, cut: bool = False, ahead: bool = True, tools: Sequence[str] = ()
    ) -> tuple[Reading, Reading]:
        """(With Netra's client, with the OpenAI client). `cut`: the connection breaks after the pieces. Without `ahead`
        Netra's model is used as any other, outside of a turn. `tools` are offered to the model."""
        lean, sdk = (
            self._loop.run_until_complete(self._read(pieces, which, cut=cut, showing=ahead, tools=tools))
            for which in ("lean", "sdk")
        )
        return lean, sdk

    def alone(self, pieces: Sequence[bytes], *, cut: bool = False) -> Reading:
        """By the agent library without Netra."""
        return self._loop.run_until_complete(self._read(pieces, "alone", cut=cut, showing=False))

    async def _read(
        self, pieces: Sequence[bytes], which: str, *, cut: bool, showing: bool, tools: Sequence[str] = ()
    ) -> Reading:
        body = self._transport.body = _Pieces(pieces, cut=cut)
        before = asyncio.all_tasks()
        sink, idle = Sink(), IdleWatch(60, lambda: None)
        transcript = Transcript(sink)
        transcript.begin_response()
        ahead = Ahead(transcript, idle)
        chosen = self._models[which]
        model = ShownModel(chosen, ahead, 60, ResultLimits(50_000, 400_000)) if showing else chosen
        parameters = ModelRequestParameters(function_tools=[ToolDefinition(name=name) for name in tools])
        reading = Reading()
        prompt = [ModelRequest([UserPromptPart("go")])]
        raised: Exception | None = None  # it's kept as a log would, and with it all that it came through
        try:
            if showing:
                whole = await model.request(prompt, None, parameters)
            else:
                async with model.request_stream(prompt, None, parameters) as stream:
                    async for event in stream:
                        await ahead.event(event)
                    whole = stream.get()
            kept = "\n".join(f"{name}: {getattr(whole, name)!r}" for name in KEPT)
            # Calls that come without an id are given one at random.
            reading.kept = re.sub(r"pyd_ai_\w+", "made up", kept)
        except Exception as error:  # noqa: BLE001 - whatever it is, it's compared
            raised = error
            # Where in a line it stood is counted from different places.
            reading.failure = re.sub("'utf-8' codec .*", "not UTF-8", f"{type(error).__name__}: {error}")
        idle.close()
        assert body.closed
        assert not [task for task in asyncio.all_tasks() - before if _is_netras(task)], "nothing goes on reading"
        del raised
        reading.shown, reading.calls = _joined(sink), len(sink.calls)
        return reading


def _is_netras(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "netra_backend" in code.co_filename


def _joined(sink: Sink) -> list[tuple[str, str]]:
    joined: list[tuple[str, str]] = []
    for kind, text in (call[:2] for call in sink.calls):
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return joined
