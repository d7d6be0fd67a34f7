"""Which file is which module."""

from __future__ import annotations

import os
import posixpath
import sys
import sysconfig
from collections.abc import Iterable
from typing import Final

from awaitguard.infer.roots import named_roots
from awaitguard.infer.trail import DIRECTORY, GENERATED, MODULE, OUTSIDE, Trail

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


# Directories in which files and packages without a package around them are imported by their bare names.
OPEN: Final = ASIDE | {"tests", "test", "e2e", "scripts", "script", "fixtures", "testdata"}


class Modules:
    """Names of the project's modules, seen from every directory that can be on Python's path.

    Paths are relative to the root and have forward slashes. A regular package is named from the directory above its
    topmost `__init__.py`; every other file is also named from the root and from source directories.

    Every question is noted on `trail`, by what it asks about; `fact` says what the answer comes from. A file that is added
    or removed changes the facts about its own names and directories, and no others.
    """

    def __init__(self, root: str, paths: Iterable[str], extra_roots: Iterable[str] = ()) -> None:
        self.root = root
        self.trail = Trail()
        self.paths = frozenset(paths)
        self.packages: set[str] = {posixpath.dirname(path) for path in self.paths if path.endswith("/__init__.py")}
        extra = [one.strip("/").removeprefix("./") for one in extra_roots]
        self.sources: set[str] = {"", *extra}
        self.holders = {posixpath.dirname(path) for path in self.paths}
        self.ignored = ignored_paths(root)
        self.names: dict[str, list[str]] = {}
        self.directories: dict[str, set[str]] = {}
        self.regular: set[str] = set()
        self.folders: set[str] = set()
        self.beside: set[str] = set()  # names of modules among examples, documentation and the like
        for directory in self.packages:
            top = self.top_of(directory)
            above = posixpath.dirname(top)
            self.sources.add(above)
            if not self.is_namespace(above):
                self.regular.add(posixpath.basename(top))
        for path in self.paths:
            if path.startswith("src/") or "/src/" in path:
                self.sources.add(path[: path.index("src/") + 3])
        self.named = named_roots(root, self.paths, self.sources, extra)
        self.aside: set[str] = {one for one in self.sources if set(one.lower().split("/")) & ASIDE}
        for path in sorted(self.paths):
            self.register(path)
        for group in self.directories.values():
            self.folders |= group
        self.outside: dict[str, str | None] = {}
        self.search = library_paths(root)

    def is_namespace(self, directory: str) -> bool:
        """Whether a directory below `src` holds nothing but packages: it is a part of their names then, as `kagent` is
        of `src/kagent/langgraph`, which is no package called `langgraph`. Without `src` it takes two such directories,
        as in `microsoft_agents/hosting/aiohttp`: one alone may be where a project keeps its sources."""
        above, found, inner = f"/{directory}".rpartition("/src/")
        parts = inner.split("/") if found else directory.split("/")
        if not found and (len(parts) < 2 or any(one.lower() in OPEN or not one.isidentifier() for one in parts)):
            return False
        start = [f"{above}/src".strip("/")] if found else []
        below = ["/".join([*start, *parts[:length]]) for length in range(1, len(parts) + 1)]
        return not self.holders.intersection(below)

    def top_of(self, directory: str) -> str:
        """The topmost package directory above `directory`, also where a directory between them has no `__init__.py`.

        Below test and example directories every such gap starts something new: pytest puts those on the path.
        """
        parts = directory.split("/")
        top = directory
        for length in range(len(parts) - 1, 0, -1):
            above = "/".join(parts[:length])
            if above in self.packages:
                top = above
            elif parts[length - 1] == "src" or parts[length - 1].lower() in OPEN:
                break
        return top

    def is_inside(self, directory: str) -> bool:
        """Whether a directory is part of a package, with an `__init__.py` of its own or without."""
        if directory in self.packages:
            return True
        top = self.top_of(directory) if directory else ""
        return top != directory and not any(part.lower() in OPEN for part in directory.split("/"))

    def primary(self, path: str) -> str:
        """The dotted name of a file, from the directory above its package."""
        stem = path.removesuffix(".py").removesuffix("/__init__")
        directory = posixpath.dirname(path)
        above = posixpath.dirname(self.top_of(directory)) if self.is_inside(directory) else directory
        return (stem[len(above) :] if above else stem).strip("/").replace("/", ".")

    def register(self, path: str) -> None:
        stem = path.removesuffix(".py").removesuffix("/__init__")
        if stem == "__init__":
            return
        directory = posixpath.dirname(path)
        wanted = {self.primary(path)}
        ancestor = directory
        while True:
            if ancestor in self.sources:
                wanted.add((stem[len(ancestor) :] if ancestor else stem).strip("/").replace("/", "."))
            if not ancestor:
                break
            ancestor = posixpath.dirname(ancestor)
        if {part.lower() for part in directory.split("/")} & ASIDE:
            self.beside |= wanted
        for name in wanted:
            if not name:
                continue
            self.names.setdefault(name, []).append(path)
            parent = name.rpartition(".")[0]
            base = posixpath.dirname(stem)
            while parent:
                self.directories.setdefault(parent, set()).add(base)
                parent, base = parent.rpartition(".")[0], posixpath.dirname(base)

    # What others ask

    def find(self, name: str, importer: str) -> str | None:
        """The file of a module of the project by absolute name; the one nearest to the importer if there are several."""
        name = name.removesuffix(".__init__")
        found = self.files_of(name)
        if not found:
            return None
        if name in self.beside:
            found = [path for path in found if self.is_seen(path, name, importer)]
            if not found:
                return None
        if len(found) == 1:
            return found[0]
        return max(found, key=lambda path: (shared(path, importer), -len(path)))

    def files_of(self, name: str) -> list[str]:
        """All files that answer to a dotted name."""
        self.trail.note(MODULE + name)
        return self.names.get(name, [])

    def directory_of(self, name: str) -> str | None:
        """A directory, with a slash at the end, that answers to a dotted name and holds modules."""
        self.trail.note(MODULE + name)
        found = self.directories.get(name)
        return min(found) + "/" if found else None

    def is_regular(self, name: str) -> bool:
        """Whether a top-level name is that of a package with an `__init__.py`."""
        self.trail.note(MODULE + name)
        return name in self.regular

    def is_project(self, name: str) -> bool:
        """Whether `name` is a module or directory of the project."""
        self.trail.note(MODULE + name)
        return name in self.names or name in self.directories

    def guessed(self, name: str, importer: str) -> list[str]:
        """The files of a top-level package, if nothing but their place says that it can be imported by this name.

        Empty where the directory above one of them is surely on the path: by configuration, or as that of the importer.
        """
        found: list[str] = []
        for path in self.files_of(name):
            above = above_module(path)
            if above in self.named or above == posixpath.dirname(importer):
                return []
            found.append(path)
        return found

    def is_hidden(self, name: str, importer: str) -> bool:
        """Whether a top-level name stands for packages that the importer can't see, so that it means something else."""
        root = name.partition(".")[0]
        paths = self.files_of(root)
        return bool(paths) and root in self.beside and not any(self.is_seen(path, root, importer) for path in paths)

    def is_seen(self, path: str, name: str, importer: str) -> bool:
        """Whether a module can be on the path of its importer: a package among the examples is seen from there only."""
        above = above_name(path, name)
        if above and above not in self.sources and {part.lower() for part in above.split("/")} & ASIDE:
            return importer.startswith(above + "/")  # a script beside others, by its bare name
        if not above or above not in self.aside:
            return True
        package = f"{above}/{name.partition('.')[0]}/"
        return importer.startswith(above + "/") and not importer.startswith(package)

    def is_packaged(self, directory: str) -> bool:
        """Whether a directory is part of a package, with an `__init__.py` of its own or without."""
        self.trail.note(DIRECTORY + directory)
        return self.is_inside(directory)

    def is_package(self, directory: str) -> bool:
        """Whether a directory has an `__init__.py`."""
        return self.has(f"{directory}/__init__.py")

    def name_of(self, path: str) -> str:
        """The dotted name of a file of the project."""
        self.trail.note(DIRECTORY + posixpath.dirname(path))
        return self.primary(path)

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        self.trail.note(path)
        return path in self.paths

    def relative(self, importer: str, level: int, module: str) -> str | None:
        """The file or (with a slash at the end) namespace directory that a relative import means."""
        parts = importer.split("/")[:-level]
        if level > importer.count("/") + 1:
            return None
        stem = "/".join([*parts, *(module.split(".") if module else ())])
        return self.at(stem)

    def at(self, stem: str) -> str | None:
        """The module whose path without suffix is `stem`."""
        found = self.file_at(stem)
        if found is not None or stem.startswith("/"):
            return found
        self.trail.note(DIRECTORY + stem)
        return stem + "/" if stem in self.folders else None

    def file_at(self, stem: str) -> str | None:
        """The file of the module whose path without suffix is `stem`."""
        if stem.startswith("/"):
            self.trail.note(OUTSIDE + stem)
            return self.file_outside(stem)
        for path in (posixpath.join(stem, "__init__.py"), f"{stem}.py"):
            if self.has(path):
                return path
        return None

    def submodule(self, package: str, name: str) -> str | None:
        """The module `name` inside the package whose file (or directory with a slash) is given."""
        if not (package.endswith(("/__init__.py", "/__init__.pyi", "/")) or package == "__init__.py"):
            return None
        return self.file_at(posixpath.join(posixpath.dirname(package), name))

    def find_outside(self, name: str) -> str | None:
        """The file of a module of the standard library or an installed package; None if there is no source."""
        self.trail.note(OUTSIDE + name)
        return self.outside_file(name)

    def outside_file(self, name: str) -> str | None:
        if name not in self.outside:
            self.outside[name] = self.search_outside(name)
        return self.outside[name]

    def search_outside(self, name: str) -> str | None:
        for directory in self.search:
            for stub in ("", "-stubs"):
                root, _, rest = name.partition(".")
                found = self.file_outside(os.path.join(directory, root + stub, *(rest.split(".") if rest else ())))
                if found:
                    return found
        return None

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
        self.trail.note(f"{GENERATED}{directory}\0{name}")
        return self.is_made(directory, name)

    def is_made(self, directory: str, name: str) -> bool:
        path = f"{directory}/{name}".strip("/")
        if any(path == one or path.startswith(one + "/") for one in self.ignored):
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

    # What answers come from

    def fact(self, question: str) -> str:
        """All that the answers to a noted question hang on, as text."""
        kind, about = question[:2], question[2:]
        if kind == OUTSIDE:
            return (self.file_outside(about) if about.startswith("/") else self.outside_file(about)) or ""
        if kind == GENERATED:
            directory, _, name = about.partition("\0")
            return str(self.is_made(directory, name))
        if kind == DIRECTORY:
            return repr((about in self.folders, self.is_inside(about), self.top_of(about)))
        if about not in self.names and about not in self.directories and about not in self.regular:
            return ""
        seen = [
            (path, above in self.sources, above in self.aside, above_module(path) in self.named)
            for path in self.names.get(about, ())
            for above in (above_name(path, about),)
        ]
        directories = sorted(self.directories.get(about, ()))
        return repr((seen, directories, about in self.beside, about in self.regular))

    def everything(self) -> str:
        """All that `fact` hangs on, but for files that are no sources."""
        return repr((sorted(self.paths), sorted(self.sources), sorted(self.named)))


def above_name(path: str, name: str) -> str:
    """The directory from which a file has a dotted name."""
    stem = path.removesuffix(".py").removesuffix("/__init__")
    return stem[: -len(name)].strip("/") if stem.replace("/", ".").endswith(name) else ""


def above_module(path: str) -> str:
    """The directory above a top-level module or package."""
    directory = posixpath.dirname(path)
    return posixpath.dirname(directory) if path.endswith("/__init__.py") else directory


def ignored_paths(root: str) -> list[str]:
    """Modules and directories that git ignores by their full path, since a build makes them; patterns say too little."""
    try:
        with open(os.path.join(root, ".gitignore"), encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return []
    paths = [line.removesuffix(".py").strip("/") for line in lines if line and line[0] not in "#!"]
    return [path for path in paths if "/" in path and not set(path) & set("*?[")]


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
