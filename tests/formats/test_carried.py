"""The page of what survives is the codecs' own word, complete and fresh."""

from pathlib import Path

import pytest

from omniroute.formats.carried import FEATURES, TABLES, is_lost, render

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"


def test_the_page_in_the_tree_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m omniroute.formats.carried > docs/formats.md"
    )


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_codec_tells_how_it_carries_every_feature(table: dict[str, str]) -> None:
    assert set(table) == set(FEATURES)
    for how in table.values():
        assert how.startswith(("native", "mapped: ", "lost: "))
        assert not how.endswith(".")


def test_each_pair_tells_of_each_feature_that_one_side_can_begin() -> None:
    sections = render().split("\n## ")[2:]
    assert len(sections) == 12
    for section in sections:
        title = section.splitlines()[0]
        client, provider = title.removesuffix(" provider").split(" client, ")
        for key, feature in FEATURES.items():
            begins = TABLES[provider if feature.in_answer else client][key]
            assert section.count(f"`{key}`") == (0 if is_lost(begins) else 1), (title, key)
