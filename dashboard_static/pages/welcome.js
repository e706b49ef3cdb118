// The first steps: a password, a provider, a key, a tool. Each can be skipped and come back to.

import { get, post, session } from "../api.js";
import { baseOf, modelNames } from "../connect.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { go, place, setQuery } from "../router.js";
import { NewKey, Snippets, Trial } from "../ui/connect.js";
import { Form, Input, Whose } from "../ui/form.js";
import { Badge, Card, Loaded, PageHead, useRead } from "../ui/parts.js";
import { toast } from "../ui/toast.js";
import { ProviderStep } from "./welcome/provider.js";
import { after, done, resume, STEPS } from "./welcome/steps.js";

/** @param {AbortSignal} abort */
async function read(abort) {
  const [status, known, keys, catalog, sums] = await Promise.all([
    get("status", {}, abort),
    get("providers/catalog", {}, abort),
    get("keys", {}, abort),
    get("models/catalog", {}, abort),
    get("usage/analytics", {}, abort),
  ]);
  return {
    answered: sums.rows[0]?.requests ?? 0,
    base: baseOf(status, new URL(location.href)),
    providers: known.providers,
    keys: keys.keys,
    models: modelNames(catalog),
  };
}

/** @param {{onward: () => void}} props */
function PasswordStep({ onward }) {
  const isFirst = Boolean(session.value?.needs_password);
  const fields = [
    ...(isFirst ? [] : [{ name: "current", label: t("welcome.password.current"), type: "password", required: true, autocomplete: "current-password" }]),
    { name: "new", label: t("welcome.password.new"), hint: t("welcome.password.hint"), type: "password", required: true, autocomplete: "new-password" },
    { name: "again", label: t("welcome.password.again"), type: "password", required: true, autocomplete: "new-password" },
  ];
  const submit = async (/** @type {any} */ { current, new: chosen, again }) => {
    if (chosen !== again) throw new Error(t("welcome.password.differ"));
    session.value = await post("auth/password", isFirst ? { new: chosen } : { current, new: chosen });
    toast(t("welcome.password.done"));
    onward();
  };
  return html`<div class="stack">
    <p>${t(isFirst ? "welcome.password.first" : "welcome.password.set")}</p>
    <${Form} fields=${fields} submit=${submit} action=${t("welcome.password.save")}><${Whose} /><//>
  </div>`;
}

function KeyStep() {
  return html`<div class="stack"><p>${t("welcome.keys.hint")}</p><${NewKey} suggested=${t("welcome.keys.name")} /></div>`;
}

/** @param {{base: string, models: string[], again: () => void}} props */
function ToolStep({ base, models, again }) {
  const { model = models[0] ?? "", tool = "curl" } = place.value.query;
  return html`<div class="stack">
    <p>${t("welcome.tool.hint")}</p>
    <${Input}
      field=${{ name: "model", label: t("endpoint.model"), hint: t("endpoint.model.hint"), suggestions: models }}
      value=${model}
      onChange=${(value) => setQuery({ model: value })}
    />
    <${Trial} model=${model} onAnswer=${again} />
    <${Snippets} base=${base} model=${model} tool=${tool} choose=${(chosen) => setQuery({ tool: chosen })} />
  </div>`;
}

/** @param {{step: string, isDone: Record<string, boolean>}} props */
const Progress = ({ step, isDone }) => html`<ol class="steps" aria-label=${t("welcome.steps")}>
  ${STEPS.map(
    (each, at) => html`<li key=${each}>
      <a href=${`#/welcome/${each}`} aria-current=${each === step ? "step" : undefined}>
        <${Badge} tone=${isDone[each] ? "ok" : each === step ? "info" : ""}>${isDone[each] ? "✓" : at + 1}<//>
        ${t(`welcome.step.${each}`)}
        ${isDone[each] && html`<span class="sr-only">${t("welcome.step.done")}</span>`}
      </a>
    </li>`,
  )}
</ol>`;

/** @param {{data: any, again: () => void}} props */
function Steps({ data, again }) {
  const isDone = done({ ...data, needsPassword: Boolean(session.value?.needs_password) });
  const asked = place.value.rest[0];
  const step = STEPS.includes(asked) ? asked : resume(isDone);
  const next = after(step);
  const onward = () => {
    again();
    go({ page: "welcome", rest: [next] });
  };
  return html`
    <${Progress} step=${step} isDone=${isDone} />
    <${Card} title=${t(`welcome.title.${step}`)}>
      ${step === "password" && html`<${PasswordStep} onward=${onward} />`}
      ${step === "provider" &&
      html`<${ProviderStep}
        providers=${data.providers}
        saved=${() => {
          toast(t("welcome.provider.done"));
          onward();
        }}
      />`}
      ${step === "key" && html`<${KeyStep} />`}
      ${step === "tool" && html`<${ToolStep} ...${data} again=${again} />`}
      <div class="actions end">
        ${next && html`<a class="button" href=${`#/welcome/${next}`}>${t(isDone[step] ? "welcome.next" : "welcome.skip")}</a>`}
        ${!next && html`<a class="button" href="#/overview">${t("welcome.finish")}</a>`}
      </div>
    <//>
  `;
}

export default function Welcome() {
  const state = useRead(read, [place.value.rest[0]]);
  return html`
    <${PageHead} title=${t("welcome.head")} hint=${t("welcome.hint")}>
      <a class="button" href="#/overview">${t("welcome.later")}</a>
    <//>
    <${Loaded} of=${state} lines=${8}>
      ${(data) => html`<${Steps} data=${data} again=${state.reload} />`}
    <//>
  `;
}
