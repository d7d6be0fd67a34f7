"""One source of truth for each factory: where it is, what colour it has, and that everybody uses it as it is."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import netra_backend
from awaitguard import assert_family, signature
from netra_backend.app.services.user_execution_context import UserExecutionContext
from netra_backend.app.websocket_core.canonical_imports import create_websocket_manager
from netra_backend.app.websocket_core.websocket_manager import WebSocketManager, get_websocket_manager
from tests.harness.factories import FACTORIES, calls, definitions, imports, wrong_calls

SOURCE = Path(netra_backend.__file__).parent
HOMES = {
    "get_websocket_manager": "netra_backend.app.websocket_core.websocket_manager",
    "create_websocket_manager": "netra_backend.app.websocket_core.canonical_imports",
}


class TestOneDefinition:
    """One name, one function, one path."""

    def test_each_name_is_defined_once_in_its_home(self) -> None:
        found = {definition.name: definition for definition in definitions(SOURCE)}
        assert len(definitions(SOURCE)) == len(FACTORIES)
        for name, home in HOMES.items():
            assert found[name].path == Path(*home.split(".")[1:]).with_suffix(".py")

    def test_each_name_means_the_same_in_every_module_that_has_it(self) -> None:
        homes = {name: getattr(importlib.import_module(home), name) for name, home in HOMES.items()}
        modules = [module.name for module in pkgutil.walk_packages(netra_backend.__path__, "netra_backend.")]
        seen = 0
        for module_name in modules:
            if ".migrations" in module_name:
                continue
            module = importlib.import_module(module_name)
            for name, function in homes.items():
                if name in vars(module):
                    assert vars(module)[name] is function, f"{module_name}.{name} is another function"
                    seen += 1
        assert seen > len(HOMES)

    def test_every_import_names_the_one_path(self) -> None:
        found = imports(SOURCE)
        assert found
        assert [place for place in found if place.module != HOMES[place.name]] == []

    def test_nothing_in_the_server_uses_the_sync_factory(self) -> None:
        assert [call for call in calls(SOURCE) if call.name == "create_websocket_manager"] == []


class TestColourAndParameters:
    """The two say how they are called, and are called so."""

    def test_colours(self) -> None:
        assert inspect.iscoroutinefunction(get_websocket_manager)
        assert not inspect.iscoroutinefunction(create_websocket_manager)

    def test_both_take_user_context_and_nothing_else(self) -> None:
        for factory in (get_websocket_manager, create_websocket_manager):
            (parameter,) = inspect.signature(factory, eval_str=True).parameters.values()
            assert parameter.name == "user_context"
            assert parameter.annotation is UserExecutionContext
            assert parameter.default is inspect.Parameter.empty

    def test_return_annotations_say_what_comes_back(self) -> None:
        returns = {
            factory.__name__: inspect.signature(factory, eval_str=True).return_annotation
            for factory in (get_websocket_manager, create_websocket_manager)
        }
        assert returns == {
            "get_websocket_manager": WebSocketManager,
            "create_websocket_manager": UserExecutionContext,
        }

    def test_no_call_has_the_wrong_colour(self) -> None:
        assert wrong_calls(SOURCE) == []

    @pytest.mark.parametrize(
        "line",
        [
            "from m import create_websocket_manager\nasync def f(c): return await create_websocket_manager(c)",
            "from m import create_websocket_manager as make\nasync def f(c): return await make(c)",
            "import m\nasync def f(c): return await m.create_websocket_manager(c)",
            "from m import get_websocket_manager\ndef f(c): return get_websocket_manager(c)",
        ],
    )
    def test_the_check_sees_a_wrong_call(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "wrong.py").write_text(line)
        assert len(wrong_calls(tmp_path)) == 1

    def test_the_deprecation_names_the_replacement_and_the_caller(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            create_websocket_manager(UserExecutionContext(user_id="u"))
        (warning,) = caught
        assert warning.category is DeprecationWarning
        assert HOMES["get_websocket_manager"] in str(warning.message)
        assert warning.filename == __file__


class TestWithAwaitguard:
    """The checker's library and command, on Netra's real tree."""

    def test_signatures_live_and_as_read_agree(self) -> None:
        for name, home in HOMES.items():
            live = signature(getattr(importlib.import_module(home), name))
            read = signature(f"{home}.{name}")
            assert live.colour == read.colour == ("async" if name == "get_websocket_manager" else "sync")
            assert [parameter.name for parameter in live.parameters] == ["user_context"]
            assert [parameter.name for parameter in read.parameters] == ["user_context"]

    def test_the_family_names_its_parameter_alike(self) -> None:
        assert_family([get_websocket_manager, create_websocket_manager])

    def test_the_tree_is_clean(self) -> None:
        assert _findings(SOURCE) == []

    @pytest.mark.parametrize("site", [0, 1], ids=["normal path", "fallback path"])
    def test_the_broken_line_is_found_and_traced_to_its_cause(self, tmp_path: Path, site: int) -> None:
        shutil.copytree(SOURCE, tmp_path / "netra_backend", ignore=shutil.ignore_patterns("__pycache__", "static"))
        service = tmp_path / "netra_backend" / "app" / "services" / "agent_service_core.py"
        before, *rest = service.read_text().split("await get_websocket_manager(user_context)")
        assert len(rest) == 2
        calls = ["await get_websocket_manager(user_context)"] * 2
        calls[site] = "await create_websocket_manager(user_context)"
        broken = before + calls[0] + rest[0] + calls[1] + rest[1]
        home = HOMES["create_websocket_manager"]
        service.write_text(
            broken.replace("\nfrom netra", f"\nfrom {home} import create_websocket_manager\nfrom netra", 1)
        )
        (finding,) = _findings(tmp_path)
        assert (finding["code"], finding["level"]) == ("AG101", "certain")
        assert finding["path"].endswith("services/agent_service_core.py")
        assert finding["cause"]["name"] == "create_websocket_manager"
        assert finding["cause"]["path"].endswith("websocket_core/canonical_imports.py")
        assert finding["cause"]["colour"] == "sync"


def _findings(root: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "awaitguard", "check", str(root), "--format", "json", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)["findings"]
