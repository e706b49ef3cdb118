// The second step: a first provider, tried before it is saved.

import { useState } from "preact/hooks";

import { post } from "../../api.js";
import { html } from "../../html.js";
import { t } from "../../i18n.js";
import { place, setQuery } from "../../router.js";
import { Form } from "../../ui/form.js";
import { Badge, ErrorNote, Tabs } from "../../ui/parts.js";
import { nameOf } from "./steps.js";

const FORMATS = ["openai", "openai-responses", "claude", "gemini"];

/** @param {{outcome: any, addAnyway: () => void}} props */
function Outcome({ outcome, addAnyway }) {
  if (outcome.ok) {
    return html`<p class="row" role="status"><${Badge} tone="ok">${t("welcome.works")}<//> ${outcome.message}</p>`;
  }
  return html`<div class="error-note" role="alert">
    <p><strong>${outcome.message}</strong></p>
    ${outcome.help && html`<p>${outcome.help}</p>`}
    ${outcome.said && html`<p class="mono">${t("welcome.said", { said: outcome.said })}</p>`}
    <button type="button" onClick=${addAnyway}>${t("welcome.add_anyway")}</button>
  </div>`;
}

/**
 * Fields, a test of what they say, and the saving of it when it works or the person insists.
 * @param {{fields: any[], values: any, tried: (values: any) => any, save: (values: any) => Promise<unknown>,
 *   saved: () => void}} props
 */
function Tried({ fields, values, tried, save, saved }) {
  const [outcome, setOutcome] = useState(/** @type {any} */ (null));
  const [last, setLast] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const keep = async (/** @type {any} */ given) => {
    await save(given);
    saved();
  };
  const submit = async (/** @type {any} */ given) => {
    setOutcome(null);
    setError(null);
    setLast(given);
    const found = await post("providers/validate", tried(given));
    setOutcome(found);
    if (found.ok) await keep(given);
  };
  return html`<${Form} fields=${fields} values=${values} submit=${submit} action=${t("welcome.test_and_add")}>
    ${outcome && html`<${Outcome} outcome=${outcome} addAnyway=${() => keep(last).catch(setError)} />`}
    ${error && html`<${ErrorNote} error=${error} />`}
  <//>`;
}

/** @param {{providers: any[], saved: () => void}} props */
function Known({ providers, saved }) {
  const options = providers
    .filter((each) => !each.signIn)
    .map((each) => ({ value: each.id, title: `${each.name} (${t(`welcome.tier.${each.tier}`)})` }))
    .sort((one, other) => one.title.localeCompare(other.title));
  const tier = (/** @type {any} */ values) => providers.find((each) => each.id === values.provider)?.tier;
  /** @type {import("../../ui/form.js").Field[]} */
  const fields = [
    { name: "provider", label: t("welcome.provider"), type: "select", options, required: true },
    {
      name: "apiKey",
      label: t("welcome.key"),
      hint: t("welcome.key.hint"),
      type: "password",
      when: (values) => tier(values) !== "local",
    },
    { name: "baseUrl", label: t("welcome.base"), hint: t("welcome.base.hint"), type: "url", placeholder: "https://" },
  ];
  const body = (/** @type {any} */ values) => ({
    provider: values.provider,
    apiKey: values.apiKey ?? "",
    ...(values.baseUrl ? { baseUrl: values.baseUrl } : {}),
  });
  return html`<${Tried} fields=${fields} values=${{ provider: options[0]?.value }} tried=${body}
    save=${(values) => post("providers", body(values))} saved=${saved} />
    <p class="dim">${t("welcome.sign_in")} <a href="#/providers">${t("nav.providers")}</a></p>`;
}

/** @param {{saved: () => void}} props */
function Custom({ saved }) {
  const fields = [
    { name: "baseUrl", label: t("welcome.address"), hint: t("welcome.address.hint"), type: "url", required: true, placeholder: "http://" },
    {
      name: "format",
      label: t("welcome.format"),
      type: "select",
      options: FORMATS.map((value) => ({ value, title: t(`welcome.format.${value}`) })),
    },
    { name: "id", label: t("welcome.id"), hint: t("welcome.id.hint"), placeholder: "custom" },
    { name: "apiKey", label: t("welcome.key"), type: "password", hint: t("welcome.key.optional") },
  ];
  const save = async (/** @type {any} */ values) => {
    const id = values.id || nameOf(values.baseUrl);
    await post("provider-nodes", { id, format: values.format, baseUrl: values.baseUrl });
    if (values.apiKey) await post("providers", { provider: id, apiKey: values.apiKey });
  };
  const tried = (/** @type {any} */ { format, baseUrl, apiKey }) => ({ format, baseUrl, apiKey: apiKey ?? "" });
  return html`<${Tried} fields=${fields} values=${{ format: "openai" }} tried=${tried} save=${save} saved=${saved} />`;
}

/** @param {{saved: () => void}} props */
function Simulator({ saved }) {
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [busy, setBusy] = useState(false);
  const start = async () => {
    setBusy(true);
    setError(null);
    try {
      await post("simulator", {});
      saved();
    } catch (caught) {
      setError(/** @type {Error} */ (caught));
    } finally {
      setBusy(false);
    }
  };
  return html`<div class="stack">
    <p>${t("welcome.simulator.hint")}</p>
    ${error && html`<${ErrorNote} error=${error} />`}
    <div class="actions">
      <button type="button" class="primary" disabled=${busy} aria-busy=${busy} onClick=${start}>${t("welcome.simulator.start")}</button>
    </div>
  </div>`;
}

/** @type {Record<string, any>} */
const WAYS = { known: Known, custom: Custom, simulator: Simulator };

/** @param {{providers: any[], saved: () => void}} props */
export function ProviderStep({ providers, saved }) {
  const way = place.value.query.way ?? "known";
  const Way = WAYS[way] ?? Known;
  return html`<div class="stack">
    <p>${t("welcome.provider.hint")}</p>
    <${Tabs}
      tabs=${Object.keys(WAYS).map((key) => ({ key, title: t(`welcome.way.${key}`) }))}
      chosen=${way}
      choose=${(key) => setQuery({ way: key })}
      label=${t("welcome.way")}
    />
    <${Way} key=${way} providers=${providers} saved=${saved} />
  </div>`;
}
