"""Pydantic-AI's AG-UI adapter, as its documentation says."""

import os

import uvicorn
from fastapi import FastAPI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.ui.ag_ui import AGUIAdapter
from starlette.requests import Request
from starlette.responses import Response

agent = Agent(OpenAIChatModel("fake", provider=OpenAIProvider(base_url=os.environ["MODEL_URL"], api_key="none")))
app = FastAPI()


@agent.tool_plain
def calculate(expression: str) -> str:
    """Calculate a product."""
    left, right = expression.split("*")
    return str(int(left) * int(right))


@app.post("/")
async def run_agent(request: Request) -> Response:
    return await AGUIAdapter.dispatch_request(request, agent=agent)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
