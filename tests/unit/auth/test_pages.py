import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netra_backend.app.routes.pages import STATIC

ROOT = Path(__file__).parents[3]


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", ["/", "/sign-in"])
async def test_pages_live_within_a_strict_policy(client, path):
    answer = await client.get(path)

    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"

    elements = Elements()
    elements.feed(answer.text)
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        for name in ("src", "href"):
            target = attributes.get(name)
            if target is not None:
                assert target.startswith("/"), (tag, target)
                assert (await client.get(target)).status_code == 200
        assert tag != "style"
        assert tag != "script" or "src" in attributes


async def test_scripts_touch_only_elements_that_are_there(client):
    for page, script in (("/sign-in", "/static/sign-in.js"), ("/", "/static/index.js")):
        elements = Elements()
        elements.feed((await client.get(page)).text)
        ids = {attributes.get("id") for _, attributes in elements.found}
        used = set(re.findall(r'(?:element|getElementById)\("([^"]+)"\)', (await client.get(script)).text))
        assert used
        assert used <= ids


async def test_nothing_outside_the_folder_is_served(client):
    for path in ("/static/../settings.py", "/static/%2e%2e/settings.py", "/static/"):
        assert (await client.get(path)).status_code == 404


def test_the_wheel_holds_every_static_file(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = {f"netra_backend/app/static/{path.relative_to(STATIC)}" for path in STATIC.rglob("*") if path.is_file()}
    assert files
    assert files <= inside
