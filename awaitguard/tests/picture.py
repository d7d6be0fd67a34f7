"""Take the picture of the README, docs/awaitguard/check.svg, anew: `make images`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGE = Path(__file__).parents[2] / "docs" / "awaitguard" / "check.svg"
COLUMNS = 110
FILES = {
    "shop/__init__.py": "from shop.factory import create_cart\n",
    "shop/factory.py": '''\
"""Carts."""
from shop.cart import Cart


def create_cart(user, *, limit=10):
    return Cart(user, limit)
''',
    "shop/cart.py": "class Cart:\n    def __init__(self, user, limit):\n        self.user, self.limit = user, limit\n",
    "jobs/notify.py": """\
from shop import create_cart as build


async def notify(user):
    cart = await build(user)
    return cart
""",
    "jobs/stop.py": """\
from shop import create_cart


async def stop(user):
    cart = await create_cart(user)
    return cart.limit


async def resume(user):
    from shop.old_factory import make_cart

    return make_cart(user)
""",
}


def shown(directory: str) -> str:
    """What `awaitguard check .` writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "awaitguard", "check", ".", "--no-cache"]
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=theirs) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the end of a terminal on Linux
                break
            if not read:  # and on macOS
                break
            text += read
    os.close(ours)
    output = text.decode().replace("\r\n", "\n")
    if process.returncode not in (0, 1):
        raise RuntimeError(f"awaitguard ended with exit code {process.returncode}:\n{output}")
    return output


def main() -> None:
    """Run the command on a small project and draw what it says."""
    with tempfile.TemporaryDirectory() as directory:
        for path, source in FILES.items():
            file = Path(directory, path)
            file.parent.mkdir(exist_ok=True)
            file.write_text(source, encoding="utf-8")
        text = shown(directory)
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text("$ awaitguard check ."))
    console.print(Text.from_ansi(text))
    IMAGE.write_text(console.export_svg(title="awaitguard", unique_id="awaitguard"), encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
