// The first steps: a password, a provider, a key, a tool.

import { html } from "../html.js";
import { t } from "../i18n.js";
import { PageHead } from "../ui/parts.js";

export default function Page() {
  return html`<${PageHead} title=${t("nav.welcome")} />`;
}
