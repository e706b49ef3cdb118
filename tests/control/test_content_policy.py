"""What pages may load: our own files, and each page its own import map."""

from omniroute.control.content_policy import POLICY, policy_of


def test_a_page_without_an_import_map_has_the_usual_policy() -> None:
    assert policy_of(b"<p>text") == POLICY


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'; script-src 'self';")


def test_each_import_map_is_named_by_what_it_holds() -> None:
    one = policy_of(b'<script type="importmap">{"a":1}</script>')
    other = policy_of(b'<script type="importmap">{"a":2}</script>')
    assert one != other
