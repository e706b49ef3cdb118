// How tools reach the gateway: addresses, snippets, and a request to try.

import { html } from "../html.js";
import { t } from "../i18n.js";
import { PageHead } from "../ui/parts.js";

export default function Page() {
  return html`<${PageHead} title=${t("nav.endpoint")} />`;
}
