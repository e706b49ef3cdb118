// A client key as a form has it, flat, and as the API has it. Pure but for the texts.

import { t } from "../../i18n.js";

/** @typedef {import("../../ui/form.js").Field} Field */

export const PERIODS = ["daily", "weekly", "monthly"];
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** A switch of three states: as the settings have it, on, off. @type {Record<string, boolean | null>} */
const SWITCH = { "": null, on: true, off: false };

/** @param {string} key @param {string[]} values @returns {{value: string, title: string}[]} */
const options = (key, values) => values.map((value) => ({ value, title: t(`${key}.${value || "default"}`) }));

/** @returns {Field[]} */
export function keyFields() {
  const text = (/** @type {string} */ name) => ({ name, label: t(`keys.${name}`), hint: t(`keys.${name}.hint`) });
  const heading = (/** @type {string} */ name) => /** @type {Field} */ ({ name, label: t(`keys.${name}`), type: "heading" });
  const number = (/** @type {string} */ name, min = 1) =>
    /** @type {Field} */ ({ name, label: t(`keys.${name}`), type: "number", min, step: 1, placeholder: t("keys.unlimited") });
  return [
    { ...text("name"), required: true },
    { ...text("isActive"), type: "checkbox" },
    heading("permissions"),
    { ...text("allowedModels"), type: "list" },
    { ...text("allowedConnections"), type: "list" },
    { ...text("ipAllowlist"), type: "list" },
    heading("limits"),
    number("rpm"),
    number("tpm"),
    number("maxConcurrent"),
    heading("budgets"),
    ...PERIODS.map((period) => /** @type {Field} */ ({ ...number(period, 0), step: "any" })),
    heading("when"),
    text("expires"),
    { name: "days", label: t("keys.days"), hint: t("keys.days.hint"), type: "choices", options: options("keys.day", DAYS) },
    { name: "start", label: t("keys.start"), type: "time" },
    { name: "end", label: t("keys.end"), type: "time" },
    text("timezone"),
    heading("treatment"),
    { name: "cache", label: t("keys.cache"), type: "select", options: options("keys.cache", ["", "on", "off"]) },
    { name: "capture", label: t("keys.capture"), type: "select", options: options("keys.switch", ["", "on", "off"]) },
    { name: "injectionGuard", label: t("keys.guard"), type: "select", options: options("keys.guard", ["", "off", "warn", "block"]) },
    { name: "thinking", label: t("keys.thinking"), type: "select", options: options("keys.thinking", ["", "passthrough", "auto", "custom", "adaptive"]) },
    { ...number("budgetTokens", 0), placeholder: "10240", when: (values) => ["custom", "adaptive"].includes(values.thinking) },
    { name: "prefix", label: t("keys.prefix"), type: "textarea", hint: t("keys.prompt.hint") },
    { name: "suffix", label: t("keys.suffix"), type: "textarea" },
  ];
}

/** The budgets of a key as a list: one may stand alone. @param {any} key @returns {any[]} */
export const budgetsOf = (key) => [key?.budget ?? []].flat();

/** @param {boolean | null | undefined} value */
const switched = (value) => (value === true ? "on" : value === false ? "off" : "");

/** A key of the API as values of the form. @param {any} key */
export function toValues(key) {
  const schedule = key.accessSchedule ?? {};
  const usd = Object.fromEntries(budgetsOf(key).map((each) => [each.period ?? "monthly", each.usd]));
  return {
    ...key,
    ...Object.fromEntries(PERIODS.map((period) => [period, usd[period] ?? null])),
    days: schedule.days ?? [],
    start: schedule.start ?? "",
    end: schedule.end ?? "",
    timezone: schedule.timezone ?? "",
    cache: switched(key.cache),
    capture: switched(key.capture),
    injectionGuard: key.injectionGuard ?? "",
    thinking: key.thinking?.mode ?? "",
    budgetTokens: key.thinking?.budgetTokens ?? null,
    prefix: key.systemPrompt?.prefix ?? "",
    suffix: key.systemPrompt?.suffix ?? "",
  };
}

/** @param {Record<string, any>} all */
const given = (all) => Object.fromEntries(Object.entries(all).filter(([, value]) => (value ?? "") !== "" && value.length !== 0));

/** Values of the form as the API takes them; what a budget has beside its amount stays.
 *  @param {any} values @param {any} [key] as it was */
export function toBody(values, key) {
  const before = budgetsOf(key);
  const budget = PERIODS.filter((period) => (values[period] ?? null) !== null).map((period) => ({
    ...before.find((each) => (each.period ?? "monthly") === period),
    period,
    usd: values[period],
  }));
  const schedule = given({ days: values.days, start: values.start, end: values.end, timezone: values.timezone });
  const prompt = given({ prefix: values.prefix, suffix: values.suffix });
  const isAny = (/** @type {object} */ thing) => Object.keys(thing).length > 0;
  return {
    name: values.name,
    isActive: values.isActive ?? true,
    allowedModels: values.allowedModels ?? [],
    allowedConnections: values.allowedConnections ?? [],
    ipAllowlist: values.ipAllowlist ?? [],
    budget,
    rpm: values.rpm ?? null,
    tpm: values.tpm ?? null,
    maxConcurrent: values.maxConcurrent ?? null,
    expires: values.expires ?? "",
    // A time zone alone is no schedule.
    accessSchedule: values.days?.length || values.start || values.end ? schedule : null,
    cache: SWITCH[values.cache ?? ""],
    capture: SWITCH[values.capture ?? ""],
    injectionGuard: values.injectionGuard || null,
    thinking: values.thinking ? given({ mode: values.thinking, budgetTokens: values.budgetTokens ?? null }) : null,
    systemPrompt: isAny(prompt) ? prompt : null,
  };
}

/** A limit as `LimitBar` draws it: what its key says of it, in members. @param {any} limit */
export function limitOf(limit) {
  const last = limit.key.split("/").pop();
  return {
    ...limit,
    resets_ms: limit.resetsMs,
    period: PERIODS.includes(last) ? last : "",
    window_ms: PERIODS.includes(last) ? 0 : 60_000,
    kind: limit.measure === "running" ? "running" : "",
  };
}

/** How a key stands: its tone and the name of its state. @param {any} key @param {number} nowMs */
export function stateOf(key, nowMs) {
  if (key.revokedMs) return { tone: "bad", name: "revoked" };
  if (key.problem) return { tone: "bad", name: "problem" };
  if (!key.isActive) return { tone: "", name: "off" };
  if (key.expires && Date.parse(key.expires) <= nowMs) return { tone: "warn", name: "expired" };
  if (key.limits.some((/** @type {any} */ each) => each.used + each.reserved >= each.limit)) return { tone: "warn", name: "limited" };
  return { tone: "ok", name: "active" };
}
