"""AG301-AG304: imports of project modules and names that aren't there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from awaitguard.finding import Cause, Finding
from awaitguard.infer.modules import STANDARD_LIBRARY
from awaitguard.read.summary import Flag, Import
from awaitguard.rules.confidence import ROOT
from awaitguard.rules.rule import Group, Rule

if TYPE_CHECKING:
    from awaitguard.rules.file_check import FileCheck

SHOP: Final = "# file: shop/__init__.py\n# file: shop/core.py\ndef create():\n    return 1\n# file: app.py\n"
MODULE: Final = Rule("AG301", "missing-module", "import of a project module that isn't there",
    "The package belongs to the project and has no such module: it was moved, renamed or deleted. Importing it raises ModuleNotFoundError.",
    SHOP + "from shop.factory import create\n", SHOP + "from shop.core import create\n")  # fmt: skip
NAME: Final = Rule("AG302", "missing-name", "import of a name that the project module doesn't have",
    "The module is there, but nothing in it has this name. Importing it raises ImportError.",
    SHOP + "from shop.core import make\n", SHOP + "from shop.core import create\n")  # fmt: skip
LATE_MODULE: Final = Rule("AG303", "missing-module-in-function", "import inside a function of a project module that isn't there",
    "The import only runs when the function does, so nothing fails until then; the caller gets ModuleNotFoundError.",
    SHOP + "def main():\n    from shop.factory import create\n    return create()\n",
    SHOP + "def main():\n    from shop.core import create\n    return create()\n")  # fmt: skip
LATE_NAME: Final = Rule("AG304", "missing-name-in-function", "import inside a function of a name that the project module doesn't have",
    "The import only runs when the function does, so nothing fails until then; the caller gets ImportError.",
    SHOP + "def main():\n    from shop.core import make\n    return make()\n",
    SHOP + "def main():\n    from shop.core import create\n    return create()\n")  # fmt: skip


class Imports(Group):
    """Looks at every import of project code that isn't guarded by except ImportError."""

    rules = (MODULE, NAME, LATE_MODULE, LATE_NAME)

    def file(self, file: FileCheck) -> Iterator[Finding]:
        seen: set[tuple[int, str]] = set()
        for one in file.summary.imports:
            if one.guarded:
                continue
            late = file.function(one.scope) is not None
            missing = self.missing_module(file, one)
            if missing:
                if (one.position, missing) not in seen:
                    seen.add((one.position, missing))
                    yield self.report(
                        file, LATE_MODULE if late else MODULE, one, f"there is no module {missing}", missing
                    )
            elif one.name and one.name != "*" and self.is_missing(file, one):
                module = "." * one.level + one.module
                yield self.report(
                    file,
                    LATE_NAME if late else NAME,
                    one,
                    f"{module} has nothing called {one.name}",
                    f"{module}.{one.name}",
                )

    def report(self, file: FileCheck, rule: Rule, one: Import, message: str, name: str) -> Finding:
        finding = file.finding(rule, one.position, message, assumed=ROOT if self.is_guess(file, one) else 0)
        if one.level:
            name = absolute(file, one, name)
        target = file.resolver.imported_module(file.path, one.module, one.level) or ""
        return finding._replace(cause=Cause(name, target.rstrip("/"), 0, "missing", ""))

    @staticmethod
    def is_guess(file: FileCheck, one: Import) -> bool:
        """Whether it may be somebody else's package that is imported, under the name of a directory of the project.

        Neither configuration nor the importer's place puts the directory's parent on the path, and no import of the
        project finds anything in it by that name.
        """
        package = one.module.partition(".")[0]
        places = file.resolver.modules.guessed(package, file.path) if not one.level else []
        if not places:
            return False
        for rest in file.resolver.table.imports_of(package):
            name = rest.partition(".")[0]
            if name and any(file.resolver.member(path, name) is not None for path in places):
                return False
        return True

    def missing_module(self, file: FileCheck, one: Import) -> str:
        """The dotted name of the module if it should be in the project and isn't."""
        modules = file.resolver.modules
        if file.resolver.imported_module(file.path, one.module, one.level) is not None:
            return ""
        if one.level:
            directory = posixpath.dirname(file.path)
            for _ in range(one.level - 1):
                directory = posixpath.dirname(directory)
            stem = posixpath.join(directory, one.module.replace(".", "/"))
            if not modules.is_package(posixpath.dirname(file.path)) or modules.is_generated(
                posixpath.dirname(stem), posixpath.basename(stem)
            ):
                return ""
            # `.packages.six.moves`: a module above may make its submodules by itself.
            while posixpath.dirname(stem) != directory:
                stem = posixpath.dirname(stem)
                above = modules.at(stem)
                summary = file.resolver.table.summary(above) if above else None
                # `__getattr__` gives attributes; importing a module below never asks it.
                if (
                    above
                    and summary is not None
                    and ("__path__" in summary.scopes[0].bindings or summary.scopes[0].flags & Flag.OWN_NAMESPACE)
                ):
                    return ""
            return "." * one.level + one.module
        parts = one.module.split(".")
        if parts[0] in STANDARD_LIBRARY or len(parts) == 1 or not modules.is_regular(parts[0]):
            return ""
        if modules.is_hidden(parts[0], file.path):
            return ""
        # The nearest package above that is there: if it is one directory of sources, the module should be in it.
        for cut in range(len(parts) - 1, 0, -1):
            above = modules.find(".".join(parts[:cut]), file.path)
            if above is None:
                continue
            if not above.endswith("__init__.py"):
                summary = file.resolver.table.summary(above)
                names = summary.scopes[0].bindings if summary is not None else None
                dynamic = names is None or "__path__" in names or "__getattr__" in names
                return "" if dynamic else one.module
            if self.is_dynamic(file, above) or modules.find_outside(one.module):
                return ""
            if any(
                modules.is_generated(posixpath.dirname(path), parts[cut])
                for path in modules.files_of(".".join(parts[:cut]))
            ):
                return ""
            return one.module
        return ""

    def is_dynamic(self, file: FileCheck, path: str) -> bool:
        """Whether a package makes modules by itself: __path__, __getattr__, sys.modules."""
        summary = file.resolver.table.summary(path)
        return (
            summary is None
            or "__path__" in summary.scopes[0].bindings
            or "__getattr__" in summary.scopes[0].bindings
            or bool(summary.scopes[0].flags & Flag.OWN_NAMESPACE)
        )

    def is_missing(self, file: FileCheck, one: Import) -> bool:
        resolver = file.resolver
        target = resolver.imported_module(file.path, one.module, one.level)
        if (
            target is None
            or target == file.path
            or not (one.level or resolver.modules.is_regular(one.module.partition(".")[0]))
        ):
            return False
        summary = resolver.table.summary(target)
        if summary is not None and summary.scopes[0].bindings.get(one.name):
            return False
        if resolver.member(target, one.name) is not None:
            return False
        if target.endswith(("__init__.py", "/")):
            directory = posixpath.dirname(target)
            if resolver.modules.is_generated(directory, one.name) or target.endswith("/"):
                return False
        # Several files can answer to one module name; one of them having the name is enough.
        others = resolver.modules.files_of(one.module) if not one.level else []
        return all(resolver.member(other, one.name) is None for other in others)


def absolute(file: FileCheck, one: Import, name: str) -> str:
    """The name of a relative import as others write it, so that all imports of one missing module have one cause."""
    own = file.resolver.modules.name_of(file.path).split(".")
    up = one.level - (1 if file.path.endswith("__init__.py") else 0)
    package = own[: len(own) - up] if up else own
    return ".".join([*package, name.lstrip(".")]) if package and package[0] else name
