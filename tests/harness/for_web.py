"""A server for the TypeScript client's tests: says where it is in one line of JSON, serves until its input ends."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.harness.server import running_server

PASSWORD = "correct horse battery staple"


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_server(Path(folder), login_attempts_per_minute=1_000) as server:
            people: list[dict[str, str]] = []
            for number in range(20):
                person = await server.person(f"person{number}")
                async with server.http(person) as http:
                    (await http.post("/api/auth/password", json={"new_password": PASSWORD})).raise_for_status()
                people.append({"email": f"person{number}@example.org", "password": PASSWORD})
            print(json.dumps({"url": server.url, "people": people}), flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
