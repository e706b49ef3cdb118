// Charts over time, drawn by uPlot; colours follow the theme. A table of the same figures is there
// for those who do not see them.

import { useEffect, useRef } from "preact/hooks";

import { html } from "../html.js";
import { systemIsDark, theme } from "../state.js";

const HEIGHT_PX = 220;

/** The library is a classic script; it is loaded when the first chart is drawn.
 *  @type {Promise<any> | null} */
let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("vendor/uplot.js", document.baseURI).href;
    script.onload = () => resolve(/** @type {any} */ (window).uPlot);
    script.onerror = () => reject(new Error("vendor/uplot.js did not load"));
    document.head.append(script);
  });
  return loading;
}

/** Each series on top of those before it. Pure. @param {(number | null)[][]} series @returns {number[][]} */
export function stacked(series) {
  const sums = series[0]?.map(() => 0) ?? [];
  return series.map((values) => values.map((value, at) => (sums[at] += value ?? 0)));
}

const colour = (/** @type {number} */ at) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--series-${(at % 8) + 1}`).trim();
const ink = (/** @type {string} */ name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What a legend says of a moment: nothing where nothing is known.
 *  @param {(number | null)[]} values @param {number | null} index @param {(value: number) => string} as */
const shownAt = (values, index, as) => {
  const found = index === null ? null : values[index];
  return found === null || found === undefined ? "–" : as(found);
};

/**
 * @param {{times: number[], series: {title: string, values: (number | null)[]}[], label: string, stack?: boolean,
 *   value?: (value: number) => string}} props times in Unix ms
 */
export function Chart({ times, series, label, stack = false, value = String }) {
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  const drawn = JSON.stringify([times, series, theme.value, systemIsDark.value]);
  useEffect(() => {
    let plot = /** @type {any} */ (null);
    let gone = false;
    const watch = new ResizeObserver(() => plot?.setSize({ width: frame.current?.clientWidth ?? 0, height: HEIGHT_PX }));
    library().then((UPlot) => {
      if (gone || !frame.current) return;
      const values = series.map((each) => each.values);
      const shown = stack ? stacked(values) : values;
      // The highest of a stack is drawn first, so that each area ends where the one below it begins.
      const order = series.map((_, at) => (stack ? series.length - 1 - at : at));
      const axis = { stroke: ink("--dim"), grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false } };
      const options = {
        width: frame.current.clientWidth,
        height: HEIGHT_PX,
        cursor: { points: { size: 6 } },
        legend: { live: true },
        axes: [axis, { ...axis, size: 64, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(value) }],
        series: [
          {},
          ...order.map((at) => ({
            label: series[at].title,
            stroke: colour(at),
            fill: stack ? colour(at) : undefined,
            width: 2,
            value: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ ___, /** @type {number | null} */ index) =>
              shownAt(values[at], index, value),
          })),
        ],
      };
      plot = new UPlot(options, [times.map((each) => each / 1000), ...order.map((at) => shown[at])], frame.current);
      watch.observe(frame.current);
    });
    return () => {
      gone = true;
      watch.disconnect();
      plot?.destroy();
    };
  }, [drawn]);
  return html`<figure class="chart" aria-label=${label}>
    <div ref=${frame}></div>
  </figure>`;
}
