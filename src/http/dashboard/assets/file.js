// One file: its stages, its counters, what holds it up.

import { get, post } from "./api.js";
import { confirm, open, problemText } from "./dialogs.js";
import { button, el } from "./dom.js";
import { openLettersOf } from "./letter.js";
import { bytes, clock, fileName, number, seconds, shown, words } from "./text.js";

const COUNTERS = ["inserted", "updated", "unchanged", "duplicate", "deleted", "filtered", "rejected"];
const OVER = ["COMMITTED", "ARCHIVED"];
// In these nothing changes by itself.
const STILL = [...OVER, "SKIPPED", "QUARANTINED", "FAILED"];
// How often a file that goes on is asked about again.
const EVERY = 2000;

const line = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];

export function openFile(id) {
  const dialog = open(`File ${id}`, "drawer", (body) => body.append(el("p", { class: "muted" }, "Asking the service")));
  fill(dialog, id);
}

// Fills the dialog, and again as long as the file goes on.
async function fill(dialog, id) {
  const body = dialog.querySelector(".body");
  let file = null;
  try {
    file = await get(`/api/v1/files/${id}`);
    const because = OVER.includes(file.state) ? null : await why(id);
    const text = JSON.stringify([file, because]);
    if (text !== dialog.dataset.seen) {
      dialog.dataset.seen = text;
      const focused = body.contains(document.activeElement) ? document.activeElement.textContent : null;
      body.replaceChildren(...content(dialog, file, because));
      // What has the focus keeps it, though it is another button now.
      if (focused !== null) [...body.querySelectorAll("button")].find((it) => it.textContent === focused)?.focus();
    }
  } catch (error) {
    // What was known stands there still.
    if (dialog.dataset.seen === undefined) body.replaceChildren(problemText(error));
  }
  if (file !== null && STILL.includes(file.state)) return;
  clearTimeout(dialog.again);
  dialog.again = setTimeout(() => {
    if (dialog.isConnected) fill(dialog, id);
  }, EVERY);
}

// Why it is not loaded; null where nobody knows.
const why = (id) => get(`/api/v1/files/${id}/why`).catch(() => null);

function content(dialog, file, because) {
  const { share, bytes: durable } = file.progress;
  const facts = el("dl", { class: "facts" },
    // What `why` says has the reason in it.
    ...line("State", file.state.toLowerCase(), file.reason === null || because !== null ? "" : `: ${shown(file.reason)}`),
    ...line("Pipeline", el("bdi", {}, shown(file.pipeline))),
    ...line("Found at", el("bdi", {}, shown(file.path))),
    ...(file.archive_path === null ? [] : line("Stands at", el("bdi", {}, shown(file.archive_path)))),
    ...line("Durable", el("progress", { max: "1", value: share, "aria-label": "How much is durable" }),
      ` ${bytes(durable)} of ${bytes(file.bytes)}, up to record ${number(file.watermark.record)}`),
    ...(file.content_hash === null ? [] : line("Hash", el("code", {}, file.content_hash))),
    ...(file.duplicate_of === null ? [] : line("Equals", another(dialog, file.duplicate_of))),
    ...(file.parent === null ? [] : line("Tail of", another(dialog, file.parent))));
  const parts = [el("p", { class: "big" }, el("bdi", {}, shown(fileName(file.path)))), facts, explanation(dialog, file, because),
    el("h3", {}, "Stages"), stages(file), el("h3", {}, "Records"), counters(file)];
  const letters = Object.entries(file.dead_letters ?? {});
  if (letters.length > 0) {
    const again = () => fill(dialog, file.file);
    const rows = letters.flatMap(([reason, count]) => line(words(reason), number(count), " ",
      button("Show", () => openLettersOf(file, reason, again), { class: "link", "aria-label": `Show those of ${words(reason)}` })));
    parts.push(el("h3", {}, "Dead letters"), el("dl", { class: "facts" }, ...rows));
  }
  if (OVER.includes(file.state)) parts.push(el("h3", {}, "Should it not have been loaded?"), takeBack(file));
  return parts;
}

function another(dialog, id) {
  return button(`file ${id}`, () => {
    dialog.close();
    openFile(id);
  }, { class: "link" });
}

function stages(file) {
  // To its quarantine it goes without the stages between.
  const reached = isOut(file) ? file.stages.filter((stage) => stage.at !== null) : file.stages;
  const rows = reached.map(({ stage, at, seconds: after }) => el("tr", {},
    el("th", { scope: "row" }, isOut(file) && stage === "archived" ? "moved" : stage),
    el("td", { class: "n", title: at }, at === null ? "–" : clock(at)),
    el("td", { class: "n muted" }, after === null || at === null || stage === "discovered" ? "" : `after ${seconds(after)}`)));
  return el("table", {}, el("tbody", {}, ...rows));
}

function counters(file) {
  const rows = [["read", file.records], ...COUNTERS.map((name) => [name, file[name]])].filter(([name, count]) => count > 0 || name === "read");
  return el("dl", { class: "facts" }, ...rows.flatMap(([name, count]) => line(name, number(count))));
}

function retry(dialog, file) {
  return button("Retry", async () => {
    const done = await confirm({
      title: "Retry this file?",
      text: ["It goes on from its checkpoints, or is read afresh where nothing of it was loaded. What quarantined it should be mended first."],
      verb: "Retry",
    }, () => post(`/api/v1/files/${file.file}/retry`));
    if (done) fill(dialog, file.file);
  }, { class: "main" });
}

const isOut = (file) => file.state === "QUARANTINED" || file.state === "FAILED";

// What holds it up, what to do about it, and the button for that.
function explanation(dialog, file, found) {
  const place = el("div", { class: "because" });
  if (found !== null) {
    const { because, advice, estimate_seconds: estimate } = found;
    const still = estimate === null || estimate === undefined ? "" : ` About ${seconds(estimate)} still.`;
    place.append(el("p", {}, el("b", {}, "Why: "), shown(because), still));
    if (advice) place.append(el("p", {}, el("b", {}, "What to do: "), ...marked(advice)));
  }
  if (file.state === "QUARANTINED") place.append(el("div", { class: "actions" }, retry(dialog, file)));
  return place;
}

// A text in which commands stand between backquotes.
const marked = (text) => text.split("`").map((part, index) => (index % 2 === 1 ? el("code", {}, shown(part)) : shown(part)));

// Rows are not taken back by a click: what would be lost is to be read first.
const takeBack = (file) => el("p", { class: "muted" }, "On the command line ", el("code", {}, `ingestd undo ${file.file} --dry-run`),
  " says what taking its rows back would do, and ", el("code", {}, `ingestd audit ${file.file}`), " what became of each of its records.");
