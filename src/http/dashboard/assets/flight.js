// The files that are being loaded, and how far each has come.

import { byId, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { openFile } from "./file.js";
import { age, bytes, fileName, number, seconds, shown } from "./text.js";

const link = (file) => {
  const press = el("button", { type: "button", class: "link", title: shown(file.path) }, el("bdi", {}, shown(fileName(file.path))));
  press.addEventListener("click", () => openFile(file.file));
  return press;
};

// From here on it is worth a word why it takes so long.
const SLOW = 10;

// What a state means, for whoever does not know the words of the ledger.
const MEANS = {
  SCHEDULED: "waits for its turn",
  READING: "is read",
  COMPLETED: "read to its end, its rows are being written",
  COMMITTED: "loaded, on its way to the archive",
};

const why = (file) => {
  const press = el("button", { type: "button", class: "link", "aria-label": `Why ${shown(fileName(file.path))} waits` }, "Why?");
  press.addEventListener("click", () => openFile(file.file));
  return press;
};

function line(file) {
  return el("li", { class: "flight" },
    el("span", { class: "name" }, link(file)), el("span", { class: "muted what" }, el("span"), " ", why(file)),
    el("progress", { max: "1", "aria-label": `How much of ${shown(fileName(file.path))} is durable` }),
    el("span", { class: "n share" }));
}

function update(element, file) {
  const [, what, bar, share] = element.children;
  const since = file.started_at ?? file.discovered_at;
  setText(what.firstChild, `${shown(file.pipeline)} · ${MEANS[file.state] ?? file.state.toLowerCase()} · ${bytes(file.bytes)} · ${seconds(Math.floor(age(since)))}`);
  setHidden(what.lastChild, age(since) < SLOW);
  // Of a compressed file nobody knows how long its text is.
  setAttribute(bar, "value", file.share);
  setText(share, file.share === null ? `${bytes(file.durable_bytes)}` : `${Math.floor(file.share * 100)} %`);
}

export function showFlight(state) {
  const files = state.in_flight ?? [];
  const waiting = state.pipelines.reduce((sum, it) => sum + it.files.scheduled, 0);
  keyed(byId("flight-list"), files, (it) => it.file, line, update);
  setHidden(byId("no-flight"), files.length > 0);
  setText(byId("flight-more"), waiting === 0 ? "" : `${number(waiting)} more to come`);
}
