"""Every setting of the configuration has its place, name and effect on the page Settings."""

import re
from pathlib import Path

import msgspec

from omniroute.config.schema import sections
from omniroute.control.api import shapes
from omniroute.control.changing import STRUCTS

SOURCE = Path(__file__).resolve().parents[2] / "dashboard_static"


def settings() -> set[str]:
    """Every one as "section.name", as the API calls it."""
    return {
        f"{shapes.camel(section.name)}.{shapes.camel(field.name)}"
        for section in sections()
        if not section.repeated
        for field in msgspec.structs.fields(STRUCTS[section.name])
    }


def test_every_setting_is_named_and_explained() -> None:
    catalogue = (SOURCE / "messages" / "en" / "setting.js").read_text(encoding="utf-8")
    texts = set(re.findall(r'^  "settings\.([^"]+)": ".+",$', catalogue, re.MULTILINE))
    sections_named = {name for name in texts if name.startswith("section.")}
    effects = {name.removesuffix(".effect") for name in texts if name.endswith(".effect")}
    assert effects == settings()
    assert texts - sections_named - {f"{name}.effect" for name in effects} == settings()


def test_every_section_stands_under_one_tab() -> None:
    text = (SOURCE / "pages" / "settings" / "fields.js").read_text(encoding="utf-8")
    tabs = re.search(r"export const TABS = \{(.+?)\};", text, re.DOTALL)
    assert tabs
    listed = re.findall(r'"(\w+)"', tabs[1])
    assert sorted(listed) == sorted({name.partition(".")[0] for name in settings()})
