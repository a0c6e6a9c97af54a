// Dead letters, grouped by what is wrong; each group leads to its records.

import { get } from "./api.js";
import { byId, cell, el, keyed, setHidden, setText } from "./dom.js";
import { openGroup } from "./letter.js";
import { ago, age, number, shown, words } from "./text.js";

const EVERY = 3000;

let groups = [];
let counted = null;
let looked = 0;
let loading = Promise.resolve();

// Looks again where the number of letters has changed.
export function lettersOf(state) {
  const now = state.pipelines.map((it) => `${it.pipeline} ${it.dead_letters}`).join("\n");
  if (now === counted || Date.now() - looked < EVERY) return;
  counted = now;
  loading = loadLetters();
}

// Once they are there, or could not be had.
export const lettersLoaded = () => loading;

export async function loadLetters() {
  looked = Date.now();
  try {
    groups = await get("/api/v1/dead-letters/groups");
  } catch {
    // It is asked again with the next state.
    counted = null;
    return;
  }
  show();
}

const keyOf = (group) => `${group.pipeline}\n${group.reason}\n${group.column ?? ""}`;

function line(group) {
  const press = el("button", { type: "button", class: "link" }, words(group.reason));
  press.addEventListener("click", () => openGroup(group, loadLetters));
  return el("tr", {}, el("th", { scope: "row" }, press), cell("Column"), cell("Pipeline"), cell("New", true), cell("Settled", true), cell("Newest"), el("td", { class: "sample", "data-label": "Such as" }));
}

function update(element, group) {
  const [, column, pipeline, fresh, settled, newest, sample] = element.children;
  setText(column, group.column === null ? "–" : shown(group.column));
  setText(pipeline, shown(group.pipeline));
  setText(fresh, number(group.new));
  setText(settled, number(group.resolved + group.discarded));
  setText(newest, ago(age(group.newest)));
  setText(sample, shown(group.sample));
  element.classList.toggle("past", group.new === 0);
}

function show() {
  keyed(byId("letter-groups"), groups, keyOf, line, update);
  const fresh = groups.reduce((sum, it) => sum + it.new, 0);
  setText(byId("letters-sum"), groups.length === 0 ? "" : `${number(fresh)} new`);
  setHidden(byId("no-letters"), groups.length > 0);
  setHidden(byId("letter-groups").parentElement, groups.length === 0);
}
