// The files of the ledger, newest first, page by page.

import { get } from "./api.js";
import { byId, cell, el, keyed, setHidden, setText } from "./dom.js";
import { openFile } from "./file.js";
import { bytes, clock, fileName, number, seconds, shown } from "./text.js";
import { seen } from "./times.js";

const PAGE = 25;
const STATES = ["SCHEDULED", "READING", "COMPLETED", "COMMITTED", "ARCHIVED", "SKIPPED", "QUARANTINED", "FAILED"];
// How long somebody types until it is looked.
const PAUSE = 250;
// How often it is looked again while files come.
const EVERY = 1500;

let files = [];
let next = null;
let pages = 1;
let asked = 0;
let stale = false;
let counts = null;

export const isWrong = (state) => state === "QUARANTINED" || state === "FAILED";

export function startFiles() {
  const form = byId("file-filters");
  form.elements.state.append(...STATES.map((state) => el("option", { value: state }, state.toLowerCase())));
  let typing;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(loadFiles, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    loadFiles();
  });
  byId("more-files").addEventListener("click", loadMore);
  setInterval(() => {
    // What somebody has gone back to stays as it is.
    if (stale && pages === 1 && !document.hidden) loadFiles();
  }, EVERY);
}

export function namePipelines(state) {
  const select = byId("file-filters").elements.pipeline;
  const names = ["", ...state.pipelines.map((it) => it.pipeline)];
  if (names.length === select.options.length) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => el("option", { value: name }, name === "" ? "all" : shown(name))));
  select.value = chosen;
}

// There are others than those that are shown, or they have gone on.
export function filesChanged() {
  stale = true;
}

// The same, where the figures of a state say so.
export function filesOf(state) {
  const now = JSON.stringify(state.pipelines.map((it) => [it.pipeline, it.files]));
  if (now !== counts) filesChanged();
  counts = now;
}

const wanted = () => Object.fromEntries([...new FormData(byId("file-filters"))].filter(([, value]) => value !== ""));

export async function loadFiles() {
  stale = false;
  pages = 1;
  await load((page) => page.files, null);
}

// Leads to these files.
export function lookFor({ state, pipeline }) {
  const { elements } = byId("file-filters");
  elements.name.value = "";
  elements.state.value = state;
  elements.pipeline.value = pipeline;
  loadFiles();
  byId("files").scrollIntoView();
  byId("files-title").focus({ preventScroll: true });
}

async function loadMore() {
  pages += 1;
  await load((page) => [...files, ...page.files], next);
}

async function load(join, cursor) {
  asked += 1;
  const mine = asked;
  const start = performance.now();
  const problem = byId("files-problem");
  try {
    const page = await get("/api/v1/files", { ...wanted(), limit: PAGE, cursor });
    // What was asked for later is what counts.
    if (mine !== asked) return;
    files = join(page);
    next = page.next;
    setHidden(problem, true);
  } catch (error) {
    if (mine !== asked) return;
    setText(problem, error.message);
    setHidden(problem, false);
  }
  show();
  seen("files", start);
}

function line(file) {
  const name = el("button", { type: "button", class: "link", title: shown(file.path) }, el("bdi", {}, shown(fileName(file.path))));
  name.addEventListener("click", () => openFile(file.file));
  const state = cell("State");
  state.append(el("span", { class: "state" }, el("span", { class: "dot" }), el("span")), el("span", { class: "why" }));
  return el("tr", {},
    el("th", { scope: "row" }, name, el("span", { class: "muted" }, ` ${shown(file.pipeline)}`)), state,
    cell("Found", true), cell("Committed after", true), cell("Size", true), cell("Records", true), cell("Dead letters", true));
}

// PURE: how a state is to be taken.
export function fileLevel(state) {
  if (isWrong(state)) return "bad";
  if (state === "COMMITTED" || state === "ARCHIVED") return "good";
  return state === "SKIPPED" ? "held" : "busy";
}

function update(element, file) {
  const [, state, found, took, size, records, letters] = element.children;
  state.firstChild.dataset.level = fileLevel(file.state);
  setText(state.firstChild.lastChild, file.state.toLowerCase());
  setText(state.lastChild, file.reason === null ? "" : shown(file.reason));
  setText(found, clock(file.discovered_at));
  const way = file.committed_at === null ? null : (Date.parse(file.committed_at) - Date.parse(file.discovered_at)) / 1000;
  setText(took, seconds(way));
  setText(size, bytes(file.bytes));
  setText(records, number(file.records));
  setText(letters, number(file.rejected));
}

function show() {
  keyed(byId("file-rows"), files, (it) => it.file, line, update);
  setHidden(byId("no-files"), files.length > 0 || next !== null);
  const more = byId("more-files");
  setHidden(more, next === null);
  // Looking for what is rare, a page may have none, and there are further ones all the same.
  setText(more, files.length === 0 ? "None among the newest; look further" : "Older ones");
}
