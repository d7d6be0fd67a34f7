"""A tree in the shape of the incident: a sync factory, its async twin, aliases, and a module that was deleted."""

from collections import Counter

import pytest

from awaitguard.memory import check_sources

FACTORY = '''\
"""The factory everyone should leave alone."""
from app.ws.manager import Manager


def create_manager(user_context, mode="unified"):
    manager = Manager(user_context)
    if mode == "isolated":
        manager.isolate()
    return manager
'''
CANONICAL = """\
from app.ws.manager import Manager

_managers = {}


async def get_manager(user_context):
    if user_context not in _managers:
        _managers[user_context] = Manager(user_context)
    return _managers[user_context]



def open_manager(user_context):
    return Manager(user_context)
"""
MANAGER = """\
class Manager:
    def __init__(self, context):
        self.context = context

    def isolate(self):
        self.context = None

    async def send(self, text):
        return [text]
"""
WRONG = "#!"


def service(imports: str, call: str, count: int, wrong: bool, late: bool = False) -> str:
    """A module with `count` functions that each await or call the factory."""
    mark = f"  {WRONG}" if wrong else ""
    text = "" if late else imports + "\n\n"
    for number in range(count):
        text += f"async def stop_{number}(context):\n"
        if late:
            text += f"    {imports}{mark}\n"
            text += "    try:\n"
            text += f"        manager = {call}\n        await manager.send('stop')\n"
            text += "    except Exception:\n        raise\n\n"
        else:
            text += f"    manager = {call}{mark}\n    await manager.send('stop')\n\n"
    return text


TREE = {
    "app/__init__.py": "",
    "app/ws/__init__.py": "from app.ws.factory import create_manager\nfrom app.ws.canonical import get_manager\n__all__ = ['create_manager', 'get_manager']\n",
    "app/ws/manager.py": MANAGER,
    "app/ws/factory.py": FACTORY,
    "app/ws/canonical.py": CANONICAL,
    "app/ws/compat.py": "from app.ws.factory import create_manager\nmake_manager = create_manager\n",
    "app/core/__init__.py": "",
    # the sync factory, by every road
    "app/core/agents.py": service("from app.ws import create_manager", "await create_manager(context)", 5, wrong=True),
    "app/core/bridge.py": service("from app.ws.factory import create_manager", "await create_manager(context, mode='isolated')", 4, wrong=True),
    "app/core/chat.py": service("from app.ws.compat import make_manager", "await make_manager(context)", 3, wrong=True),
    "app/core/jobs.py": service("from app import ws", "await ws.create_manager(context)", 3, wrong=True),
    "app/core/late.py": service("import app.ws.factory as factory", "await factory.create_manager(context)", 3, wrong=True),
    "app/core/renamed.py": service("from app.ws import create_manager as build", "await build(context)", 3, wrong=True),
    # the second plain function of the canonical module
    "app/core/opened.py": service("from app.ws.canonical import open_manager", "await open_manager(context)", 3, wrong=True),
    "app/core/star.py": service("from app.ws.canonical import *", "await open_manager(context)", 3, wrong=True),
    # a module that was deleted, imported where nobody sees it
    "app/core/stopped.py": service("from app.ws.old_factory import create_manager", "create_manager(context)", 4, wrong=True, late=True),
    "app/core/resumed.py": service("from app.ws.old_factory import create_manager", "await create_manager(context)", 3, wrong=True, late=True),
    # right ones
    "app/core/good.py": service("from app.ws import get_manager", "await get_manager(context)", 4, wrong=False),
    "app/core/plain.py": service("from app.ws import create_manager", "create_manager(context)", 4, wrong=False),
    "app/core/twin.py": service("from app.ws.canonical import get_manager as create_manager", "await create_manager(context)", 3, wrong=False),
    "app/core/guarded.py": (
        "import inspect\nfrom app.ws import create_manager\n\nasync def stop(context):\n    made = create_manager(context)\n"
        "    if inspect.isawaitable(made):\n        made = await made\n    return made\n"
    ),
    "tests/test_incident.py": (
        "import pytest\nfrom app.ws import create_manager\n\nasync def test_it():\n    with pytest.raises(TypeError):\n        await create_manager(1)\n"
    ),
}  # fmt: skip


def test_every_wrong_site_no_right_one_three_causes():
    wrong = {
        (path, number)
        for path, text in TREE.items()
        for number, line in enumerate(text.splitlines(), 1)
        if line.endswith(WRONG)
    }
    calls = [finding for finding in check_sources(TREE) if finding.code[:3] in ("AG1", "AG3")]
    assert {(finding.path, finding.line) for finding in calls} == wrong
    assert len(wrong) >= 30
    assert (
        len({path for path, _ in wrong} | {path for path in TREE if path.startswith("app/core/") and TREE[path]}) >= 12
    )
    causes = Counter(finding.cause.name for finding in calls if finding.cause)
    assert causes == {"create_manager": 21, "open_manager": 6, "app.ws.old_factory": 7}
    assert len({finding.group for finding in calls}) == 3


def test_the_import_that_hides_the_colour_is_told_too():
    drift = {(finding.code, finding.path) for finding in check_sources(TREE) if finding.code.startswith("AG2")}
    assert ("AG209", "app/core/twin.py") in drift


@pytest.mark.parametrize("path", ["app/ws/factory.py", "app/ws/canonical.py"])
def test_the_findings_go_when_the_factory_becomes_async(path: str):
    changed = {**TREE, path: TREE[path].replace("\ndef ", "\nasync def ")}
    before = {
        finding.cause.path for finding in check_sources(TREE) if finding.cause and finding.code.startswith("AG10")
    }
    after = {
        finding.cause.path for finding in check_sources(changed) if finding.cause and finding.code.startswith("AG10")
    }
    assert path in before
    assert path not in after
