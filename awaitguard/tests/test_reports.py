"""Every format, read back by something that isn't awaitguard."""

import json
import re
import xml.etree.ElementTree as ElementTree
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from awaitguard.finding import Cause, Finding
from awaitguard.report import Report, github, junit, sarif, text
from awaitguard.report import json as json_report

FACTORY = Cause("create", "shop/core.py", 3, "sync", "(user)")
FINDINGS = [
    Finding(
        "AG101",
        "await-sync-function",
        "certain",
        "app.py",
        2,
        5,
        2,
        13,
        "create() is awaited, but it isn't async",
        cause=FACTORY,
    ),
    Finding(
        "AG103",
        "await-sync-alias",
        "certain",
        "b.py",
        7,
        1,
        8,
        2,
        "make() is awaited, but it isn't async",
        cause=FACTORY,
    ),
    Finding("AG127", "coroutine-stored", "likely", "a,b:c%.py", 1, 1, 1, 1, "odd <&\"'> \x01 100% text\nand a line"),
    Finding(
        "AG301",
        "missing-module",
        "certain",
        "c.py",
        1,
        1,
        1,
        9,
        "there is no module shop.old",
        cause=Cause("shop.old", "", 0, "missing", ""),
    ),
    Finding("AG001", "unreadable-file", "certain", "d.py", 1, 1, 1, 1, "not checked: syntax error"),
    Finding("AG311", "swapped-arguments", "hint", "e.py", 1, 1, 1, 1, "f() gets `a` as `b`"),
]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    (tmp_path / "app.py").write_text("async def main():\n    x = await create()\n")
    return Report(FINDINGS, str(tmp_path), 12, 1, 34, 0.5)


def test_json_fits_its_schema(report: Report):
    document = json.loads(json_report.render(report))
    jsonschema.Draft202012Validator.check_schema(json_report.schema())
    jsonschema.Draft202012Validator(json_report.schema()).validate(document)
    assert document["summary"] == {"files": 12, "unparsed": 1, "unresolved": 34, "seconds": 0.5}
    assert document["findings"][0]["cause"] == {
        "name": "create",
        "path": "shop/core.py",
        "line": 3,
        "colour": "sync",
        "signature": "(user)",
    }
    assert document["findings"][0]["group"] == document["findings"][1]["group"]
    assert document["groups"][0]["count"] == 2
    assert document["groups"][0]["paths"] == ["app.py", "b.py"]


@pytest.mark.parametrize("change", [{"level": "sure"}, {"line": 0}, {"code": "X1"}, {"extra": 1}])
def test_the_schema_refuses_what_is_wrong(report: Report, change: dict[str, object]):
    document = json_report.document(report)
    document["findings"][0].update(change)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_report.schema()).validate(document)


def test_sarif(report: Report):
    log = json.loads(sarif.render(report))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(FINDINGS)
    for found, finding in zip(run["results"], FINDINGS, strict=True):
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"] == finding.code
        region = found["locations"][0]["physicalLocation"]["region"]
        assert (region["startLine"], region["startColumn"]) == (finding.line, finding.column)
    assert run["results"][0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "shop/core.py"
    assert [found["level"] for found in run["results"]] == ["error", "error", "warning", "error", "error", "note"]


SARIF = json.loads((Path(__file__).parent / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("findings", [FINDINGS, [], FINDINGS[2:3]], ids=["all", "none", "odd text"])
def test_sarif_fits_the_official_schema(report: Report, findings: list[Finding]):
    log = json.loads(sarif.render(report._replace(findings=findings)))
    jsonschema.Draft4Validator(SARIF).validate(log)
    assert log["$schema"].endswith(".json")


@pytest.mark.parametrize("change", [{"level": "fatal"}, {"ruleIndex": -2}, {"message": "text"}, {"extra": 1}])
def test_the_official_schema_refuses_what_is_wrong(report: Report, change: dict[str, object]):
    log = json.loads(sarif.render(report))
    log["runs"][0]["results"][0].update(change)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SARIF).validate(log)


def test_github_annotations_can_be_parsed(report: Report):
    lines = github.render(report).splitlines()
    assert len(lines) == len(FINDINGS)
    for line, finding in zip(lines, FINDINGS, strict=True):
        match = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
        assert match is not None
        properties = dict(part.split("=", 1) for part in match[2].split(","))
        assert properties["line"] == str(finding.line)
        path = properties["file"].replace("%2C", ",").replace("%3A", ":").replace("%25", "%")
        assert path == finding.path
        message = match[3].replace("%0A", "\n").replace("%25", "%")
        assert message.startswith(finding.message)


def test_junit_can_be_parsed(report: Report):
    root = ElementTree.fromstring(junit.render(report))
    cases = list(root.iter("testcase"))
    assert len(cases) == len(FINDINGS)
    assert root.attrib["failures"] == str(len(FINDINGS))
    assert cases[0].find("failure") is not None
    empty = ElementTree.fromstring(junit.render(report._replace(findings=[])))
    assert [case.find("failure") for case in empty.iter("testcase")] == [None]


def test_text_groups_by_cause_and_shows_the_place(report: Report):
    rendered = text.render(report)
    assert rendered.count("create(user)  sync function, shop/core.py:3") == 1
    assert "2 places in 2 files" in rendered
    assert "    2 |     x = await create()\n" in rendered
    assert "      |     ^^^^^^^^\n" in rendered
    assert "awaitguard explain AG101" in rendered
    assert "shop.old isn't there" in rendered
    assert "6 findings (4 certain) with 5 causes in 12 files, 0.5 s. 1 could not be checked." in rendered
    assert "\x1b[" not in rendered
    assert "\x1b[" in text.render(report, colour=True)
    assert "34 calls could not be resolved" in text.render(report, verbose=True)
    assert "No findings in 12 files" in text.render(report._replace(findings=[]))


def test_long_groups_are_cut(report: Report):
    many = [FINDINGS[0]._replace(line=number) for number in range(1, 40)]
    rendered = text.render(report._replace(findings=many))
    assert "and 27 more" in rendered


def test_the_schema_is_shipped():
    assert resources.files("awaitguard.report").joinpath("schema.json").is_file()


def test_the_code_frame_holds_nothing_that_a_terminal_obeys(report: Report, tmp_path: Path):
    (tmp_path / "app.py").write_text("async def main():\n    x = await create()  # \x1b[2J\x00\n")
    rendered = text.render(report)
    assert "# ?[2J?" in rendered
    assert not set(rendered) & {"\x1b", "\x00"}
