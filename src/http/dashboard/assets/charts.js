// The course of the last fifteen minutes, drawn by Chart.js, and told in words for those who can't see
// it. The library is fetched once all else is there.

import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { clock, number, rate, seconds, shown } from "./text.js";

// What the axis of time may reach back to, in minutes: no more than what there is to be seen.
const SPANS = [1, 2, 5, 10, 15];
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

let Chart = null;
const charts = new Map();

// Their places, so that nothing moves once they come.
export function placeCharts() {
  for (const spec of SPECS) byId("charts").append(figure(spec));
}

export async function startCharts(history) {
  try {
    await import("./chart.umd.js");
  } catch {
    setText(byId("course-since"), "the charts could not be loaded; the table below has the figures");
    return;
  }
  Chart = globalThis.Chart;
  drawCharts(history);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of charts.values()) chart.destroy();
    charts.clear();
    drawCharts(history);
  });
}

function figure({ id, title }) {
  return el("figure", { id: `chart-${id}` },
    el("figcaption", {}, el("b", {}, title), el("span", { class: "muted" })),
    el("div", { class: "canvas" }, el("canvas", { role: "img" })));
}

const colour = (index) => style(`--line-${index + 1}`);

const SPECS = [
  {
    id: "rows",
    title: "Rows a second",
    tick: rate,
    sets: (history) => {
      const names = history.names();
      return names.map((name, index) => ({ label: shown(name), colour: index, value: (point) => point.rates.get(name) ?? null }));
    },
    words: (history) => {
      const all = history.points.map((point) => history.rows(point));
      return all.length === 0 ? "" : `${rate(all.at(-1))} now, at most ${rate(Math.max(...all))}`;
    },
  },
  {
    id: "latency",
    title: "How long it takes",
    tick: seconds,
    // A time that nothing was loaded in has no latency, and the line goes on behind it.
    sets: () => [
      { label: "file: drop to commit", colour: 0, value: (point) => point.drop, gaps: true },
      { label: "batch: commit", colour: 1, value: (point) => point.batch, gaps: true },
    ],
    words: (history) => {
      const last = (what) => history.points.findLast((point) => point[what] !== null)?.[what];
      const [drop, batch] = [last("drop"), last("batch")];
      if (drop === undefined && batch === undefined) return "nothing was committed yet";
      return `last: a file ${seconds(drop)}, a batch ${seconds(batch)}`;
    },
  },
  {
    id: "backlog",
    title: "Files waiting",
    tick: number,
    sets: () => [{ label: "files", colour: 0, value: (point) => point.files, area: true }],
    words: (history) => {
      const all = history.points.map((point) => point.files);
      return all.length === 0 ? "" : `${number(all.at(-1))} now, at most ${number(Math.max(...all))}`;
    },
  },
];

export function drawCharts(history) {
  for (const spec of SPECS) {
    const box = byId(`chart-${spec.id}`);
    if (box === null) return;
    const text = spec.words(history);
    setText(box.querySelector("figcaption span"), text);
    setAttribute(box.querySelector("canvas"), "aria-label", `${spec.title}: ${text}`);
    if (Chart !== null && !document.hidden) draw(spec, history, box.querySelector("canvas"));
  }
  if (byId("course").querySelector("details").open) showTable(history);
}

function draw(spec, history, canvas) {
  const now = history.points.at(-1)?.at ?? Date.now();
  const sets = spec.sets(history).map((set) => ({
    label: set.label,
    data: history.points.map((point) => ({ x: point.at - now, y: set.value(point) })).filter((it) => !set.gaps || it.y !== null),
    borderColor: colour(set.colour),
    backgroundColor: set.area ? style("--area") : colour(set.colour),
    fill: set.area ? "origin" : false,
  }));
  let chart = charts.get(spec.id);
  if (chart === undefined) {
    chart = new Chart(canvas, options(spec));
    charts.set(spec.id, chart);
  }
  const seen = (now - (history.points[0]?.at ?? now)) / 60000;
  const span = SPANS.find((minutes) => minutes >= seen) ?? SPANS.at(-1);
  Object.assign(chart.options.scales.x, { min: -span * 60000 });
  chart.options.scales.x.ticks.stepSize = span * (span === 15 ? 20000 : 12000);
  chart.data.datasets = sets;
  chart.update("none");
}

function options(spec) {
  const [text, line] = [style("--muted"), style("--grid")];
  const font = { size: 11, family: style("--font") };
  return {
    type: "line",
    data: { datasets: [] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      elements: { point: { radius: 0, hitRadius: 6 }, line: { borderWidth: 1.5, tension: 0 } },
      scales: {
        x: {
          type: "linear", min: -60000, max: 0,
          grid: { display: false }, border: { color: line },
          ticks: { color: text, font, stepSize: 12000, maxRotation: 0, callback: (value) => before(value) },
        },
        y: {
          min: 0, suggestedMax: spec.id === "latency" ? 0.1 : 10,
          grid: { color: line }, border: { display: false },
          ticks: { color: text, font, maxTicksLimit: 5, callback: (value) => spec.tick(value) },
        },
      },
      plugins: {
        legend: { position: "bottom", align: "start", labels: { color: text, font, boxWidth: 10, boxHeight: 2 } },
        tooltip: {
          callbacks: {
            title: ([item]) => (item === undefined ? "" : `${Math.round(-item.parsed.x / 1000)} s ago`),
            label: (item) => ` ${item.dataset.label}: ${spec.tick(item.parsed.y)}`,
          },
        },
      },
    },
  };
}

// PURE: a time before now, in milliseconds.
function before(value) {
  if (value === 0) return "now";
  return value > -60000 ? `${Math.round(value / 1000)} s` : `${+(value / 60000).toFixed(1)} min`;
}

export function showTable(history) {
  keyed(byId("course-rows"), history.minutes(), (it) => it.at,
    () => el("tr", {}, el("th", { scope: "row" }), el("td", { class: "n" }), el("td", { class: "n" }), el("td", { class: "n" }), el("td", { class: "n" })),
    (line, minute) => {
      const texts = [clock(minute.at).slice(0, -3), rate(minute.rows), seconds(minute.drop), seconds(minute.batch), number(minute.files)];
      texts.forEach((text, index) => setText(line.children[index], text));
    });
}
