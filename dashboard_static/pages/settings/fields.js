// Which settings stand under which tab, and what kind of input each has. Pure but for the texts.

import { bytes } from "../../format.js";
import { t } from "../../i18n.js";

/** Sections of the configuration by tab. @type {Record<string, string[]>} */
export const TABS = {
  general: ["server", "log", "retention", "backups"],
  security: ["ipFilter", "addressLimit", "injectionGuard", "admin"],
  routing: ["routing"],
  resilience: ["resilience", "upstream"],
  ai: ["systemPrompt", "thinking", "cache"],
  advanced: ["limits", "capture", "state"],
};

/** The values of those that are chosen from a list. @type {Record<string, string[]>} */
const CHOICES = {
  "routing.strategy": ["fill-first", "round-robin", "least-used", "p2c", "random", "cost-optimized"],
  "thinking.mode": ["passthrough", "auto", "custom", "adaptive"],
  "ipFilter.mode": ["off", "blacklist", "whitelist"],
  "injectionGuard.mode": ["off", "warn", "block"],
  "injectionGuard.blockFrom": ["low", "medium", "high"],
  "log.level": ["debug", "info", "warning", "error"],
  "log.format": ["text", "json"],
};
const NUMBERS = ["addressLimit.rpm", "addressLimit.failedKeys"]; // whose default is none
const LONG = ["systemPrompt.prefix", "systemPrompt.suffix"];
const SECRET = ["admin.initialPassword"];

/** @type {[RegExp, string][]} */
const UNITS = [
  [/Ms$/, "ms"],
  [/S$/, "s"],
  [/H$/, "h"],
  [/Bytes$/, "bytes"],
  [/Mb$/, "MiB"],
  [/Days$/, "days"],
];

/** The unit that the end of a name tells, "" for none. @param {string} name */
export const unitOf = (name) => UNITS.find(([end]) => end.test(name))?.[1] ?? "";

/** How a section stands in a path: "ipFilter" as "ip-filter". @param {string} section */
export const pathOf = (section) => section.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** @param {string} section @param {string} name @param {any} like its value or default */
function typeOf(section, name, like) {
  const key = `${section}.${name}`;
  if (CHOICES[key]) return "select";
  if (LONG.includes(key)) return "textarea";
  if (SECRET.includes(key)) return "password";
  if (NUMBERS.includes(key) || typeof like === "number") return "number";
  if (Array.isArray(like)) return "list";
  return typeof like === "boolean" ? "checkbox" : "text";
}

/** @param {string} section @param {string} name @param {{value: any, default: any, isEditable: boolean}} setting
 *  @returns {import("../../ui/form.js").Field} */
export function fieldOf(section, name, setting) {
  const key = `${section}.${name}`;
  const unit = unitOf(name);
  const label = t(`settings.${section}.${name}`);
  const type = typeOf(section, name, setting.default ?? setting.value);
  const options = CHOICES[key]?.map((value) => ({ value, title: value }));
  return {
    name: key.replace(".", "-"),
    label: unit ? t("settings.with_unit", { label, unit }) : label,
    hint: t(`settings.${section}.${name}.effect`),
    type,
    step: type === "number" ? "any" : undefined,
    options,
    disabled: !setting.isEditable,
  };
}

/** A value as text beside its input. @param {string} name @param {any} value */
export function shown(name, value) {
  if (typeof value === "boolean") return t(value ? "common.enabled" : "common.disabled");
  if (value === null || value === "" || value?.length === 0) return t("common.none");
  if (typeof value === "number" && unitOf(name) === "bytes") return bytes(value);
  if (Array.isArray(value)) return value.join(", ");
  const unit = unitOf(name);
  return unit ? `${value} ${unit}` : String(value);
}

/** What a form changed: a member for each that differs from what is there. @param {Record<string, any>} edits @param {Record<string, {value: any}>} settings */
export const changed = (edits, settings) =>
  Object.fromEntries(Object.entries(edits).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(settings[name].value)));
