"""Which file is which module."""

from __future__ import annotations

import os
import posixpath
import sys
import sysconfig
from collections.abc import Iterable
from typing import Final

SUFFIXES: Final = (".pyi", "/__init__.pyi", ".py", "/__init__.py")
# Files of these kinds beside the sources give modules too, but say nothing that could be read.
COMPILED: Final = (
    ".so",
    ".pyd",
    ".pyx",
    ".pyi",
    ".abi3.so",
    ".c",
    ".cpp",
    ".rs",
    ".py.in",
    ".tmpl",
    ".proto",
    ".jinja",
)
# Directories whose own packages no one else imports.
ASIDE: Final = frozenset(
    {"examples", "example", "samples", "sample", "demo", "demos", "docs", "doc", "docs_src", "benchmarks"}
)


class Modules:
    """Names of the project's modules, seen from every directory that can be on Python's path.

    Paths are relative to the root and have forward slashes. A regular package is named from the directory above its
    topmost `__init__.py`; every other file is also named from the root and from source directories.
    """

    def __init__(self, root: str, paths: Iterable[str], extra_roots: Iterable[str] = ()) -> None:
        self.root = root
        self.paths = frozenset(paths)
        self.packages: set[str] = {posixpath.dirname(path) for path in self.paths if path.endswith("/__init__.py")}
        self.sources: set[str] = {"", *(one.strip("/").removeprefix("./") for one in extra_roots)}
        self.names: dict[str, list[str]] = {}
        self.name_of: dict[str, str] = {}
        self.directories: dict[str, set[str]] = {}
        self.regular: set[str] = set()
        self.folders: set[str] = set()
        for directory in self.packages:
            top = self.top_of(directory)
            above = posixpath.dirname(top)
            self.sources.add(above)
            self.regular.add(posixpath.basename(top))
        for path in self.paths:
            if path.startswith("src/") or "/src/" in path:
                self.sources.add(path[: path.index("src/") + 3])
        self.aside: set[str] = {one for one in self.sources if set(one.lower().split("/")) & ASIDE}
        for path in sorted(self.paths):
            self.register(path)
        for group in self.directories.values():
            self.folders |= group
        self.outside: dict[str, str | None] = {}
        self.search = library_paths(root)

    def top_of(self, directory: str) -> str:
        """The topmost package directory above `directory`."""
        parts = directory.split("/")
        while len(parts) > 1 and "/".join(parts[:-1]) in self.packages:
            parts.pop()
        return "/".join(parts)

    def register(self, path: str) -> None:
        stem = path.removesuffix(".py").removesuffix("/__init__")
        if stem == "__init__":
            return
        directory = posixpath.dirname(path)
        above = posixpath.dirname(self.top_of(directory)) if directory in self.packages else directory
        primary = (stem[len(above) :] if above else stem).strip("/").replace("/", ".")
        self.name_of[path] = primary
        wanted = {primary}
        ancestor = directory
        while True:
            if ancestor in self.sources:
                wanted.add((stem[len(ancestor) :] if ancestor else stem).strip("/").replace("/", "."))
            if not ancestor:
                break
            ancestor = posixpath.dirname(ancestor)
        for name in wanted:
            if not name:
                continue
            self.names.setdefault(name, []).append(path)
            parent = name.rpartition(".")[0]
            base = posixpath.dirname(stem)
            while parent:
                self.directories.setdefault(parent, set()).add(base)
                parent, base = parent.rpartition(".")[0], posixpath.dirname(base)

    def find(self, name: str, importer: str) -> str | None:
        """The file of a module of the project by absolute name; the one nearest to the importer if there are several."""
        found = self.names.get(name)
        if not found:
            return None
        if self.aside:
            found = [path for path in found if self.is_seen(path, name, importer)]
            if not found:
                return None
        if len(found) == 1:
            return found[0]
        return max(found, key=lambda path: (shared(path, importer), -len(path)))

    def is_hidden(self, name: str, importer: str) -> bool:
        """Whether a top-level name stands for packages that the importer can't see, so that it means something else."""
        paths = self.names.get(name.partition(".")[0], [])
        return bool(self.aside and paths) and not any(
            self.is_seen(path, name.partition(".")[0], importer) for path in paths
        )

    def is_seen(self, path: str, name: str, importer: str) -> bool:
        """Whether a module can be on the path of its importer: a package among the examples is seen from there only."""
        stem = path.removesuffix(".py").removesuffix("/__init__")
        above = stem[: -len(name)].strip("/") if stem.replace("/", ".").endswith(name) else ""
        if not above or above not in self.aside:
            return True
        package = f"{above}/{name.partition('.')[0]}/"
        return importer.startswith(above + "/") and not importer.startswith(package)

    def relative(self, importer: str, level: int, module: str) -> str | None:
        """The file or (with a slash at the end) namespace directory that a relative import means."""
        parts = importer.split("/")[:-level]
        if level > importer.count("/") + 1:
            return None
        stem = "/".join([*parts, *(module.split(".") if module else ())])
        return self.at(stem)

    def at(self, stem: str) -> str | None:
        """The module whose path without suffix is `stem`."""
        package = posixpath.join(stem, "__init__.py")
        if package in self.paths:
            return package
        if f"{stem}.py" in self.paths:
            return f"{stem}.py"
        if stem.startswith("/"):
            return self.file_outside(stem)
        if stem in self.folders:
            return stem + "/"
        return None

    def submodule(self, package: str, name: str) -> str | None:
        """The module `name` inside the package whose file (or directory with a slash) is given."""
        if not (package.endswith(("/__init__.py", "/__init__.pyi", "/")) or package == "__init__.py"):
            return None
        stem = posixpath.join(posixpath.dirname(package), name)
        if stem.startswith("/"):
            return self.file_outside(stem)
        package_file = posixpath.join(stem, "__init__.py")
        if package_file in self.paths:
            return package_file
        return f"{stem}.py" if f"{stem}.py" in self.paths else None

    def is_project(self, name: str) -> bool:
        """Whether `name` is a module or directory of the project."""
        return name in self.names or name in self.directories

    def find_outside(self, name: str) -> str | None:
        """The file of a module of the standard library or an installed package; None if there is no source."""
        if name not in self.outside:
            self.outside[name] = None
            for directory in self.search:
                for stub in ("", "-stubs"):
                    root, _, rest = name.partition(".")
                    stem = (
                        os.path.join(directory, root + stub, *rest.split("."))
                        if rest
                        else os.path.join(directory, root + stub)
                    )
                    found = self.file_outside(stem)
                    if found:
                        self.outside[name] = found
                        return found
        return self.outside[name]

    @staticmethod
    def file_outside(stem: str) -> str | None:
        for suffix in SUFFIXES:
            if os.path.isfile(stem + suffix):
                return stem + suffix
        return None

    def is_generated(self, directory: str, name: str) -> bool:
        """Whether something that isn't Python source gives a module of this name there, or a build will."""
        if name.startswith(("_version", "version", "__version", "_build", "_generated")) or name.endswith(
            ("_pb2", "_pb2_grpc", "_rc", "_ui")
        ):
            return True
        full = os.path.join(self.root, directory)
        try:
            entries = os.listdir(full)
        except OSError:
            return False
        if name.startswith("_") and any(entry.endswith((".so", ".pyd")) for entry in entries):
            return True  # compiled for another platform
        return any(
            entry.startswith(name + ".") and not entry.endswith((".py", ".md", ".txt")) for entry in entries
        ) or (os.path.isdir(os.path.join(full, name)))


def shared(one: str, two: str) -> int:
    """How many directories two paths have in common from the top."""
    count = 0
    for left, right in zip(one.split("/")[:-1], two.split("/")[:-1], strict=False):
        if left != right:
            break
        count += 1
    return count


def library_paths(root: str) -> list[str]:
    """Where sources of other people's modules may be: the project's environment and the standard library."""
    found = [sysconfig.get_paths()["stdlib"]]
    environments = [os.path.join(root, ".venv"), os.path.join(root, "venv"), os.environ.get("VIRTUAL_ENV", "")]
    for environment in environments:
        library = os.path.join(environment, "lib") if environment else ""
        if library and os.path.isdir(library):
            for version in sorted(os.listdir(library)):
                packages = os.path.join(library, version, "site-packages")
                if os.path.isdir(packages) and packages not in found:
                    found.append(packages)
            break
    return found


STANDARD_LIBRARY: Final = sys.stdlib_module_names
