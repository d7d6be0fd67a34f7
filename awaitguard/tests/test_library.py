"""The functions for tests: signatures, compliance, families."""

import contextlib
import functools
import sys
from pathlib import Path
from typing import Protocol
from unittest import mock

import pytest

import awaitguard
from awaitguard import assert_family, assert_same_interface, check_interface, signature


class Store:
    def __init__(self, path: str, *, size: int = 1) -> None:
        self.path = path
        self.size_limit = size

    async def load(self, key: str, default: int = 0) -> int:
        return default

    def close(self) -> None: ...

    @property
    def size(self) -> int:
        return 1

    @staticmethod
    def make(path: str) -> "Store":
        return Store(path)

    @classmethod
    async def open(cls, path: str) -> "Store":
        return cls(path)


class Good:
    async def load(self, key: str, default: int = 0) -> int:
        return default

    def close(self) -> None: ...

    @property
    def size(self) -> int:
        return 2

    @staticmethod
    def make(path: str) -> Store:
        return Store(path)

    @classmethod
    async def open(cls, path: str) -> "Good":
        return cls()


class Loads(Protocol):
    async def load(self, key: str) -> int: ...


async def fetch(user, *, retries=1):
    return user


def plain(user):
    return user


async def rows(count):
    yield count


@contextlib.asynccontextmanager
async def session(name):
    yield name


@contextlib.contextmanager
def lock():
    yield 1


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (fetch, "async fetch(user, *, retries=...)"),
        (plain, "sync plain(user)"),
        (rows, "async generator rows(count)"),
        (session, "async context manager session(name)"),
        (lock, "context manager lock()"),
        (Store, "class Store(path, *, size=...) -> None"),
        (Store("x").load, "async load(key, default=...) -> int"),
        (Store.__dict__["size"], "property size() -> int"),
        (Store.make, "sync make(path) -> Store"),
        (Store.open, "async open(path) -> Store"),
        (functools.partial(fetch, retries=2), "async fetch(user, *, retries=...)"),
        (lambda a: a, "sync <lambda>(a)"),
        (len, "sync len(obj)"),
    ],
)
def test_signatures_of_live_objects(target: object, text: str):
    assert str(signature(target)) == text


def test_mocks_have_the_colour_they_behave_with():
    assert signature(mock.AsyncMock()).colour == "async"
    assert signature(mock.Mock()).colour == "sync"
    assert signature(mock.create_autospec(fetch)).colour == "async"
    assert signature(mock.create_autospec(plain)).colour == "sync"


def test_signatures_of_dotted_names_are_read_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "unimported"
    package.mkdir()
    (package / "__init__.py").write_text("from unimported.core import load as fetch, Store\n1 / 0\n")
    (package / "core.py").write_text(
        "1 / 0\nasync def load(user: str, *, n: int | None = None) -> dict[str, int]:\n    return {}\n"
        "class Store:\n    def __init__(self, path): ...\n    async def save(self, key): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(signature("unimported.fetch")) == "async load(user, *, n=...) -> dict[str, int]"
    assert str(signature("unimported.core:Store.save")) == "async save(key)"
    assert str(signature("unimported.Store")) == "class Store(path)"
    assert check_interface("unimported.fetch", plain) == (("plain", "is async, expected sync"),)
    assert "unimported" not in sys.modules
    with pytest.raises(LookupError, match="isn't one function"):
        signature("unimported.core.missing")
    with pytest.raises(LookupError, match="no source"):
        signature("there_is_no_such_package.x")


def test_an_equal_double_passes():
    assert check_interface(Good, Store) == ()
    assert_same_interface(Store, Good)
    assert_same_interface(Store("x"), Good())
    assert_same_interface(Loads, Loads)
    assert check_interface(Store, Loads) == ()


class WrongColour(Good):
    # awaitguard: ignore[AG204] being of the wrong colour is what the test is about
    def load(self, key: str, default: int = 0) -> int:
        return default


class WrongName(Good):
    async def load(self, name: str, default: int = 0) -> int:
        return default


class NeedsMore(Good):
    async def load(self, key: str, default: int, extra: int) -> int:
        return default


class Extra(Good):
    def surplus(self) -> None: ...


@pytest.mark.parametrize(
    ("double", "message"),
    [
        (WrongColour, "load: is sync, expected async"),
        (WrongName, "load: has parameter `name` where `key` is expected"),
        (NeedsMore, "load: requires `extra`, which callers don't pass"),
        (Extra, "surplus: is only on the double"),
        (Loads, "close: is missing"),
    ],
)
def test_a_double_that_differs_fails(double: type, message: str):
    with pytest.raises(AssertionError, match="does not stand for Store") as caught:
        assert_same_interface(Store, double)
    assert message in str(caught.value)


def test_mocks_as_doubles():
    assert_same_interface(Store("x"), mock.create_autospec(Store, instance=True))
    with pytest.raises(AssertionError, match="load: is sync, expected async"):
        assert_same_interface(Store("x"), mock.Mock())
    assert_same_interface(fetch, mock.create_autospec(fetch))
    with pytest.raises(AssertionError, match="fetch: is sync, expected async"):
        assert_same_interface(fetch, mock.Mock())


def test_families():
    def get_manager(user_context, mode): ...
    def create_manager(user_context, mode, extra=None): ...
    def make_manager(context, mode): ...
    async def open_manager(user_context): ...

    assert_family([get_manager, create_manager, open_manager])
    with pytest.raises(
        AssertionError, match="parameter 1 is `context` in make_manager and `user_context` in get_manager"
    ):
        assert_family([get_manager, create_manager, make_manager])
    with pytest.raises(AssertionError, match="open_manager is async, get_manager is sync"):
        assert_family([get_manager, open_manager], same_colour=True)
    with pytest.raises(ValueError, match="at least two"):
        assert_family([get_manager])


def test_public_names_are_pinned():
    assert awaitguard.__all__ == [
        "__version__", "signature", "Signature", "Parameter", "check_interface", "assert_same_interface", "assert_family", "Mismatch",
    ]  # fmt: skip
    assert all(hasattr(awaitguard, name) for name in awaitguard.__all__)
