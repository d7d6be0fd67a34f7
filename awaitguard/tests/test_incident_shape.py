"""The incident at its real size: some seventy sites, three causes, and the same names with other colours beside them."""

from collections import Counter
from pathlib import Path

import pytest

from awaitguard.config import Config
from awaitguard.finding import Finding
from awaitguard.interfaces import find_interfaces
from awaitguard.memory import check_sources

WRONG = "#!"
CORE = {
    "backend/__init__.py": "",
    "backend/app/__init__.py": "",
    "backend/app/core/__init__.py": "",
    "backend/app/core/context.py": (
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass UserContext:\n    user_id: str\n    thread_id: str = ''\n"
    ),
    "backend/app/ws/__init__.py": (
        '"""One place to import from."""\nfrom backend.app.ws.canonical import create_websocket_manager\n'
        "from backend.app.ws.manager import WebSocketManager, get_websocket_manager\n\n"
        "__all__ = ['WebSocketManager', 'create_websocket_manager', 'get_websocket_manager']\n"
    ),
    "backend/app/ws/unified.py": (
        "from backend.app.core.context import UserContext\n\n\nclass UnifiedWebSocketManager:\n    def __init__(self, user_context: UserContext, mode: str = 'unified'):\n"
        "        self.user_context = user_context\n        self.mode = mode\n        self.connections = {}\n\n"
        "    async def send_to_user(self, user_id, message):\n        for connection in self.connections.values():\n"
        "            await connection.send_json(message)\n\n    def is_connected(self, user_id) -> bool:\n        return user_id in self.connections\n"
    ),
    "backend/app/ws/manager.py": (
        "from typing import Optional\n\nfrom backend.app.core.context import UserContext\nfrom backend.app.ws.unified import UnifiedWebSocketManager\n\n"
        "WebSocketManager = UnifiedWebSocketManager\n_registry = {}\n\n\n"
        "async def get_websocket_manager(user_context: Optional[UserContext] = None) -> UnifiedWebSocketManager:\n"
        "    key = user_context.user_id if user_context else 'test'\n    if key not in _registry:\n"
        "        _registry[key] = UnifiedWebSocketManager(user_context)\n    return _registry[key]\n\n\n"
        "def get_websocket_manager_sync(user_context):\n    return UnifiedWebSocketManager(user_context)\n"
    ),
    "backend/app/ws/canonical.py": (
        "import logging\nfrom typing import Optional\n\nfrom backend.app.core.context import UserContext\nfrom backend.app.ws.manager import WebSocketManager\n\n"
        "logger = logging.getLogger(__name__)\n\n\n"
        "def create_websocket_manager(user_context: Optional[UserContext] = None, user_id: Optional[str] = None):\n"
        '    """Make a manager; kept for callers of the old module."""\n'
        "    if user_context is None:\n        logger.warning('no context')\n        user_context = UserContext(user_id or 'test')\n"
        "    try:\n        manager = WebSocketManager(user_context=user_context, mode='unified')\n        logger.info('made for %s', user_context.user_id)\n"
        "        return manager\n    except Exception as error:\n        logger.error('no manager: %s', error)\n        raise\n"
    ),
    "backend/app/ws/compat.py": "from backend.app.ws.canonical import *\n\nmake_websocket_manager = create_websocket_manager\n",
    # The same names with other colours.
    "backend/app/sessions/__init__.py": "from .factory import create_websocket_manager, open_session\n",
    "backend/app/sessions/factory.py": (
        "async def create_websocket_manager(user_context):\n    return [user_context]\n\n\nasync def open_session(user_context):\n    return {'user': user_context}\n"
    ),
    "backend/app/plain/__init__.py": "def get_websocket_manager(user_context):\n    return object()\n",
}
CANONICAL, SYNC, DELETED = (
    "create_websocket_manager",
    "get_websocket_manager_sync",
    "backend.app.ws.websocket_manager_factory",
)


def module(head: str, call: str, count: int, late: str = "", mark: str = "") -> str:
    """A service with `count` methods that stop agents; `late` is an import inside each of them."""
    text = f"import logging\n{head}\n\nlogger = logging.getLogger(__name__)\n\n\nclass Service:\n    def __init__(self, context):\n        self.context = context\n"
    for number in range(count):
        text += f"\n    async def stop_agent_{number}(self, user_id, context=None):\n        try:\n"
        text += f"            {late}\n" if late else ""
        text += f"            manager = {call}{mark}\n            await manager.send_to_user(user_id, {{'type': 'stopped'}})\n"
        text += "        except Exception as error:\n            logger.error('stop failed: %s', error)\n            return False\n        return True\n"
    return text


def wrong_await(head: str, call: str, count: int, late: str = "") -> str:
    return module(head, f"await {call}", count, late, f"  {WRONG}")


WS, ONE = "from backend.app.ws import ", "create_websocket_manager"
SITES = {
    "backend/app/services/agents.py": wrong_await(WS + ONE, f"{ONE}(self.context)", 8),
    "backend/app/services/threads.py": wrong_await(f"from backend.app.ws.canonical import {ONE}", f"{ONE}(user_context=context)", 7),
    "backend/app/services/messages.py": wrong_await("", f"{ONE}(context)", 9, late=WS + ONE),
    "backend/app/services/tools.py": wrong_await("", "get_manager(context)", 6, late=f"{WS}{ONE} as get_manager"),
    "backend/app/services/bridge.py": wrong_await(f"{WS}{ONE} as get_websocket_manager", "get_websocket_manager(context)", 5),
    "backend/app/services/old.py": wrong_await("from backend.app.ws.compat import make_websocket_manager", "make_websocket_manager(context)", 5),
    "backend/app/services/star.py": wrong_await("from backend.app.ws.compat import *", f"{ONE}(context)", 4),
    "backend/app/services/dotted.py": wrong_await("import backend.app.ws.canonical", f"backend.app.ws.canonical.{ONE}(context)", 4),
    "backend/app/services/package.py": wrong_await("from backend.app import ws", f"ws.{ONE}(context)", 4),
    "backend/app/services/relative.py": wrong_await(f"from ..ws.canonical import {ONE} as build", "build(context)", 3),
    "backend/app/services/sync.py": wrong_await("from backend.app.ws.manager import get_websocket_manager_sync", f"{SYNC}(context)", 4),
    "backend/app/services/sync_late.py": wrong_await("", "get_manager(context)", 3, late=f"from backend.app.ws.manager import {SYNC} as get_manager"),
    # The module that is gone: the import is the site.
    "backend/app/services/gone.py": module("", f"{ONE}(context)", 3, late=f"from {DELETED} import {ONE}  {WRONG}"),
    "backend/app/services/gone_awaited.py": module("", f"await {ONE}(context)", 2, late=f"from {DELETED} import {ONE}  {WRONG}"),
    "backend/app/services/gone_relative.py": module("", f"await {ONE}(context)", 1, late=f"from ..ws.websocket_manager_factory import {ONE}  {WRONG}"),
}  # fmt: skip
RIGHT = {
    "backend/app/services/good.py": module(WS + "get_websocket_manager", "await get_websocket_manager(context)", 6),
    "backend/app/services/plain.py": module(WS + ONE, f"{ONE}(context)", 6),
    "backend/app/services/sessions.py": module(f"from backend.app.sessions import {ONE}", f"(await {ONE}(context))[0]", 4),
    "backend/app/services/sessions_late.py": module("", f"(await {ONE}(context))[0]", 3, late=f"from backend.app.sessions.factory import {ONE}"),
    "backend/app/services/object.py": module("from backend.app.plain import get_websocket_manager", "get_websocket_manager(context)", 2),
    "backend/app/services/twin.py": module(f"from backend.app.ws.manager import get_websocket_manager as {ONE}", f"await {ONE}(context)", 3),
    "backend/app/services/optional.py": (
        f"try:\n    from {DELETED} import {ONE}\nexcept ImportError:\n    {WS}{ONE}\n\n\nasync def stop(context):\n    return {ONE}(context)\n"
    ),
    "tests/unit/test_interface.py": (
        f"import pytest\n{WS}{ONE}\n\n\nasync def test_it():\n    with pytest.raises(TypeError):\n        await {ONE}(None)\n"
    ),
}  # fmt: skip
TREE = {**CORE, "backend/app/services/__init__.py": "", **SITES, **RIGHT}


def calls(tree: dict[str, str]) -> list[Finding]:
    return [one for one in check_sources(tree) if one.code[:3] in ("AG1", "AG3") and one.level != "hint"]


def test_all_wrong_sites_no_right_one_three_causes():
    wrong = {
        (path, number)
        for path, text in TREE.items()
        for number, line in enumerate(text.splitlines(), 1)
        if line.endswith(WRONG)
    }
    found = calls(TREE)
    assert len(wrong) == 68
    assert {(one.path, one.line) for one in found} == wrong
    assert Counter(one.cause.name for one in found if one.cause) == {CANONICAL: 55, SYNC: 7, DELETED: 6}
    assert len({one.group for one in found}) == 3


@pytest.mark.parametrize(("path", "left"), [("backend/app/ws/canonical.py", 13), ("backend/app/ws/manager.py", 61)])
def test_a_definition_that_turns_async_takes_its_findings_along(path: str, left: int):
    changed = {**TREE, path: TREE[path].replace("\ndef ", "\nasync def ")}
    assert len([one for one in calls(changed) if one.code < "AG120" or one.code[:3] == "AG3"]) == left


def test_interfaces_lists_every_definition_export_and_caller(tmp_path: Path):
    for path, text in TREE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = find_interfaces(Config(tmp_path, cache=None), [tmp_path], CANONICAL)
    by_path = {one.cause.path: one for one in found.found}
    plain, other = by_path["backend/app/ws/canonical.py"], by_path["backend/app/sessions/factory.py"]
    assert (plain.cause.colour, plain.cause.signature) == ("sync", "(user_context=..., user_id=...)")
    assert (other.cause.colour, other.cause.signature) == ("async", "(user_context)")
    assert {place.path for place in plain.exports} >= {"backend/app/ws/__init__.py", "backend/app/services/agents.py"}
    awaited = [place for place in plain.callers if place.what == "awaited" and place.path.startswith("backend/")]
    assert len(awaited) == 55
    assert len([place for place in other.callers if place.what == "awaited"]) == 7
