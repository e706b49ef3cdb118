// Adding and changing: an account of a provider, a provider of one's own, what differs from a built-in one.

import { useState } from "preact/hooks";

import { patch, post } from "../../api.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { Small } from "../../ui/parts.js";
import { toast } from "../../ui/toast.js";
import { pathOf } from "./account.js";
import { cleared, FORMATS, headersOf, linesOf, TIERS } from "./standing.js";
import { Outcome } from "./testing.js";

/** @typedef {import("../../ui/form.js").Field} Field */

const WINDOWS = ["5h", "daily", "weekly", "monthly"];
const MEASURES = ["requests", "tokens", "usd"];
const KINDS = ["rolling", "fixed", "session"];

/** A select whose titles are texts. @param {string[]} values @param {string} key */
const choices = (values, key) => values.map((value) => ({ value, title: t(`${key}.${value}`) }));

/** @param {{quotas: any[], change: (quotas: any[]) => void}} props */
function Quotas({ quotas, change }) {
  const set = (/** @type {number} */ at, /** @type {string} */ name, /** @type {unknown} */ value) =>
    change(quotas.map((each, place) => (place === at ? { ...each, [name]: value } : each)));
  const select = (/** @type {number} */ at, /** @type {string} */ name, /** @type {string[]} */ values) => html`<select
    aria-label=${t(`providers.quota.${name}`)}
    value=${quotas[at][name] ?? values[0]}
    onChange=${typed((value) => set(at, name, value))}
  >
    ${choices(values, `providers.${name}`).map(({ value, title }) => html`<option value=${value}>${title}</option>`)}
  </select>`;
  return html`<fieldset class="form">
    <legend>${t("providers.quotas")}</legend>
    ${quotas.map(
      (quota, at) => html`<div class="quota-edit" key=${at}>
        <input type="number" min="0" step="any" required aria-label=${t("providers.quota.limit")} value=${quota.limit}
          onInput=${(event) => set(at, "limit", Number(event.currentTarget.value))} />
        ${select(at, "measure", MEASURES)} ${select(at, "window", WINDOWS)} ${select(at, "kind", KINDS)}
        <${Small} text=${t("common.delete")} act=${() => change(quotas.filter((_, place) => place !== at))} />
      </div>`,
    )}
    <${Small} text=${t("providers.quota.add")}
      act=${() => change([...quotas, { window: "daily", limit: 1000, measure: "requests", kind: "rolling" }])} />
  </fieldset>`;
}

/**
 * @param {{account: any, provider: string, providers: any[], onClose: () => void, onDone: () => void}} props
 *   `account`: the one to change, null for a new one; `provider` is that of a new one, where it is known
 */
export function AccountDialog({ account, provider, providers, onClose, onDone }) {
  const [outcome, setOutcome] = useState(/** @type {any} */ (null));
  const [quotas, setQuotas] = useState(/** @type {any[]} */ (account?.quotas ?? []));
  const [more, setMore] = useState(false);
  const isNew = !account;
  const rest = (/** @type {Field[]} */ fields) => fields.map((field) => ({ ...field, when: () => more }));
  /** @type {Field[]} */
  const fields = [
    ...(isNew
      ? /** @type {Field[]} */ ([
          { name: "provider", label: t("providers.provider"), required: true, suggestions: providers.map((each) => each.id), hint: t("providers.provider.hint") },
          { name: "name", label: t("common.name"), placeholder: "main", hint: t("providers.name.hint") },
        ])
      : []),
    { name: "apiKey", label: t("providers.key"), type: "password", autocomplete: "new-password", hint: t(isNew ? "providers.key.hint" : "providers.key.kept") },
    ...rest([
      { name: "baseUrl", label: t("providers.base"), type: "url", hint: t("providers.base.account") },
      { name: "proxy", label: t("providers.proxy"), hint: t("providers.proxy.field") },
      { name: "priority", label: t("providers.priority"), type: "number", min: 0, hint: t("providers.priority.hint") },
      { name: "maxConcurrent", label: t("providers.at_a_time"), type: "number", min: 1 },
      { name: "rpm", label: t("providers.rpm"), type: "number", min: 1 },
      { name: "minGapMs", label: t("providers.gap"), type: "number", min: 0 },
      { name: "queueWaitS", label: t("providers.wait"), type: "number", min: 0, step: "any", hint: t("providers.wait.hint") },
      { name: "quotaThreshold", label: t("providers.threshold"), type: "number", min: 0.01, max: 1, step: 0.01, hint: t("providers.threshold.hint") },
    ]),
  ];
  const values = isNew
    ? { provider, name: "", apiKey: "" }
    : Object.fromEntries(fields.map(({ name }) => [name, name === "apiKey" ? "" : account[name]]));
  const submit = async (/** @type {any} */ given) => {
    /** @type {Record<string, any>} */
    const body = { ...cleared(given), quotas };
    if (!body.apiKey) delete body.apiKey;
    const changed = isNew ? await post("providers", body) : await patch(pathOf(account.id), body, String(account.version));
    toast(t("providers.saved", { name: changed.id }));
    onDone();
    onClose();
  };
  const tryIt = async (/** @type {any} */ given) => {
    setOutcome("asking");
    try {
      const { provider: of, apiKey, baseUrl, proxy } = given;
      setOutcome(await post("providers/validate", { provider: of, apiKey, baseUrl: baseUrl || null, proxy: proxy || null }));
    } catch (error) {
      setOutcome(null);
      throw error;
    }
  };
  return html`<${Dialog} title=${isNew ? t("providers.add") : t("providers.edit.name", { name: account.id })} onClose=${onClose}>
    <${Form} fields=${fields} values=${values} submit=${submit} onCancel=${onClose}
      also=${isNew ? { title: t("providers.try"), run: tryIt } : undefined}>
      ${more
        ? html`<${Quotas} quotas=${quotas} change=${setQuotas} />`
        : html`<button type="button" class="plain" onClick=${() => setMore(true)}>${t("providers.more")}</button>`}
      <${Outcome} outcome=${outcome} />
    <//>
  <//>`;
}

/**
 * @param {{provider: any, node: any, onClose: () => void, onDone: () => void}} props
 *   `provider`: the one to change, null for a new one; `node`: what is stored of it, if anything
 */
export function ProviderDialog({ provider, node, onClose, onDone }) {
  const isOwn = !provider?.builtIn;
  const chosen = (/** @type {string[]} */ values, /** @type {string} */ key) => [
    ...(isOwn ? [] : [{ value: "", title: t("providers.as_built_in") }]),
    ...choices(values, key),
  ];
  /** @type {Field[]} */
  const fields = [
    ...(provider ? [] : /** @type {Field[]} */ ([{ name: "id", label: t("providers.id"), required: true, placeholder: "acme", hint: t("providers.id.hint") }])),
    { name: "format", label: t("providers.format"), type: "select", options: chosen(FORMATS, "providers.format"), hint: t("providers.format.hint") },
    { name: "baseUrl", label: t("providers.base"), type: "url", required: isOwn, placeholder: provider?.baseUrl ?? "https://api.example.com/v1", hint: t("providers.base.hint") },
    { name: "tier", label: t("providers.tier"), type: "select", options: chosen(TIERS, "providers.tier"), hint: t("providers.tier.hint") },
    ...(isOwn ? /** @type {Field[]} */ ([{ name: "models", label: t("providers.models"), type: "list", hint: t("providers.models.hint") }]) : []),
    { name: "proxy", label: t("providers.proxy"), hint: t("providers.proxy.field") },
    { name: "headers", label: t("providers.headers"), type: "list", hint: t("providers.headers.hint") },
    { name: "authHeader", label: t("providers.auth_header"), placeholder: "authorization" },
    { name: "allowPrivate", label: t("providers.private"), type: "checkbox", hint: t("providers.private.hint") },
  ];
  const values = node
    ? { ...Object.fromEntries(fields.map(({ name }) => [name, node[name]])), headers: linesOf(node.headers) }
    : { format: isOwn ? "openai" : "", tier: isOwn ? "apikey" : "", headers: [] };
  const submit = async (/** @type {any} */ given) => {
    const body = { ...cleared(given), headers: headersOf(given.headers ?? []), allowPrivate: Boolean(given.allowPrivate) };
    if (node) await patch(`provider-nodes/${encodeURIComponent(node.id)}`, body, String(node.version));
    else await post("provider-nodes", provider ? { ...body, id: provider.id } : body);
    toast(t("providers.saved", { name: provider?.id ?? given.id }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${provider ? t("providers.edit.name", { name: provider.id }) : t("providers.add_own")} onClose=${onClose}>
    <${Form} fields=${fields} values=${values} submit=${submit} onCancel=${onClose} />
  <//>`;
}
