// How it stands: the line on top, the figures below it, and whether the picture is live.

import { byId, button, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { openFile } from "./file.js";
import { lookFor } from "./files.js";
import { inTrouble, isLate, matters, total, words } from "./findings.js";
import { ago, bytes, number, rate, seconds } from "./text.js";

// The file that shows best why a pipeline does not go on: the one that waits longest.
export const oldestOf = (state, pipeline) => (state.in_flight ?? []).find((it) => it.pipeline === pipeline) ?? null;

// What leads from a finding to what it is about; null where there is nothing more to be seen.
function leadOf(finding, state) {
  if (finding?.files !== undefined) return { text: "Show", label: "Show the files in trouble", go: () => lookFor(finding.files) };
  const file = finding?.why === undefined ? null : oldestOf(state, finding.why);
  return file === null ? null : { text: "Why?", label: "Why its oldest file waits", go: () => openFile(file.file) };
}

// A button that leads on, where there is one, and keeps the focus while the text beside it changes.
function setLead(place, lead) {
  if (lead === null) {
    if (place.firstChild !== null) place.replaceChildren();
    return;
  }
  if (place.firstChild === null) place.append(button("", () => place.go(), { class: "link" }));
  place.go = lead.go;
  setText(place.firstChild, lead.text);
  setAttribute(place.firstChild, "aria-label", lead.label);
}

// The figures below the line.
function figures({ state, tree }) {
  const pipelines = state.pipelines.filter(matters);
  const here = pipelines.filter((it) => it.rates !== null);
  const commits = pipelines.map((it) => it.freshness_seconds).filter((it) => it !== null);
  const files = total(pipelines, (it) => it.backlog.files);
  const trouble = total(pipelines, inTrouble);
  const letters = total(state.pipelines, (it) => it.dead_letters);
  const restarts = tree === null ? null : total(tree.pipelines, (it) => total(it.children, (child) => child.restarts));
  return [
    ["Rows a second", rate(total(here, (it) => it.rates.rows_per_second)), `${bytes(total(here, (it) => it.rates.bytes_per_second))}/s read`, false],
    ["Newest commit", commits.length === 0 ? "–" : ago(Math.min(...commits)), "of any pipeline", false],
    ["Waiting", number(files), files === 0 ? "nothing" : bytes(total(pipelines, (it) => it.backlog.bytes)), false],
    ["Lag", seconds(pipelines.length === 0 ? 0 : Math.max(...pipelines.map((it) => it.lag_seconds))), "the oldest that waits", pipelines.some(isLate)],
    ["In trouble", number(trouble), trouble === 1 ? "file" : "files", trouble > 0],
    ["Dead letters", number(letters), "new", false],
    ["Restarts", restarts === null ? "–" : number(restarts), "of this process's parts", false],
  ];
}

export function showStatus(all) {
  const { level, line, lead, details } = words(all);
  const status = byId("status");
  setText(status, line);
  setAttribute(status, "data-level", level);
  setLead(byId("status-lead"), leadOf(lead, all.state));
  keyed(byId("details"), details, (it) => it.id,
    () => el("li", {}, el("span", { class: "dot" }), el("span"), el("span")),
    (item, finding) => {
      setAttribute(item, "data-level", finding.level);
      setText(item.children[1], finding.text);
      setLead(item.children[2], leadOf(finding, all.state));
    });
  const where = all.tree === null ? "ingestd" : `ingestd on ${all.tree.host}`;
  document.title = level === "bad" ? `! ${line} – ${where}` : where;
  setText(byId("host"), all.tree === null ? "" : all.tree.host);
  const box = byId("figures");
  setHidden(box, all.state === null);
  if (all.state === null) return;
  keyed(box, figures(all), ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", {}), el("dd", { class: "muted" })),
    (element, [, value, note, bad]) => {
      setText(element.children[1], value);
      setText(element.children[2], note);
      element.classList.toggle("bad", bad);
    });
}

// Whether the picture is live, and if not, how old it is.
export function showLink({ live, state, heardAt, problem, silent }) {
  const age = state === null ? 0 : (Date.now() - heardAt) / 1000;
  const well = live === true && silent === 0 && problem === null;
  setAttribute(byId("link"), "data-level", live === null ? "idle" : well ? "good" : "bad");
  const old = age < 5 ? "" : `, ${seconds(Math.floor(age))} old`;
  const word = live === null ? "connecting" : live === false ? "cut off" : silent > 0 ? "silent" : problem !== null ? "no database" : "live";
  setText(byId("link-text"), `${word}${old}`);
}
