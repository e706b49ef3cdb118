// What pages share beside the session: the theme, and the key that was just made.

import { effect, signal } from "@preact/signals";

const STORED = "omniroute.theme";

/** system | light | dark */
export const theme = signal(localStorage.getItem(STORED) ?? "system");

const system = matchMedia("(prefers-color-scheme: dark)");
/** Whether the system is dark just now; it may turn so while the page is open. */
export const systemIsDark = signal(system.matches);
system.addEventListener("change", () => (systemIsDark.value = system.matches));

/** The client key that was made last in this tab: its text is shown once and kept nowhere else.
 *  @type {import("@preact/signals").Signal<null | {name: string, key: string}>} */
export const freshKey = signal(null);

effect(() => {
  localStorage.setItem(STORED, theme.value);
  document.documentElement.dataset.theme = theme.value;
});
