"""The tables do not contradict each other."""

from omniroute.similarity import words


def test_what_stands_for_a_group_is_in_no_other() -> None:
    assert not set(words.SYNONYM.values()) & set(words.SYNONYM)


def test_no_word_that_must_be_kept_has_a_stand_in() -> None:
    kept = {*words.NUMBER, *words.PREPOSITIONS - {"using"}, *words.AUXILIARY, *words.LANGUAGES}
    assert not kept & set(words.SYNONYM)
    assert not kept & words.EMPTY


def test_opposites_are_never_one() -> None:
    for one, other in (
        line.split()
        for line in """
        maximum minimum
        first last
        latest oldest
        all any
        all some
        large small
        begin stop
        enable disable
        remove add
        wrong right
        greater less
        everyone anyone
        get fetch
        """.splitlines()
        if line.strip()
    ):
        assert words.SYNONYM.get(one, one) != words.SYNONYM.get(other, other)


def test_a_setting_is_spelled_as_itself_or_stands_for_one() -> None:
    assert all(words.SETTING.get(name, name) == name for name in words.SETTING.values())


def test_spellings_are_in_lower_case_where_they_are_looked_up_so() -> None:
    for table in (words.SYNONYM, words.SETTING, words.NUMBER, words.AUXILIARY, words.PLURAL):
        assert all(word == word.lower() for word in table)
    for listed in (words.TWO_FACED, words.LANGUAGES, words.ENGLISH, words.FOREIGN, words.VERBS):
        assert all(word == word.lower() for word in listed)


def test_english_is_not_given_away_as_foreign() -> None:
    assert not words.ENGLISH & words.FOREIGN
