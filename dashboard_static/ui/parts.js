// Small parts that every page uses: states of loading, badges, numbers, times.

import { Component } from "preact";
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";

import { ApiError } from "../api.js";
import { moment, relative } from "../format.js";
import { html } from "../html.js";
import { t } from "../i18n.js";

/** Now, for everything that counts down; moves once a second. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 1000);

/** @param {{title: string, hint?: string, children?: any}} props */
export const PageHead = ({ title, hint, children }) => html`
  <header class="page-head">
    <div>
      <h1>${title}</h1>
      ${hint && html`<p class="dim">${hint}</p>`}
    </div>
    <div class="actions">${children}</div>
  </header>
`;

/** @param {{title?: string, children?: any, class?: string, actions?: any}} props */
export const Card = ({ title, children, class: name = "", actions }) => html`
  <section class=${`card ${name}`}>
    ${title && html`<div class="card-head"><h2>${title}</h2><div class="actions">${actions}</div></div>`}
    ${children}
  </section>
`;

/** Grey lines in the place of what is still to come. @param {{lines?: number}} props */
export const Skeleton = ({ lines = 3 }) => html`
  <div class="skeleton" role="status" aria-label=${t("common.loading")}>
    ${Array.from({ length: lines }, (_, at) => html`<span key=${at}></span>`)}
  </div>
`;

/** @param {{title: string, children?: any}} props */
export const Empty = ({ title, children }) => html`
  <div class="empty"><p>${title}</p>${children}</div>
`;

/** An error with its cause and a way on. @param {{error: Error, retry?: () => void}} props */
export const ErrorNote = ({ error, retry }) => html`
  <div class="error-note" role="alert">
    <p>${t("common.error", { message: error.message })}</p>
    ${error instanceof ApiError &&
    error.details.length > 0 &&
    html`<ul>
      ${error.details.map((each) => html`<li>${each.field ? `${each.field}: ` : ""}${each.message}</li>`)}
    </ul>`}
    ${retry && html`<button type="button" onClick=${retry}>${t("common.retry")}</button>`}
  </div>
`;

/** Tone: ok | warn | bad | info | "". @param {{tone?: string, title?: string, children?: any}} props */
export const Badge = ({ tone = "", title, children }) => html`
  <span class=${`badge ${tone}`} title=${title}>${children}</span>
`;

/** A small button, as in rows; `of` tells screen readers what it acts on.
 *  @param {{text: string, act: () => unknown, of?: string, danger?: boolean, disabled?: boolean}} props */
export const Small = ({ text, act, of, danger = false, disabled = false }) => html`
  <button type="button" class=${danger ? "small danger" : "small"} aria-label=${of} disabled=${disabled} onClick=${act}>${text}</button>
`;

/** The time as people say it, the exact one on hover. @param {{ms: number | null | undefined}} props */
export function Time({ ms }) {
  if (!ms) return html`<span class="dim">${t("common.never")}</span>`;
  const iso = new Date(ms).toISOString();
  return html`<time datetime=${iso} title=${moment(ms)}>${relative(ms, now.value)}</time>`;
}

/** A bar of used and reserved out of a limit.
 *  @param {{used: number, reserved?: number, limit: number, label: string}} props */
export function Meter({ used, reserved = 0, limit, label }) {
  const share = (/** @type {number} */ part) => (limit > 0 ? Math.min(100, (part / limit) * 100) : 0);
  const full = share(used + reserved);
  const tone = full >= 100 ? "bad" : full >= 80 ? "warn" : "ok";
  return html`
    <div
      class=${`meter ${tone}`}
      role="meter"
      aria-label=${label}
      aria-valuemin="0"
      aria-valuemax=${limit}
      aria-valuenow=${Math.min(used + reserved, limit)}
    >
      <span class="used" style=${{ inlineSize: `${share(used)}%` }}></span>
      <span class="reserved" style=${{ inlineSize: `${Math.max(0, full - share(used))}%` }}></span>
    </div>
  `;
}

/** @param {{label: string, value: any, hint?: any, tone?: string}} props */
export const Stat = ({ label, value, hint, tone = "" }) => html`
  <div class=${`stat ${tone}`}>
    <dt>${label}</dt>
    <dd>${value}</dd>
    ${hint && html`<dd class="dim hint">${hint}</dd>`}
  </div>
`;

/** @param {{text: string, label?: string}} props */
export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-live="polite">
    ${done ? t("common.copied") : (label ?? t("common.copy"))}
  </button>`;
}

/** A line over time without axes. @param {{values: number[], label: string}} props */
export function Sparkline({ values, label }) {
  const most = Math.max(...values, 1);
  const step = values.length > 1 ? 100 / (values.length - 1) : 100;
  const points = values.map((each, at) => `${(at * step).toFixed(1)},${(24 - (each / most) * 22).toFixed(1)}`);
  return html`<svg class="sparkline" viewBox="0 0 100 26" preserveAspectRatio="none" role="img" aria-label=${label}>
    <polyline points=${points.join(" ")} />
  </svg>`;
}

/** @param {{tabs: {key: string, title: string}[], chosen: string, choose: (key: string) => void, label: string}} props */
export function Tabs({ tabs, chosen, choose, label }) {
  const move = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const forward = document.documentElement.dir === "rtl" ? -step : step;
    const at = tabs.findIndex((each) => each.key === chosen);
    const next = tabs[(at + forward + tabs.length) % tabs.length];
    choose(next.key);
    const list = /** @type {HTMLElement} */ (event.currentTarget);
    /** @type {HTMLElement | null} */ (list.querySelector(`[data-tab="${next.key}"]`))?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(
      (each) => html`<button
        type="button"
        role="tab"
        key=${each.key}
        data-tab=${each.key}
        aria-selected=${each.key === chosen ? "true" : "false"}
        tabindex=${each.key === chosen ? 0 : -1}
        onClick=${() => choose(each.key)}
      >
        ${each.title}
      </button>`,
    )}
  </div>`;
}

/**
 * What an asynchronous reading gave: {data, error, reload}. Read again when `keys` change, and every
 * `everyMs` while the page is visible.
 * @param {(abort: AbortSignal) => Promise<any>} read
 * @param {unknown[]} keys
 * @param {number} [everyMs]
 */
export function useRead(read, keys, everyMs = 0) {
  const [state, setState] = useState(/** @type {{data: any, error: Error | null}} */ ({ data: null, error: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const run = async () => {
      try {
        const data = await read(abort.signal);
        if (!abort.signal.aborted) setState({ data, error: null });
      } catch (error) {
        if (!abort.signal.aborted) setState((old) => ({ ...old, error: /** @type {Error} */ (error) }));
      }
    };
    run();
    const timer = everyMs && setInterval(() => document.visibilityState === "visible" && run(), everyMs);
    return () => {
      abort.abort();
      if (timer) clearInterval(timer);
    };
  }, [...keys, turn]);
  return { ...state, reload: () => setTurn((old) => old + 1) };
}

/** What `useRead` gave: a skeleton, an error, or its children.
 *  @param {{of: {data: any, error: Error | null, reload: () => void}, lines?: number, children: (data: any) => any}} props */
export function Loaded({ of, lines, children }) {
  if (of.data !== null) {
    return html`${of.error && html`<${ErrorNote} error=${of.error} retry=${of.reload} />`}${children(of.data)}`;
  }
  if (of.error) return html`<${ErrorNote} error=${of.error} retry=${of.reload} />`;
  return html`<${Skeleton} lines=${lines} />`;
}

/** Keeps a page that broke from taking the others with it. */
export class Boundary extends Component {
  /** @param {any} props */
  constructor(props) {
    super(props);
    /** @type {{error: Error | null}} */
    this.state = { error: null };
  }

  /** @param {Error} error */
  componentDidCatch(error) {
    console.error(error);
    this.setState({ error });
  }

  /** @param {any} props @param {any} state */
  render(props, state) {
    if (!state.error) return props.children;
    return html`<div class="error-note" role="alert">
      <p>${t("app.broke", { message: state.error.message })}</p>
      <button type="button" onClick=${() => location.reload()}>${t("app.reload")}</button>
    </div>`;
  }
}
