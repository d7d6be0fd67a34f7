"""Chainlit, as its OpenAI example says."""

import json
import os
from typing import Any

import chainlit as cl
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="none")
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}},
        },
    }
]


@cl.step(type="tool")
async def calculate(expression: str) -> str:
    left, right = expression.split("*")
    return str(int(left) * int(right))


@cl.on_message
async def on_message(message: cl.Message) -> None:
    messages: list[Any] = [{"role": "user", "content": message.content}]
    answer = cl.Message(content="")
    while True:
        calls: list[Any] = []
        stream = await client.chat.completions.create(model="fake", messages=messages, tools=TOOLS, stream=True)
        async for chunk in stream:
            if chunk.choices:
                delta = chunk.choices[0].delta
                if delta.content:
                    await answer.stream_token(delta.content)
                calls += delta.tool_calls or []
        if not calls:
            break
        messages.append({"role": "assistant", "tool_calls": [call.model_dump() for call in calls]})
        for call in calls:
            result = await calculate(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    await answer.update()
