import gzip
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


@pytest.mark.parametrize("path", ["/", "/sign-in", "/settings", "/t/some-thread"])
async def test_pages_live_within_a_strict_policy(client, path):
    answer = await client.get(path)

    assert answer.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "dompurify"
    assert answer.headers["cache-control"] == "no-cache"
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


async def test_the_script_of_the_first_load_is_small(client):
    elements = Elements()
    elements.feed((await client.get("/")).text)
    scripts = [attributes["src"] for tag, attributes in elements.found if tag == "script"]
    preloads = [attributes["href"] for tag, attributes in elements.found if attributes.get("rel") == "modulepreload"]
    assert scripts

    size = 0
    for path in [*scripts, *preloads]:
        size += len(gzip.compress((await client.get(path)).content, 9))
    assert size < 60 * 1024


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
