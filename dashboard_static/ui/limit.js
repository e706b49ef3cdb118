// Limits and quotas in use: a bar of what is used and reserved, what is left, and when it begins anew.

import { count, duration, percent, usd } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { Meter, now } from "./parts.js";

/** What is left until a moment, counted down by the second; it stops at nothing. @param {{ms: number | null | undefined}} props */
export function Countdown({ ms }) {
  if (!ms) return null;
  const left = ms - now.value;
  return html`<time class="countdown" datetime=${new Date(ms).toISOString()} title=${new Date(ms).toLocaleString()}>
    ${duration(left / 1000 + 0.999)}
  </time>`;
}

/** The same in a column of a table. @param {number} ms */
export const countdown = (ms) => html`<${Countdown} ms=${ms} />`;

/** An amount with its unit; of a gap, milliseconds. Pure. @param {string} measure @param {number} value */
export const amount = (measure, value) =>
  measure === "usd" ? usd(value) : measure === "gap" ? t("limit.ms", { count: count(value) }) : count(value);

/** What is limited and in which time: "requests a minute". Its key says it where nothing else does.
 *  @param {{key: string, measure: string, kind?: string, period?: string, window_ms?: number}} limit */
export function limitName({ measure, kind = "", period = "", window_ms = 0 }) {
  const unit = t(`limit.measure.${measure}`);
  if (kind === "running" || kind === "gap") return unit;
  if (period) return t(`limit.period.${period}`, { unit });
  if (window_ms === 60_000) return t("limit.minute", { unit });
  return t(kind === "session" ? "limit.session" : "limit.rolling", { unit, time: duration(window_ms / 1000).replace(/ 0 \w+$/, "") });
}

/** One limit as a row: name, bar, figures, countdown. @param {{limit: any}} props */
export function LimitBar({ limit }) {
  const name = limitName(limit);
  const of = (/** @type {number} */ value) => amount(limit.measure, value);
  const values = { used: of(limit.used), limit: of(limit.limit), reserved: of(limit.reserved) };
  return html`<div class="limit-bar">
    <span>${name}</span>
    <${Meter} used=${limit.used} reserved=${limit.reserved} limit=${limit.limit} label=${name} />
    <span class="number">
      ${limit.reserved ? t("limit.used_reserved", values) : t("limit.used", values)}
    </span>
    <span class="dim number">${limit.resets_ms && html`${t("limit.resets")} <${Countdown} ms=${limit.resets_ms} />`}</span>
  </div>`;
}

/** One window of a quota as its provider reports it; `used` is a share. @param {{quota: any}} props */
export function QuotaBar({ quota }) {
  const name = t("limit.quota", { window: quota.window ?? quota.detail });
  return html`<div class="limit-bar">
    <span>${name}${quota.model && html` <span class="dim">${quota.model}</span>`}</span>
    <${Meter} used=${quota.used} limit=${1} label=${name} />
    <span class="number">
      ${quota.limit && quota.remaining !== null
        ? t("limit.left", { left: count(quota.remaining), limit: count(quota.limit) })
        : t("limit.share", { share: percent(quota.used) })}
    </span>
    <span class="dim number">${quota.resets_ms && html`${t("limit.resets")} <${Countdown} ms=${quota.resets_ms} />`}</span>
  </div>`;
}
