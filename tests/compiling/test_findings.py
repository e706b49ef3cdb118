"""What is found is told together, each thing once."""

import pytest

from omniroute.compiling.findings import Findings, did_you_mean
from omniroute.config import ConfigError
from omniroute.config.schema import Origin


def test_all_refusals_are_raised_together_with_their_places() -> None:
    findings = Findings(Origin("f.toml", {("keys", 0): 3}))
    findings.note("a note")
    findings.refuse(("keys", 0), "is wrong", "put it right")
    findings.refuse(("combos", 1), "is wrong, too")
    with pytest.raises(ConfigError) as caught:
        findings.notes()
    assert str(caught.value).splitlines() == [
        "f.toml:3: keys[0]: is wrong (put it right)",
        "f.toml: combos[1]: is wrong, too",
    ]


def test_notes_come_in_order_and_each_once() -> None:
    findings = Findings(Origin())
    for text in ("b", "a", "b"):
        findings.note(text)
    assert findings.notes() == ("b", "a")


def test_only_a_near_name_is_suggested() -> None:
    assert did_you_mean("codnig", ["coding", "other"]) == "did you mean coding?"
    assert did_you_mean("zzz", ["coding", "other"]) == ""
