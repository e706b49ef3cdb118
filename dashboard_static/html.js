// Markup as tagged templates: html`<p>${text}</p>` makes Preact elements, without a build step.

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
