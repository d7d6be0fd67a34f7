"""The settings and what is written of them; names that don't exist."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netra_backend.app import settings_document
from netra_backend.app.settings import BadSetting, Settings, load_settings


def test_the_page_is_fresh():
    """python -m netra_backend.app.settings_document"""
    assert settings_document.PAGE.read_text() == settings_document.page()


def test_every_setting_has_a_line_that_says_what_it_is_for():
    assert settings_document.undocumented() == []
    page = settings_document.page()
    for name in Settings.model_fields:
        assert page.count(f"| `NETRA_{name.upper()}` |") == 1


@pytest.fixture(autouse=True)
def only_what_the_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("NETRA_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NETRA_MODELL", "NETRA_MODEL"),
        ("NETRA_PUBLICURL", "NETRA_PUBLIC_URL"),
        ("NETRA_API_KEY", "NETRA_MODEL_API_KEY"),
        ("NETRA_ULR", "NETRA_URL"),
        ("netra_prot", "NETRA_PORT"),
    ],
)
def test_a_misspelt_variable_is_an_error_with_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
):
    monkeypatch.setenv(name, "x")
    with pytest.raises(BadSetting) as refused:
        load_settings(data_dir=tmp_path)
    assert str(refused.value).startswith(f"{name}: ")
    assert meant.lower() in str(refused.value).lower()


def test_a_name_like_no_other_says_where_names_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NETRA_XYZZY", "x")
    with pytest.raises(BadSetting, match=r"docs/settings\.md"):
        load_settings(data_dir=tmp_path)


def test_a_misspelt_name_in_the_file_is_an_error_with_a_suggestion(tmp_path: Path):
    (tmp_path / "netra.toml").write_text('modle = "offline"\n')
    with pytest.raises(BadSetting, match=r"modle \(netra\.toml\): there is no such setting; did you mean model\?"):
        load_settings(data_dir=tmp_path)


def test_what_is_set_for_others_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("NETRA_URL", "NETRA_EXAMPLES", "NETRA_SERVICE_HOST", "NETRA_PORT_8000_TCP_ADDR", "NETRALIZE"):
        monkeypatch.setenv(name, "x")
    load_settings(data_dir=tmp_path)
    monkeypatch.setenv("NETRA_PORT", "tcp://10.0.0.1:8000")
    with pytest.raises(BadSetting, match="enableServiceLinks"):
        load_settings(data_dir=tmp_path)
