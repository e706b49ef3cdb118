// Values as people read them. Pure: the language is an argument where it matters.

// Making one of these takes longer than drawing a row of a table.
const NUMBER = new Intl.NumberFormat("en");
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** @param {number} count */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? count : count.toFixed(1)} ${units[unit]}`;
}

/** 1234567 as 1.2 M; small numbers in full. @param {number} count */
export function count(count) {
  const size = Math.abs(count);
  if (size >= 1e9) return `${(count / 1e9).toFixed(1)} G`;
  if (size >= 1e6) return `${(count / 1e6).toFixed(1)} M`;
  if (size >= 1e4) return `${(count / 1e3).toFixed(1)} k`;
  return NUMBER.format(count);
}

/** A cost out of micro-USD, with as many digits as it needs. @param {number} microusd */
export function usd(microusd) {
  const value = microusd / 1e6;
  const digits = value === 0 || Math.abs(value) >= 1 ? 2 : 4;
  return `$${value.toFixed(digits)}`;
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  const value = share * 100;
  return `${value === 0 || Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Microseconds. @param {number} us */
export function latency(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${us < 1e4 ? (us / 1e3).toFixed(1) : Math.round(us / 1e3)} ms`;
  return `${(us / 1e6).toFixed(us < 1e7 ? 2 : 1)} s`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3600) return `${Math.floor(left / 60)} min ${left % 60} s`;
  if (left < 86400) return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
  return `${Math.floor(left / 86400)} d ${Math.floor((left % 86400) / 3600)} h`;
}

/** "3 min ago", "in 2 h". @param {number} ms Unix time @param {number} nowMs */
export function relative(ms, nowMs) {
  const seconds = Math.round((ms - nowMs) / 1000);
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const units = [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? units[3];
  const amount = Math.trunc(seconds / size);
  return AGO.format(amount, unit);
}

/** @param {number} ms Unix time */
export const moment = (ms) => MOMENT.format(ms);
