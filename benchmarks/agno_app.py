"""Agno's AgentOS, as its quick start says."""

import os

from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.models.openai.like import OpenAILike
from agno.os import AgentOS


def calculate(expression: str) -> str:
    """Calculate a product."""
    left, right = expression.split("*")
    return str(int(left) * int(right))


agent = Agent(
    id="bench",
    name="bench",
    model=OpenAILike(id="fake", base_url=os.environ["MODEL_URL"], api_key="none"),
    db=SqliteDb(db_file=os.path.join(os.environ["DATA"], "agno.db")),
    tools=[calculate],
    telemetry=False,
)
agent_os = AgentOS(agents=[agent], telemetry=False)
app = agent_os.get_app()

if __name__ == "__main__":
    agent_os.serve(app=app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
