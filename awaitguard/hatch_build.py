"""Builds the wheel: all but a few modules are compiled with mypyc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = os.environ.get("AWAITGUARD_COMPILE", "")  # 1: or fail; 0: never; else: if this machine can
TOOLS = ["mypy>=2.4", "setuptools>=75"]


class CompiledParts(BuildHookInterface[Any]):
    """Adds the extension modules to a wheel; the sources stay in it, for tracebacks and for reading."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build needs besides hatchling; an editable one is asked too, and needs none of it."""
        return [] if WANTED == "0" or (WANTED != "1" and missing_tool()) else TOOLS

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile in a directory of its own: an extension left among the sources would hide later changes to them."""
        if version == "editable" or WANTED == "0":
            return
        missing = missing_tool()
        if missing and WANTED != "1":
            self.warn(missing)
            return
        self.workshop = tempfile.TemporaryDirectory(prefix="awaitguard-build-")
        built = Path(self.workshop.name)
        shutil.copytree(Path(self.root, "src/awaitguard"), built / "awaitguard")
        modules = [f"awaitguard/{name}" for name in compiled(built / "awaitguard", self.config["not-compiled"])]
        environment = {"MYPYC_OPT_LEVEL": "2", "MYPYC_DEBUG_LEVEL": "0", **os.environ}
        done = subprocess.run(
            # An empty name of a configuration: whatever mypy finds set up on this machine is not about these sources.
            [sys.executable, "-m", "mypyc", "--config-file=", *modules], cwd=built, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            self.workshop.cleanup()
            if WANTED == "1":
                raise RuntimeError(f"mypyc could not compile awaitguard:\n{done.stdout}")
            self.warn("\n".join(["mypyc could not compile it:", *done.stdout.strip().splitlines()[-5:]]))
            return
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for extension in [*built.glob(f"*{suffix}"), *built.glob(f"awaitguard/**/*{suffix}")]:
            build_data["force_include"][str(extension)] = extension.relative_to(built).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the directory once the wheel is written."""
        if not build_data["pure_python"]:
            self.workshop.cleanup()

    def warn(self, why: str) -> None:
        """Say that the wheel will have the sources alone."""
        self.app.display_warning(f"awaitguard is built without compiled parts, and will be slower: {why}")


def compiled(sources: Path, left_out: list[str]) -> list[str]:
    """The modules below a directory that are compiled: all that no pattern names.

    Raises:
        ValueError: a pattern names nothing, so it was misspelt or what it named is gone.
    """
    kept = {path.relative_to(sources).as_posix() for path in sources.rglob("*.py")}
    for pattern in left_out:
        named = {path.relative_to(sources).as_posix() for path in sources.glob(pattern)}
        if not named:
            raise ValueError(f"not-compiled in pyproject.toml: no module is called {pattern}")
        kept -= named
    return sorted(kept)


def missing_tool() -> str:
    """What this machine lacks to compile, in words; nothing if it can."""
    if sys.implementation.name != "cpython":
        return f"mypyc compiles for CPython, and this is {sys.implementation.name}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it has not been tried on a free-threaded Python"
    if os.name == "nt":
        return "it has not been tried on Windows"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed"
    return ""
