// The models of one provider: shown or hidden, added by hand, or taken from the provider's own list.

import { useState } from "preact/hooks";

import { del, get, patch, post } from "../../api.js";
import { count } from "../../format.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { Badge, Empty, ErrorNote, Loaded, Skeleton, Small, useRead } from "../../ui/parts.js";
import { Switch } from "../../ui/switch.js";
import { figure, Table } from "../../ui/table.js";
import { toast, toastError } from "../../ui/toast.js";
import { pathOf } from "./account.js";
import { cleared } from "./standing.js";

/** What the provider lists itself, and taking over what is new. @param {{account: any, onDone: () => void}} props */
function Import({ account, onDone }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const run = async (/** @type {() => Promise<unknown>} */ work) => {
    setError(null);
    try {
      await work();
    } catch (caught) {
      setFound(null);
      setError(/** @type {Error} */ (caught));
    }
  };
  const ask = () =>
    run(async () => {
      setFound("asking");
      setFound(await get(`${pathOf(account.id)}/models`));
    });
  const take = () =>
    run(async () => {
      const { added } = await post(`${pathOf(account.id)}/sync-models`);
      toast(t("providers.import.done", { count: added.length }));
      setFound(null);
      onDone();
    });
  const fresh = found?.models?.filter((/** @type {any} */ each) => !each.isKnown) ?? [];
  return html`
    <button type="button" onClick=${ask} disabled=${found === "asking"}>${t("providers.import.ask", { name: account.name })}</button>
    ${error && html`<${ErrorNote} error=${error} />`}
    ${found === "asking" && html`<${Skeleton} lines=${2} />`}
    ${found?.models &&
    html`<div class="stack" role="status">
      <p>
        ${found.models.length
          ? t("providers.import.found", { count: found.models.length, fresh: fresh.length })
          : t("providers.import.none", found.outcome)}
      </p>
      ${fresh.length > 0 &&
      html`<p class="mono dim">${fresh.slice(0, 40).map((/** @type {any} */ each) => each.id).join(", ")}${fresh.length > 40 ? " …" : ""}</p>
        <button type="button" class="primary" onClick=${take}>${t("providers.import.take", { count: fresh.length })}</button>`}
    </div>`}
  `;
}

/** @param {{provider: any, accounts: any[], onClose: () => void, onDone: () => void}} props */
export function ModelsDialog({ provider, accounts, onClose, onDone }) {
  const [adding, setAdding] = useState(false);
  const [search, setSearch] = useState("");
  const read = useRead(async (abort) => {
    const [catalog, custom] = await Promise.all([get("models/catalog", {}, abort), get("provider-models", {}, abort)]);
    const own = catalog.providers.find((/** @type {any} */ each) => each.id === provider.id);
    const stored = custom.models.filter((/** @type {any} */ each) => each.source === "stored");
    const models = (own?.models ?? []).toSorted((/** @type {any} */ one, /** @type {any} */ other) => one.id.localeCompare(other.id));
    return { models, stored: new Set(stored.map((/** @type {any} */ each) => each.id)) };
  }, [provider.id]);
  const changed = () => (read.reload(), onDone());
  const show = async (/** @type {any} */ model, /** @type {boolean} */ isActive) => {
    await patch("provider-models", { provider: provider.id, modelId: model.id, isActive });
    changed();
    if (!isActive) toast(t("providers.hidden", { name: model.name }), { undo: () => show(model, true).catch(toastError) });
  };
  const remove = async (/** @type {any} */ model) => {
    await del("provider-models", { provider: provider.id, model: model.id });
    changed();
    const again = { provider: provider.id, modelId: model.id };
    toast(t("providers.deleted", { name: model.name }), { undo: () => post("provider-models", again).then(changed, toastError) });
  };
  const add = async (/** @type {any} */ values) => {
    await post("provider-models", { ...cleared(values), provider: provider.id });
    setAdding(false);
    changed();
  };
  const usd = (/** @type {number} */ value) => `$${value}`;
  /** @type {(stored: Set<string>) => import("../../ui/table.js").Column[]} */
  const columns = (stored) => [
    { key: "id", title: t("providers.model"), sort: (row) => row.id, render: (row) => html`
        <span class="mono">${row.name}</span> ${row.isCustom && html`<${Badge} tone="info">${t("providers.custom")}<//>`}` },
    figure("contextTokens", t("providers.context"), count),
    figure("inputUsd", t("providers.price.in"), usd),
    figure("outputUsd", t("providers.price.out"), usd),
    { key: "on", title: t("providers.shown"), render: (row) => html`<span class="row">
        <${Switch} on=${row.isActive} label=${t("providers.use", { name: row.name })} change=${(on) => show(row, on)} />
        ${row.isCustom && stored.has(`${provider.id}/${row.id}`) &&
        html`<${Small} text=${t("common.delete")} danger of=${t("providers.delete.name", { name: row.name })}
          act=${() => remove(row).catch(toastError)} />`}
      </span>` },
  ];
  const fields = [
    { name: "modelId", label: t("providers.model.id"), required: true },
    { name: "modelName", label: t("providers.model.name") },
    { name: "contextTokens", label: t("providers.model.context"), type: /** @type {const} */ ("number"), min: 1 },
    { name: "maxOutputTokens", label: t("providers.model.output"), type: /** @type {const} */ ("number"), min: 1 },
  ];
  const asked = accounts.find((each) => each.state !== "off" && each.state !== "left out");
  return html`<${Dialog} wide title=${t("providers.models.of", { name: provider.name })} onClose=${onClose}>
    <div class="row">
      <button type="button" onClick=${() => setAdding(!adding)} aria-expanded=${adding ? "true" : "false"}>${t("providers.model.add")}</button>
      ${asked && html`<${Import} account=${asked} onDone=${changed} />`}
    </div>
    ${adding && html`<${Form} fields=${fields} submit=${add} action=${t("common.add")} onCancel=${() => setAdding(false)} />`}
    <${Loaded} of=${read}>
      ${({ models, stored }) => html`
        ${models.length > 8 &&
        html`<input type="search" aria-label=${t("common.search")} placeholder=${t("common.search")} value=${search}
          onInput=${typed(setSearch)} />`}
        <${Table} columns=${columns(stored)} label=${t("providers.models")}
          rows=${models.filter((/** @type {any} */ each) => each.name.toLowerCase().includes(search.toLowerCase()))}
          empty=${html`<${Empty} title=${t("providers.models.none")} />`} />
      `}
    <//>
  <//>`;
}
