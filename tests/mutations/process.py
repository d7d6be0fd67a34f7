"""Mutations of the process: how it begins with its agent, how it ends whatever hangs, and what a message costs it."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_ENDS = "tests/chaos/test_hanging_ends.py"
_TOOL = f"{_ENDS}::test_with_a_tool_that_never_ends"
_STEPS = "tests/unit/test_closing.py"
_OWN = "tests/integration/test_own_agents.py"
_COST = "tests/integration/test_large_inputs.py"

_CLOSING = Nearest("closing.py", _STEPS)
_SUPERVISOR = Nearest("runs/supervisor.py", _TOOL)
_LOADER = Nearest("agents/loader.py", _OWN)
_DOCTOR = Nearest("commands/doctor.py", _OWN)
_INTENTS = Nearest("agents/intents.py", _COST)

MUTATIONS = (
    _CLOSING.edit(
        "process-says-nothing-of-its-end",
        '            _logger.warning("ending: still waiting for %s", said)\n',
        "",
    ),
    _CLOSING.edit("process-leaves-without-a-word", "leaving while waiting for %s", "leaving"),
    _CLOSING.edit("process-never-leaves", "                self.leave(1)\n", "                return\n"),
    _CLOSING.edit(
        "process-step-without-bound",
        "                await asyncio.wait({task}, timeout=seconds)\n",
        "                await asyncio.wait({task})\n",
    ),
    _CLOSING.edit("process-step-goes-on", "                    task.cancel()\n", ""),
    _CLOSING.edit("process-step-hides-an-error", "            task.result()\n", "            pass\n"),
    _CLOSING.edit(
        "process-end-is-put-off", "min(self._deadline, time.monotonic() + seconds)", "time.monotonic() + seconds"
    ),
    _SUPERVISOR.edit(
        "process-waits-for-runs-without-bound",
        "        _, late = await asyncio.wait(tasks, timeout=grace)\n",
        "        _, late = await asyncio.wait(tasks)\n",
    ),
    _LOADER.edit(
        "process-agent-is-loaded-by-its-first-run",
        "    if settings.agent is not None:\n        await runtime.load()\n",
        "",
    ),
    _LOADER.edit("process-agent-may-leave", "    except BaseException as error:\n", "    except Exception as error:\n"),
    _DOCTOR.edit(
        "process-doctor-loads-nothing", "    runtime = await ready_agent(settings)\n", "    return settings.model\n"
    ),
    _INTENTS.edit(
        "process-message-is-read-to-its-end", "    room = _MAX_CHARS\n", "    room = len(message) + _MAX_CHARS\n"
    ),
    _INTENTS.edit(
        "process-piece-is-looked-at-again",
        "        start, end = begins, ends\n",
        "        start, end = begins, ends\n        line = line[:start] + line[start:].strip() + line[room:]\n",
    ),
)
