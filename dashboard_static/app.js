// The shell: who is signed in, which page is shown, menu, theme and language.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { effect } from "@preact/signals";

import { findSession, session, signIn, signOut } from "./api.js";
import { html } from "./html.js";
import { LANGUAGES, language, speak, t } from "./i18n.js";
import { go, place } from "./router.js";
import { theme } from "./state.js";
import { Form, Whose } from "./ui/form.js";
import { Boundary, ErrorNote, Skeleton } from "./ui/parts.js";
import { Toasts, toastError } from "./ui/toast.js";

/** Pages in the order of the menu; each loads when it is first shown.
 *  @type {Record<string, () => Promise<{default: any}>>} */
const PAGES = {
  overview: () => import("./pages/overview.js"),
  endpoint: () => import("./pages/endpoint.js"),
  providers: () => import("./pages/providers.js"),
  combos: () => import("./pages/combos.js"),
  keys: () => import("./pages/keys.js"),
  limits: () => import("./pages/limits.js"),
  health: () => import("./pages/health.js"),
  analytics: () => import("./pages/analytics.js"),
  logs: () => import("./pages/logs.js"),
  translator: () => import("./pages/translator.js"),
  settings: () => import("./pages/settings.js"),
  welcome: () => import("./pages/welcome.js"),
};

effect(() => {
  document.documentElement.lang = language.value.code;
  document.documentElement.dir = language.value.dir;
});

function SignIn() {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  useEffect(() => {
    const link = new URLSearchParams(location.hash.slice(1)).get("link");
    if (!link) return;
    history.replaceState(null, "", location.pathname);
    signIn({ link }).then(
      () => go({ page: "welcome" }),
      (caught) => setError(new Error(t("signin.link", { message: caught.message }))),
    );
  }, []);
  const fields = [
    { name: "password", label: t("signin.password"), type: "password", required: true, autocomplete: "current-password" },
  ];
  return html`<main class="sign-in" id="content">
    <h1>OmniRoute</h1>
    <div class="card">
      <h2>${t("signin.title")}</h2>
      ${error && html`<${ErrorNote} error=${error} />`}
      <${Form} fields=${fields} submit=${signIn} action=${t("signin.submit")}><${Whose} /><//>
      <p class="dim">${t("signin.hint")}</p>
    </div>
  </main>`;
}

/** @param {{name: string}} props */
function Page({ name }) {
  const [page, setPage] = useState(/** @type {{of: string, Shown: any}} */ ({ of: "", Shown: null }));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  useEffect(() => {
    setError(null);
    PAGES[name]?.().then((module) => setPage({ of: name, Shown: module.default }), setError);
    document.title = `${t(`nav.${name}`)} · OmniRoute`;
  }, [name]);
  if (!PAGES[name]) return html`<p>${t("app.notfound")}</p>`;
  if (error) return html`<${ErrorNote} error=${error} retry=${() => location.reload()} />`;
  if (page.of !== name) return html`<${Skeleton} lines=${8} />`;
  return html`<${Boundary} key=${name}><${page.Shown} /><//>`;
}

function Menu() {
  const chosen = place.value.page;
  return html`<nav class="menu" aria-label=${t("app.pages")}>
    <a class="brand" href="#/overview">OmniRoute</a>
    <ul>
      ${Object.keys(PAGES)
        .filter((name) => name !== "welcome")
        .map(
          (name) => html`<li key=${name}>
            <a href=${`#/${name}`} aria-current=${name === chosen ? "page" : undefined}>${t(`nav.${name}`)}</a>
          </li>`,
        )}
    </ul>
    <div class="menu-foot">
      <label>
        <span>${t("app.theme")}</span>
        <select value=${theme.value} onChange=${(event) => (theme.value = event.currentTarget.value)}>
          ${["system", "light", "dark"].map((each) => html`<option value=${each}>${t(`app.theme.${each}`)}</option>`)}
        </select>
      </label>
      <label>
        <span>${t("app.language")}</span>
        <select value=${language.value.code} onChange=${(event) => speak(event.currentTarget.value)}>
          ${LANGUAGES.map((each) => html`<option value=${each.code}>${each.name}</option>`)}
        </select>
      </label>
      <button type="button" onClick=${() => signOut().catch(toastError)}>${t("app.signout")}</button>
    </div>
  </nav>`;
}

function App() {
  const [open, setOpen] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const { page } = place.value;
  useEffect(() => {
    findSession().catch(setError);
  }, []);
  useEffect(() => setOpen(false), [page]);
  if (error) return html`<main id="content"><${ErrorNote} error=${error} retry=${() => location.reload()} /></main>`;
  if (session.value === undefined) return html`<main id="content"><${Skeleton} lines=${6} /></main>`;
  if (session.value === null) return html`<${SignIn} /><${Toasts} />`;
  return html`
    <a class="skip" href="#content" onClick=${(event) => {
      event.preventDefault();
      document.getElementById("content")?.focus();
    }}>${t("app.skip")}</a>
    <div class=${`shell ${open ? "menu-open" : ""}`}>
      <header class="bar">
        <button type="button" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>${t("app.menu")}</button>
        <strong>OmniRoute</strong>
      </header>
      <${Menu} />
      <main id="content" tabindex="-1"><${Page} name=${page} /></main>
    </div>
    <${Toasts} />
  `;
}

const root = document.getElementById("app");
if (root) render(html`<${App} />`, root);
