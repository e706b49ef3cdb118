// How tools reach the gateway: addresses, settings to copy, and a request to try.

import { get } from "../api.js";
import { baseOf, DIALECTS, modelNames } from "../connect.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { place, setQuery } from "../router.js";
import { NewKey, Snippets, Trial } from "../ui/connect.js";
import { Input } from "../ui/form.js";
import { Card, Copy, Loaded, PageHead, useRead } from "../ui/parts.js";
import { Table } from "../ui/table.js";

/** @param {AbortSignal} abort */
async function read(abort) {
  const [status, catalog] = await Promise.all([get("status", {}, abort), get("models/catalog", {}, abort)]);
  return { base: baseOf(status, new URL(location.href)), models: modelNames(catalog) };
}

/** @param {{base: string}} props */
function Bases({ base }) {
  /** @type {import("../ui/table.js").Column[]} */
  const columns = [
    { key: "title", title: t("endpoint.dialect") },
    {
      key: "url",
      title: t("endpoint.base"),
      render: (row) => html`<span class="row"><code dir="ltr">${row.url(base)}</code><${Copy} text=${row.url(base)} /></span>`,
    },
    {
      key: "calls",
      title: t("endpoint.calls"),
      render: (row) => html`<span class="dim mono" dir="ltr">${row.calls.join("  ")}</span>`,
    },
  ];
  return html`<${Table} columns=${columns} rows=${DIALECTS} label=${t("endpoint.bases")} />
    <p class="dim">${t("endpoint.keys")}</p>`;
}

/** @param {{base: string, models: string[]}} props */
function Shown({ base: found, models }) {
  const { base = found, model = models[0] ?? "", tool = "curl" } = place.value.query;
  return html`
    <${Card} title=${t("endpoint.bases")}><${Bases} base=${base} /><//>
    <${Card} title=${t("endpoint.snippets")}>
      <div class="stack">
        <div class="grid">
          <${Input}
            field=${{ name: "base", label: t("endpoint.address"), hint: t("endpoint.address.hint") }}
            value=${base}
            onChange=${(value) => setQuery({ base: value === found ? "" : value })}
          />
          <${Input}
            field=${{ name: "model", label: t("endpoint.model"), hint: t("endpoint.model.hint"), suggestions: models }}
            value=${model}
            onChange=${(value) => setQuery({ model: value })}
          />
          <div><${NewKey} suggested=${tool} /></div>
        </div>
        <${Snippets} base=${base} model=${model} tool=${tool} choose=${(chosen) => setQuery({ tool: chosen })} />
      </div>
    <//>
    <${Card} title=${t("endpoint.try")}><${Trial} model=${model} /><//>
  `;
}

export default function Endpoint() {
  const state = useRead(read, []);
  return html`
    <${PageHead} title=${t("nav.endpoint")} hint=${t("endpoint.hint")} />
    <${Loaded} of=${state} lines=${8}>${(data) => html`<${Shown} ...${data} />`}<//>
  `;
}
