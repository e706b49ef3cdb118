// Every text that people read comes from a catalogue. English is complete; others may lag behind it.

import { signal } from "@preact/signals";

import en from "./messages/en.js";

/** @typedef {{code: string, name: string, dir: "ltr" | "rtl", texts: Record<string, string>}} Language */

/** A language is one line here and one folder beside `messages/en`. The last one lays English out
 *  from right to left, to see that the pages hold. @type {Language[]} */
export const LANGUAGES = [
  { code: "en", name: "English", dir: "ltr", texts: en },
  { code: "en-x-rtl", name: "English (right to left)", dir: "rtl", texts: en },
];

const STORED = "omniroute.language";

/** @param {string | null} code */
const known = (code) => LANGUAGES.find((each) => each.code === code);

export const language = signal(
  known(localStorage.getItem(STORED)) ?? known(navigator.language.slice(0, 2)) ?? LANGUAGES[0],
);

/** @param {string} code */
export function speak(code) {
  const found = known(code);
  if (!found) return;
  localStorage.setItem(STORED, code);
  language.value = found;
}

/**
 * The text under a key, `{name}` replaced; the English one where the language lacks it.
 * @param {string} key
 * @param {Record<string, unknown>} [values]
 */
export function t(key, values = {}) {
  const text = language.value.texts[key] ?? en[key];
  if (text === undefined) return key;
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
