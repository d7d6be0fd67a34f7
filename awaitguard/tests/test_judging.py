"""The ledger of judged findings, the frozen corpora, and the tool that compares two runs."""

import importlib.util
import io
import json
import re
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from awaitguard.codes import CODES
from awaitguard.finding import LEVELS

JUDGING = Path(__file__).parents[1] / "judging"


def tool(name: str) -> ModuleType:
    """A script of the folder, which is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, JUDGING / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


compare, corpus = tool("compare"), tool("corpus")


def report(place: Path, *found: tuple[str, str, str, int]) -> None:
    keys = ("code", "level", "path", "line")
    entries = [{**dict(zip(keys, one, strict=True)), "message": f"{one[0]} in {one[2]}"} for one in found]
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({"findings": entries}))


def test_the_ledger_can_be_read():
    entries = compare.ledger()
    assert entries
    for one in entries:
        assert one.code in CODES
        assert one.level in LEVELS
        assert one.verdict in ("real", "false", "debatable")
        assert one.line > 0
        assert one.why


def test_the_ledger_holds_each_place_once():
    places = [(one.project, one.version, one.path, one.line, one.code) for one in compare.ledger()]
    assert len(set(places)) == len(places)


def test_the_corpora_are_pinned():
    names: list[str] = []
    for name in re.findall(r"^\[(\w+)\]$", corpus.CORPORA.read_text(), re.MULTILINE):
        assert corpus.pinned(name)
        names += corpus.pinned(name)
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+( \(wheel\))?", one) for one in names)
    assert len(set(names)) == len(names)


def test_what_a_change_adds_loses_and_moves(tmp_path: Path):
    before, after = tmp_path / "before", tmp_path / "after"
    report(
        before / "shop-1.0.json",
        ("AG101", "certain", "a.py", 3),
        ("AG102", "certain", "a.py", 9),
        ("AG310", "likely", "b.py", 1),
    )
    report(
        after / "shop-1.0.json",
        ("AG101", "certain", "a.py", 8),
        ("AG102", "likely", "a.py", 9),
        ("AG121", "hint", "b.py", 2),
    )
    judged = [compare.Judged("shop", "1.0", "b.py", 1, "AG310", "likely", "false", "it has it")]
    found = [(one.finding.code, one.before, one.after, one.verdict) for one in compare.changes(before, after, judged)]
    assert found == [("AG310", "likely", "", "false"), ("AG102", "certain", "likely", ""), ("AG121", "", "hint", "")]


def test_one_report_is_like_another(tmp_path: Path):
    report(tmp_path / "one.json", ("AG101", "certain", "a.py", 3), ("AG101", "certain", "a.py", 4))
    assert compare.changes(tmp_path / "one.json", tmp_path / "one.json", []) == []
    report(tmp_path / "less" / "one.json", ("AG101", "certain", "a.py", 3))
    assert len(compare.changes(tmp_path / "one.json", tmp_path / "less" / "one.json", [])) == 1


def test_an_archive_that_leads_outside_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("../outside.py")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"1"))
    with pytest.raises(tarfile.FilterError):
        corpus.unpack(tmp_path / "a.tar", tmp_path / "target")
    assert not (tmp_path / "outside.py").exists()
