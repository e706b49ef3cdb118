// What pages share beside the session: the theme, and what is asked of the gateway by several.

import { effect, signal } from "@preact/signals";

const STORED = "omniroute.theme";

/** system | light | dark */
export const theme = signal(localStorage.getItem(STORED) ?? "system");

effect(() => {
  localStorage.setItem(STORED, theme.value);
  document.documentElement.dataset.theme = theme.value;
});
