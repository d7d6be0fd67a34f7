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
    assert size < 70 * 1024


async def test_files_named_by_what_is_in_them_come_compressed_and_are_kept(client):
    elements = Elements()
    elements.feed((await client.get("/")).text)
    addresses = [attributes.get("src") or attributes.get("href") for _, attributes in elements.found]
    files = [path for path in addresses if path is not None and path.endswith((".js", ".css"))]
    assert any(path.endswith(".js") for path in files)
    assert any(path.endswith(".css") for path in files)
    for path in files:
        packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        assert plain.content == packed.content
        assert int(packed.headers["content-length"]) < len(plain.content)
        head = await client.head(path)
        assert head.status_code == 200
        assert head.content == b""


async def test_what_is_not_there_and_what_keeps_its_name_is_asked_for_again(client):
    missing = await client.get("/static/assets/app-00000000.js")
    assert missing.status_code == 404
    assert "immutable" not in missing.headers["cache-control"]
    icon = await client.get("/static/icon.svg")
    assert icon.headers["cache-control"] == "no-cache"


def test_every_file_that_changes_with_a_build_is_named_by_what_is_in_it():
    always = {"index.html", "icon.svg", "licenses.md"}
    files = {path.relative_to(STATIC) for path in STATIC.rglob("*") if path.is_file()}
    others = {path for path in files if path.name not in always and not path.name.endswith("-license.txt")}
    assert others
    assert [str(path) for path in others if path.parts[0] != "assets"] == []


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
