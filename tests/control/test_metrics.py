"""Scraped numbers are those of the requests and of the status, in series that stay bounded."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from omniroute.control.metrics import Metrics
from omniroute.record import Record, Tried
from omniroute.usage import Usage


def record(**fields: Any) -> Record:
    return Record(id="r", started_ms=1, **fields)


def scraped(metrics: Metrics, document: dict[str, Any] | None = None) -> dict[Any, float]:
    """Value by name and labels."""
    text = metrics.render(document or {}).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_what_answered_them() -> None:
    metrics = Metrics()
    usage = Usage(input_tokens=10, cache_read_tokens=4, output_tokens=7, reasoning_tokens=2)
    answered = record(
        provider="acme",
        model="m",
        status=200,
        usage=usage,
        cost_microusd=1_500_000,
        key_id="k",
        total_us=40_000,
        first_byte_us=20_000,
        overhead_us=700,
        tried=(Tried("other", "other/main", "m", 503, "down", 5),),
    )
    metrics.add([answered, answered])
    metrics.add([record(provider="acme", model="m", status=429, total_us=1_000)])
    found = scraped(metrics)
    labels = (("model", "m"), ("provider", "acme"))
    ok = ("omniroute_requests_total", ("cache", ""), *labels, ("status", "2xx"))
    assert found[ok] == 2
    assert found["omniroute_cost_usd_total", *labels] == 3.0
    tokens = {
        kind: found["omniroute_tokens_total", ("kind", kind), *labels]
        for kind in ("input", "cache_read", "output", "reasoning")
    }
    assert tokens == {"input": 12, "cache_read": 8, "output": 14, "reasoning": 4}
    assert found["omniroute_key_cost_usd_total", ("key", "k")] == 3.0
    assert found[("omniroute_failed_attempts_total", ("provider", "other"), ("status", "503"))] == 2
    bucket = "omniroute_request_duration_seconds_bucket"
    assert found[bucket, ("le", "0.025"), ("provider", "acme")] == 1
    assert found[bucket, ("le", "+Inf"), ("provider", "acme")] == 3
    assert found["omniroute_overhead_seconds_bucket", ("le", "0.001")] == 3


def test_names_that_clients_invent_do_not_make_series_without_end() -> None:
    metrics = Metrics(series=10)
    metrics.add(
        record(provider="acme", model=f"m{number}", key_id=f"k{number}") for number in range(500)
    )
    found = scraped(metrics)
    counted = {key: value for key, value in found.items() if key[0] == "omniroute_requests_total"}
    assert len(counted) == 11
    assert sum(counted.values()) == 500
    keys = {key: value for key, value in found.items() if key[0] == "omniroute_key_requests_total"}
    assert len(keys) == 11
    assert sum(keys.values()) == 500


def test_the_status_is_told_in_gauges() -> None:
    document = {
        "version": "1.2.3",
        "outbox": {"records": 5, "bytes": 700, "dropped": {"map_full": 2}},
        "workers": [{"worker": 1, "inflight": 3, "restarts": 1}],
        "processes": [{"process": "control", "pid": 4, "cpu_s": 1.5}],
        "limits": [
            {"key": "key/k/rpm", "measure": "requests", "limit": 9, "used": 4, "reserved": 1}
        ],
        "jobs": {"history": {"failures": 2}, "sync": {"failures": 0}},
        "health": {
            "breakers": [{"subject": "acme", "detail": "", "state": "open"}],
            "quotas": [{"subject": "acme/main", "detail": "5h", "used": 0.25}],
        },
    }
    found = scraped(Metrics(), document)
    assert found["omniroute_build_info", ("version", "1.2.3")] == 1
    assert found[("omniroute_outbox_records",)] == 5
    assert found["omniroute_dropped_records_total", ("reason", "map_full")] == 2
    assert found["omniroute_worker_inflight", ("worker", "1")] == 3
    assert found["omniroute_process_cpu_seconds_total", ("process", "control")] == 1.5
    assert found["omniroute_limit_used", ("key", "key/k/rpm"), ("measure", "requests")] == 4
    assert found["omniroute_job_failing", ("job", "history")] == 1
    assert found["omniroute_job_failing", ("job", "sync")] == 0
    quota = ("omniroute_quota_used_ratio", ("detail", "5h"), ("subject", "acme/main"))
    assert found[quota] == 0.25
    breaker = (("detail", ""), ("part", "breakers"), ("state", "open"), ("subject", "acme"))
    assert found["omniroute_condition", *breaker] == 1


def test_a_name_with_quotes_and_line_ends_stays_one_label() -> None:
    metrics = Metrics()
    name = 'a"b\\\nc'
    metrics.add([record(provider="acme", model=name)])
    labels = [dict(key[1:]).get("model") for key in scraped(metrics)]
    assert name in labels
