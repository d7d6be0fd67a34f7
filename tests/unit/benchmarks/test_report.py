"""The benchmark's tables: what is compared is compared within a round, and the page's table is the run's output."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import measures
from benchmarks.flame import collapsed, svg
from benchmarks.measures import Bench
from benchmarks.report import medians_of, put, ratios, table

ROW = "cpu s per 1000 tokens, 50 at once"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    rounds = [
        {"naive": {ROW: 1.0}, "netra": {ROW: 0.2}},
        {"naive": {ROW: 3.0}, "netra": {ROW: 0.9}},
        {"naive": {ROW: 2.0}, "netra": {ROW: 0.8}},
        {"naive": {ROW: 9.0}},
    ]
    assert "netra / naive | ≤ 0.35 | 0.30 | 0.20, 0.40 |" in ratios(rounds)
    assert medians_of(rounds) == {"naive": {ROW: 2.5}, "netra": {ROW: 0.8}}


def test_a_table_has_each_figure_of_each_server() -> None:
    found = table({"a": {"p99 ms, 100 streams": 1234.5, "start-up s": 0.51}, "b": {"p99 ms, 20 streams": float("inf")}})
    assert found.splitlines() == [
        "| | a | b |",
        "|---|---|---|",
        "| start-up s | 0.51 | – |",
        "| p99 ms, 20 streams | – | never |",
        "| p99 ms, 100 streams | 1,234 | – |",
    ]


def test_the_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    put(page, "new")
    assert page.read_text() == "before\n<!-- table -->\n\nnew\n\n<!-- /table -->\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no <!-- table -->"):
        put(page, "new")


def test_the_page_has_a_place_for_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "performance.md").read_text()
    assert page.count("<!-- table -->") == page.count("<!-- /table -->") == 1


@pytest.mark.parametrize("carried", [0, 20, 60, 100, 160, 300, 460, 480, 1000])
async def test_the_search_finds_what_a_server_carries(carried: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    async def paced(bench: Bench, count: int, seconds: float) -> dict[str, float]:
        tried.append(count)
        return {f"p99 ms, {count} streams": 10.0 if count <= carried else 200.0}

    monkeypatch.setattr(measures, "paced", paced)
    bench: Bench = None  # type: ignore[assignment]
    assert await measures.most_streams(bench, 1) == {"streams with p99 < 100 ms": min(carried, 480)}
    assert len(tried) <= 14


def test_a_flame_graph_shows_who_holds_the_time() -> None:
    root = collapsed(
        "main (/opt/site-packages/typer/main.py:7);Runner.run (asyncio/runners.py:86);read (netra_backend/a.py:5) 75\n"
        "main (/opt/site-packages/typer/main.py:7);Runner.run (asyncio/runners.py:86);a<b (x.py:9) 24\n"
        "seldom (y.py:1) 0\n"
        "Thread.run (/usr/lib/python3.11/threading.py:2) 1\n"
    )
    picture = svg(root, "a & b")
    assert "a &amp; b" in picture
    assert "<title>read (netra_backend/a.py): 75.0%</title>" in picture
    assert "<title>a&lt;b (x.py): 24.0%</title>" in picture
    assert "<title>Thread.run (threading.py): 1.0%</title>" in picture
    assert "typer" not in picture
    assert "seldom" not in picture
