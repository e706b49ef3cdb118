// Making and changing a combo: its strategy, its members in order, their weights.

import { useState } from "preact/hooks";

import { patch, post } from "../../api.js";
import { percent } from "../../format.js";
import { html, typed } from "../../html.js";
import { t } from "../../i18n.js";
import { Dialog } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { Small } from "../../ui/parts.js";
import { Sortable } from "../../ui/sortable.js";
import { toast } from "../../ui/toast.js";
import { memberOf, shares, STRATEGIES, written } from "./members.js";

/** @typedef {import("./members.js").Member & {key: number}} Row */

/** @param {{members: Row[], change: (members: Row[]) => void, suggestions: string[], isWeighted: boolean}} props */
function Members({ members, change, suggestions, isWeighted }) {
  const [wanted, setWanted] = useState("");
  const add = () => {
    if (!wanted.trim()) return;
    change([...members, { model: wanted.trim(), weight: 1, key: Math.max(0, ...members.map((each) => each.key)) + 1 }]);
    setWanted("");
  };
  const part = shares(members);
  return html`<fieldset class="form">
    <legend>${t("combos.members")}</legend>
    ${members.length > 0 &&
    html`<${Sortable}
      items=${members}
      keyOf=${(/** @type {Row} */ each) => String(each.key)}
      nameOf=${(/** @type {Row} */ each) => each.model}
      label=${t("combos.members")}
      onOrder=${change}
    >
      ${(/** @type {Row} */ member, handle) => html`<div class="row">
        ${handle}
        <span class="mono grow">${member.model}</span>
        ${isWeighted &&
        html`<input class="weight" type="number" min="0" step="any" aria-label=${t("combos.weight.of", { name: member.model })} value=${member.weight}
            onInput=${(event) =>
              change(members.map((each) => (each === member ? { ...each, weight: Number(event.currentTarget.value) } : each)))} />
          <span class="dim number share">${percent(part[members.indexOf(member)])}</span>`}
        <${Small} text=${t("common.delete")} of=${t("combos.delete", { name: member.model })}
          act=${() => change(members.filter((each) => each !== member))} />
      </div>`}
    <//>`}
    <div class="row">
      <input class="grow" list="combo-models" aria-label=${t("combos.member.add")} placeholder=${t("combos.member.placeholder")} value=${wanted}
        onInput=${typed(setWanted)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && (event.preventDefault(), add())} />
      <datalist id="combo-models">${suggestions.map((each) => html`<option value=${each} />`)}</datalist>
      <button type="button" onClick=${add}>${t("combos.member.add")}</button>
    </div>
  </fieldset>`;
}

/** @param {{combo: any, suggestions: string[], onClose: () => void, onDone: () => void}} props */
export function ComboDialog({ combo, suggestions, onClose, onDone }) {
  const [members, setMembers] = useState(/** @type {Row[]} */ ((combo?.models ?? []).map((/** @type {any} */ each, /** @type {number} */ key) => ({ ...memberOf(each), key }))));
  const [values, setValues] = useState(() => ({
    name: combo?.name ?? "",
    strategy: combo?.strategy ?? "priority",
    stickyLimit: combo?.stickyLimit ?? 1,
    tiered: combo?.tiered === null || combo === null ? "" : String(combo.tiered),
    proxy: combo?.proxy ?? "",
  }));
  const { strategy } = values;
  /** @type {import("../../ui/form.js").Field[]} */
  const fields = [
    { name: "name", label: t("common.name"), required: true, placeholder: "coding", hint: t("combos.name.hint") },
    {
      name: "strategy",
      label: t("combos.strategy"),
      type: "select",
      options: STRATEGIES.map((value) => ({ value, title: t(`combos.strategy.${value}`) })),
      hint: t(`combos.about.${strategy}`),
    },
    { name: "stickyLimit", label: t("combos.sticky"), type: "number", min: 1, max: 10000, when: (given) => given.strategy === "round-robin", hint: t("combos.sticky.hint") },
    {
      name: "tiered",
      label: t("combos.tiered"),
      type: "select",
      options: ["", "true", "false"].map((value) => ({ value, title: t(`combos.tiered.${value || "default"}`) })),
      hint: t("combos.tiered.hint"),
    },
    { name: "proxy", label: t("combos.proxy"), hint: t("combos.proxy.hint") },
  ];
  const submit = async (/** @type {any} */ given) => {
    const body = {
      ...given,
      proxy: given.proxy || null,
      tiered: given.tiered === "" ? null : given.tiered === "true",
      models: members.map(written),
    };
    if (combo) await patch(`combos/${encodeURIComponent(combo.id)}`, body, String(combo.version));
    else await post("combos", body);
    toast(t("combos.saved", { name: given.name }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${combo ? t("combos.edit", { name: combo.name }) : t("combos.add")} onClose=${onClose}>
    <${Form} fields=${fields} values=${values} submit=${submit} onCancel=${onClose} watch=${setValues}>
      <${Members} members=${members} change=${setMembers} suggestions=${suggestions} isWeighted=${strategy === "weighted"} />
    <//>
  <//>`;
}
