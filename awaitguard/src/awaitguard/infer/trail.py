"""What an answer depends on, so that it can be kept for as long as that stays as it is."""

from __future__ import annotations

from typing import Final

# What an answer depends on: a path stands for what a file offers others, whether or not it is there. All else begins with
# NUL, which no path holds.
Names = frozenset[str]
NOTHING: Final[Names] = frozenset()
WORD: Final = "\0w"  # a word of the project, such as `>Class`
MODULE: Final = "\0m"  # which files answer to a dotted name
DIRECTORY: Final = "\0d"  # what a directory is to imports
OUTSIDE: Final = "\0o"  # which file of the library answers to a dotted name, or to a path without suffix
GENERATED: Final = "\0g"  # whether something else than a source gives a module: directory, "\0", name
CALLS: Final = "\0calls"  # after a path: which calls the functions of a file make
SITES: Final = "\0sites"  # after a path: all that a file does with values
PLACES: Final = "\0places"  # after a path: what its places are about, such as `client` of `client.send = Mock()`


class Trail:
    """Notes which files and words are looked at while a question is answered.

    Most answers depend on one or two files, and many on the same ones: equal sets are one object, so that adding what is
    there already costs a comparison of addresses.
    """

    def __init__(self) -> None:
        self.first: Names = NOTHING
        self.more: set[Names] | None = None
        self.alone: dict[str, Names] = {}
        self.known: dict[Names, Names] = {}

    def note(self, name: str) -> None:
        """The answer depends on a file or word."""
        self.add(self.one(name))

    def one(self, name: str) -> Names:
        """The set of a single name."""
        found = self.alone.get(name)
        if found is None:
            found = self.alone[name] = self.shared(frozenset([name]))
        return found

    def add(self, names: Names) -> None:
        """The answer depends on all that another one does."""
        if names is self.first:
            return
        if self.more is not None:
            self.more.add(names)
        elif self.first is NOTHING:
            self.first = names
        elif names is not NOTHING:
            self.more = {names}

    def begin(self) -> tuple[Names, set[Names] | None]:
        """Start a question inside another one; gives what `end` wants back."""
        outer = self.first, self.more
        self.first, self.more = NOTHING, None
        return outer

    def end(self, outer: tuple[Names, set[Names] | None]) -> Names:
        """What the inner question's answer depends on; the outer one's does too."""
        inner = self.all()
        self.first, self.more = outer
        self.add(inner)
        return inner

    def all(self) -> Names:
        """Everything noted since `begin`."""
        if self.more is None:
            return self.first
        most = self.first
        for names in self.more:
            if len(names) > len(most):
                most = names
        # Most often one of them holds the others.
        if self.first <= most and all(names <= most for names in self.more):
            return most
        return self.shared(self.first.union(*self.more))

    def shared(self, names: Names) -> Names:
        return self.known.setdefault(names, names)

    def forget(self) -> None:
        """Let go of sets that no kept answer uses any more."""
        self.known.clear()
        self.alone.clear()
