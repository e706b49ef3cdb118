"""What strategies learn about accounts, models and combos."""

from typing import NamedTuple

from omniroute.routing.combos import combo, combo_member, model_member, model_of
from omniroute.routing.facts import AccountFacts, MemberFacts, models
from omniroute.routing.gauges import Gauges
from omniroute.snapshot import ProviderView

ACME = ProviderView(
    id="acme", prefixes=("acme",), name="Acme", format="openai", base_url="", url="", tier="apikey"
)
PRICES = {("acme", "a"): 500, ("acme", "b"): 20}


class Connection(NamedTuple):
    connection_id: str
    provider_id: str = "acme"


def gauges() -> Gauges:
    return Gauges(lambda provider, model: PRICES.get((provider, model)))


def test_an_account_is_known_by_its_gauge_and_all_else_is_alike():
    seen = gauges()
    facts = AccountFacts(seen)
    account = Connection("acme/main")
    assert facts.gauge(account) is seen.account("acme/main")
    assert (facts.weight(account), facts.price(account)) == (1.0, None)


def test_a_model_is_known_by_its_gauge_price_and_weight():
    seen = gauges()
    facts = MemberFacts(seen)
    member = model_member(model_of(ACME, "a"), 2.5)
    assert facts.gauge(member) is seen.model("acme", "a")
    assert (facts.weight(member), facts.price(member)) == (2.5, 500)
    assert facts.price(model_member(model_of(ACME, "unheard-of"))) is None


def test_a_combo_is_as_good_as_the_best_of_its_members():
    seen = gauges()
    facts = MemberFacts(seen)
    inner = combo(
        "inner", [model_member(model_of(ACME, "b")), model_member(model_of(ACME, "unheard-of"))]
    )
    outer = combo_member(
        combo("outer", [model_member(model_of(ACME, "a")), combo_member(inner)]), 3.0
    )
    for model, latency_ms in (("a", 300.0), ("b", 100.0)):
        gauge = seen.model("acme", model)
        gauge.begin(50)
        gauge.end(60, failed=False, latency_ms=latency_ms)
        gauge.begin(70)
    assert [each.model for each in models(outer)] == ["a", "b", "unheard-of"]
    assert (facts.weight(outer), facts.price(outer)) == (3.0, 20)
    whole = facts.gauge(outer)
    assert (whole.in_flight, whole.latency_ms, whole.last_used_ms) == (2, 100.0, 70)
    nothing_known = combo_member(combo("n", [model_member(model_of(ACME, "unheard-of"))]))
    assert facts.price(nothing_known) is None
    assert facts.gauge(nothing_known).latency_ms is None
