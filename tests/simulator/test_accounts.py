"""Quotas of simulated accounts: what is counted, when it ends, when it begins anew."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.simulator.accounts import WINDOWS, Account, Meter, Quota, Script

NOW_S = 1_800_000_000.0


def account(*quotas: Quota) -> Account:
    made = Account("key")
    made.measure(Script(quotas=quotas), NOW_S)
    return made


def test_a_quota_of_requests_is_exhausted_when_as_many_were_let_in():
    it = account(Quota(limit=2))
    it.let_in("a", NOW_S)
    assert not it.standings(NOW_S)[0].is_exhausted
    it.let_in("b", NOW_S)
    (standing,) = it.standings(NOW_S)
    assert (standing.used, standing.remaining, standing.share) == (2, 0, 1.0)
    assert standing.is_exhausted


def test_a_quota_of_tokens_counts_what_was_answered_and_may_be_passed_by_the_last_answer():
    it = account(Quota(limit=100, measure="tokens"))
    it.let_in("a", NOW_S)
    assert it.standings(NOW_S)[0].used == 0
    it.answered(60, 70, NOW_S)
    assert it.standings(NOW_S)[0].used == 130
    assert it.standings(NOW_S)[0].remaining == 0
    assert it.standings(NOW_S)[0].share == 1.0


def test_the_first_window_ends_when_it_was_told_to_and_the_next_have_their_length():
    meter = Meter(Quota(limit=5, used=5, resets_in_s=30, window="5h"), NOW_S)
    assert meter.standing(NOW_S).is_exhausted
    assert meter.standing(NOW_S).resets_in_s == 30
    assert meter.standing(NOW_S + 29.9).is_exhausted
    fresh = meter.standing(NOW_S + 30)
    assert fresh.used == 0
    assert fresh.resets_at_s == NOW_S + 30 + 5 * 3600


def test_money_that_is_gone_does_not_come_back_by_waiting():
    meter = Meter(Quota(limit=5, used=5, kind="credits", resets_in_s=30), NOW_S)
    assert meter.standing(NOW_S + 10 * 86400).is_exhausted
    meter.restart(NOW_S + 10 * 86400)
    assert not meter.standing(NOW_S + 10 * 86400).is_exhausted


@given(
    window=st.sampled_from(sorted(WINDOWS)),
    passed_s=st.floats(0, 1e7),
    first_s=st.floats(0.1, 1e6),
)
def test_a_reset_always_lies_ahead_and_within_one_window(window, passed_s, first_s):
    meter = Meter(Quota(limit=1, window=window, resets_in_s=first_s), NOW_S)
    now_s = NOW_S + passed_s
    standing = meter.standing(now_s)
    assert standing.resets_at_s > now_s
    ahead_s = standing.resets_at_s - now_s
    assert ahead_s <= max(WINDOWS[window], first_s) + 1e-3
    assert standing.resets_in_s >= ahead_s


def test_a_scenario_befalls_the_models_that_it_names():
    script = Script(scenario="error-503", models=("claude-*", "gpt-5"))
    assert script.befalls("claude-opus-4-6", 1)
    assert script.befalls("gpt-5", 2)
    assert not script.befalls("gpt-5-mini", 3)
    assert not Script().befalls("gpt-5", 1)


def test_a_share_of_the_requests_is_befallen_the_same_ones_each_time():
    script = Script(scenario="error-503", share=0.25, seed=7)
    hit = [script.befalls("m", number) for number in range(2000)]
    assert 400 < sum(hit) < 600
    assert hit == [script.befalls("m", number) for number in range(2000)]
    other = Script(scenario="error-503", share=0.25, seed=8)
    assert hit != [other.befalls("m", number) for number in range(2000)]
    assert not any(Script(scenario="error-503", share=0).befalls("m", n) for n in range(50))
    assert all(Script(scenario="error-503").befalls("m", n) for n in range(50))


def test_a_conversation_has_its_earlier_prompt_in_the_cache_of_this_account_only():
    here, there = account(), account()
    for one in (here, there):
        one.let_in("talk", NOW_S)
    assert here.cached("talk", 100) == 0
    assert here.cached("talk", 150) == 100
    assert here.cached("talk", 80) == 80
    assert there.cached("talk", 150) == 0


def test_what_is_told_adds_up():
    it = account(Quota(limit=3))
    it.arrived("glm")
    it.arrived("glm")
    it.let_in("talk", NOW_S)
    it.answered(5, 7, NOW_S)
    told = it.told(NOW_S)
    assert (told["requests"], told["input_tokens"], told["output_tokens"]) == (2, 5, 7)
    assert told["by_model"] == {"glm": 2}
    assert told["conversations"] == {"talk": 1}
    assert told["quotas"][0]["used"] == 1


@pytest.mark.parametrize(
    "body", [b'{"limit": -1}', b'{"limit": 1, "window": "year"}', b'{"limit": 1, "more": 2}']
)
def test_a_quota_that_makes_no_sense_is_refused(body):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Quota)
