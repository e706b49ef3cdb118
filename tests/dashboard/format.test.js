import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, count, duration, latency, percent, relative, usd } from "../../dashboard_static/format.js";

test("each value has its unit and as many digits as people read", () => {
  for (const [shown, wanted] of [
    [bytes(0), "0 B"],
    [bytes(1536), "1.5 KiB"],
    [bytes(3 * 1024 ** 3), "3.0 GiB"],
    [count(999), "999"],
    [count(9999), "9,999"],
    [count(12_345), "12.3 k"],
    [count(1_234_567), "1.2 M"],
    [usd(0), "$0.00"],
    [usd(1_500_000), "$1.50"],
    [usd(1_234), "$0.0012"],
    [percent(0), "0 %"],
    [percent(0.0512), "5.1 %"],
    [percent(1), "100 %"],
    [latency(682), "682 µs"],
    [latency(4_200), "4.2 ms"],
    [latency(42_000), "42 ms"],
    [latency(1_234_000), "1.23 s"],
    [latency(12_340_000), "12.3 s"],
    [duration(59), "59 s"],
    [duration(3_599), "59 min 59 s"],
    [duration(90_000), "1 d 1 h"],
    [duration(-5), "0 s"],
  ]) {
    assert.equal(shown, wanted);
  }
});

test("times are relative to the moment that is given, both ways", () => {
  const now = 1_700_000_000_000;
  assert.equal(relative(now - 3 * 60_000, now), "3 minutes ago");
  assert.equal(relative(now + 2 * 3_600_000, now), "in 2 hours");
  assert.equal(relative(now, now), "now");
});
