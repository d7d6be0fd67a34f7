"""What most people write by hand: a socket, the OpenAI client, a task per message. It saves nothing, resumes nothing
and keeps nobody apart. It is the yardstick for cost."""

import asyncio
import json
import os
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from openai import AsyncOpenAI

app = FastAPI()
client = AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="none")
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "description": "Calculate an expression.",
            "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}},
        },
    }
]


def calculate(expression: str) -> str:
    left, right = expression.split("*")
    return str(int(left) * int(right))


async def answer(socket: WebSocket, messages: list[Any]) -> None:
    try:
        while True:
            calls: dict[int, dict[str, str]] = {}
            stream = await client.chat.completions.create(model="fake", messages=messages, tools=TOOLS, stream=True)
            async for chunk in stream:
                if not chunk.choices:
                    continue
                delta = chunk.choices[0].delta
                if delta.content:
                    await socket.send_json({"type": "token", "text": delta.content})
                for part in delta.tool_calls or []:
                    call = calls.setdefault(part.index, {"id": part.id or "", "name": "", "arguments": ""})
                    if part.function:
                        call["name"] += part.function.name or ""
                        call["arguments"] += part.function.arguments or ""
            if not calls:
                break
            asked = [
                {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
                for c in calls.values()
            ]
            messages.append({"role": "assistant", "tool_calls": asked})
            for call in calls.values():
                await socket.send_json({"type": "tool", "name": call["name"]})
                result = calculate(**json.loads(call["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        await socket.send_json({"type": "done"})
    except asyncio.CancelledError:
        await socket.send_json({"type": "stopped"})


@app.websocket("/ws")
async def serve(socket: WebSocket) -> None:
    await socket.accept()
    task: asyncio.Task[None] | None = None
    try:
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "message":
                task = asyncio.create_task(answer(socket, [{"role": "user", "content": frame["text"]}]))
            elif task is not None:
                task.cancel()
    except WebSocketDisconnect:
        pass


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", ws_per_message_deflate=False)
