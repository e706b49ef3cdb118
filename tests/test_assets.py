"""The dashboard's files are found in a checkout and in a wheel, and their lack is told."""

from pathlib import Path

import pytest

from omniroute import assets


def test_in_a_checkout_the_dashboard_stands_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dashboard_static").mkdir()
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "omniroute")
    assert assets.dashboard_dir() == tmp_path / "dashboard_static"


def test_in_a_wheel_the_dashboard_inside_the_package_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dashboard_static").mkdir()
    (tmp_path / "omniroute" / "dashboard_static").mkdir(parents=True)
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "omniroute")
    assert assets.dashboard_dir() == tmp_path / "omniroute" / "dashboard_static"


def test_without_a_dashboard_it_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "omniroute")
    with pytest.raises(FileNotFoundError, match="no dashboard in this installation") as caught:
        assets.dashboard_dir()
    assert str(tmp_path / "dashboard_static") in str(caught.value)
