// The pipelines, and what they can be told.

import { part, post } from "./api.js";
import { confirm, problemText, tell } from "./dialogs.js";
import { button, byId, cell, el, keyed, setAttribute, setHidden, setText } from "./dom.js";
import { openFile } from "./file.js";
import { lookFor } from "./files.js";
import { inTrouble, isLate, isRun, matters } from "./findings.js";
import { oldestOf } from "./status.js";
import { ago, bytes, clock, count, number, rate, seconds, shown } from "./text.js";

const WAIT = 5;
// From so many on they can be sifted.
const MANY = 12;

const command = (name, what) => post(`/api/v1/pipelines/${part(name)}/${what}?wait=${WAIT}`);

// What can be told at once; what goes wrong is said.
async function tellNow(press, action) {
  press.disabled = true;
  try {
    await action();
  } catch (error) {
    tell("That did not go", problemText(error));
  } finally {
    press.disabled = false;
  }
}

function pause(name) {
  return confirm({
    title: `Pause ${shown(name)}?`,
    text: ["What is in flight is committed first. Files that arrive wait until it is resumed; this holds for every service that runs it, and survives restarts."],
    verb: "Pause",
  }, () => command(name, "pause"));
}

function pauseAll() {
  return confirm({
    title: "Pause all pipelines?",
    text: ["Files that arrive wait until they are resumed, whichever service loads them."],
    verb: "Pause all",
  }, () => post(`/api/v1/pipelines/pause?wait=${WAIT}`));
}

function row({ pipeline: name }) {
  const hold = button("Pause", () => {
    if (hold.dataset.does === "pause") pause(name);
    else tellNow(hold, () => command(name, "resume"));
  });
  const look = button("Rescan", () => tellNow(look, () => command(name, "rescan")), {
    class: "plain", title: "Look through its directory now",
  });
  const label = el("span", { class: "state" }, el("span", { class: "dot" }), el("span"));
  const line = el("tr", {},
    el("th", { scope: "row" }, el("bdi", {}, shown(name))),
    cell("State"), cell("Newest commit", true), cell("Rows/s", true), cell("Waiting", true), cell("Lag", true),
    cell("Loaded", true), cell("In trouble", true), cell("Dead letters", true),
    el("td", { class: "actions" }, hold, look));
  const lead = button("Why?", () => openFile(lead.dataset.file), { class: "link", "aria-label": `Why files of ${shown(name)} wait` });
  line.children[1].append(label, el("span", { class: "why" }), lead);
  const trouble = button("", () => lookFor({ pipeline: name, state: trouble.dataset.state }), { class: "link" });
  line.children[7].append(trouble, el("span"));
  return line;
}

// PURE: how a state is to be taken.
function level(pipeline) {
  if (pipeline.degraded !== null || pipeline.state === "degraded") return "bad";
  if (pipeline.state === "running") return "good";
  return pipeline.state === "starting" ? "busy" : "held";
}

// PURE: what there is to say about a state.
function why(pipeline) {
  if (pipeline.degraded !== null) return shown(pipeline.degraded);
  if (pipeline.wanted !== "running" && pipeline.wanted_by !== null) {
    return `by ${shown(pipeline.wanted_by)}, ${clock(pipeline.wanted_at)}`;
  }
  if (pipeline.missing_indexes.length > 0) return `${count(pipeline.missing_indexes.length, "index", "indexes")} still to be built`;
  return "";
}

function update(line, pipeline, file) {
  const [, state, fresh, speed, waiting, lag, loaded, trouble, letters, actions] = line.children;
  setAttribute(state.firstChild, "data-level", level(pipeline));
  setText(state.firstChild.lastChild, pipeline.state);
  setText(state.children[1], why(pipeline));
  const lead = state.lastChild;
  const isStuck = file !== null && (pipeline.degraded !== null || isLate(pipeline));
  setHidden(lead, !isStuck);
  if (isStuck) lead.dataset.file = file.file;
  setText(fresh, ago(pipeline.freshness_seconds));
  setAttribute(fresh, "title", pipeline.last_commit_at);
  setText(speed, pipeline.rates === null ? "–" : rate(pipeline.rates.rows_per_second));
  setText(waiting, pipeline.backlog.files === 0 ? "0" : `${number(pipeline.backlog.files)} · ${bytes(pipeline.backlog.bytes)}`);
  setText(lag, seconds(pipeline.lag_seconds));
  lag.classList.toggle("bad", isLate(pipeline));
  const files = pipeline.files;
  setText(loaded, number(files.committed + files.archived));
  const wrong = inTrouble(pipeline);
  const [link, none] = trouble.children;
  setText(link, wrong > 0 ? number(wrong) : "");
  setText(none, wrong > 0 ? "" : "0");
  setHidden(link, wrong === 0);
  setAttribute(link, "aria-label", `${count(wrong, "file")} of ${shown(pipeline.pipeline)} in trouble`);
  link.dataset.state = files.quarantined > 0 ? "QUARANTINED" : "FAILED";
  trouble.classList.toggle("bad", wrong > 0);
  setText(letters, number(pipeline.dead_letters));
  const does = pipeline.wanted === "running" ? "pause" : "resume";
  const [hold, look] = actions.children;
  hold.dataset.does = does;
  setText(hold, does === "pause" ? "Pause" : "Resume");
  setAttribute(hold, "aria-label", `${hold.textContent} ${shown(pipeline.pipeline)}`);
  setAttribute(look, "aria-label", `Rescan ${shown(pipeline.pipeline)}`);
  line.classList.toggle("past", !matters(pipeline));
  // Nobody would do what it is told.
  for (const press of [hold, look]) setHidden(press, !isRun(pipeline));
}

export function showPipelines(state) {
  const ours = state.pipelines.filter(matters);
  const others = state.pipelines.filter((it) => !matters(it));
  const all = [...ours, ...others];
  const seen = all.filter(isWanted);
  keyed(byId("pipeline-rows"), seen, (it) => it.pipeline, row, (line, it) => update(line, it, oldestOf(state, it.pipeline)));
  setHidden(byId("no-pipelines"), all.length > 0);
  setHidden(byId("no-such-pipelines"), all.length === 0 || seen.length > 0);
  setHidden(byId("pipeline-filters"), all.length < MANY);
  setText(byId("pipelines-sum"), all.length < MANY ? "" : seen.length === all.length ? number(all.length) : `${number(seen.length)} of ${number(all.length)}`);
  const box = byId("for-all");
  if (box.childElementCount === 0) {
    const resume = button("Resume all", () => tellNow(resume, () => post(`/api/v1/pipelines/resume?wait=${WAIT}`)));
    box.append(button("Pause all", pauseAll), resume, button("Reload configuration", reload, { class: "plain" }));
  }
  const [halt, go] = box.children;
  setHidden(halt, !ours.some((it) => it.wanted === "running") || ours.length < 2);
  setHidden(go, ours.filter((it) => it.wanted !== "running").length < 2);
}

// Whether a pipeline is among those that are sifted for.
function isWanted(pipeline) {
  const { name, which } = byId("pipeline-filters").elements;
  const text = name.value.trim().toLowerCase();
  if (text !== "" && !pipeline.pipeline.toLowerCase().includes(text)) return false;
  if (which.value === "wrong") return level(pipeline) === "bad" || inTrouble(pipeline) > 0 || isLate(pipeline) || (!isRun(pipeline) && matters(pipeline));
  if (which.value === "held") return pipeline.wanted !== "running";
  return which.value === "" || pipeline.backlog.files > 0;
}

export function startPipelines(again) {
  const form = byId("pipeline-filters");
  form.addEventListener("input", again);
  form.addEventListener("submit", (event) => event.preventDefault());
}

// Has this service read its configuration again, and says what came of it.
async function reload() {
  try {
    const { done, outcome } = await post("/api/v1/service/reload?wait=10");
    if (!done) tell("The configuration is being read", el("p", {}, "It goes on; the log says how it ends."));
    else if (!outcome.reloaded) tell("The configuration stays as it was", ...outcome.problems.map((it) => el("p", { class: "problem" }, shown(it))));
    else tell("The configuration was read again", ...changes(outcome).map((it) => el("p", {}, it)));
  } catch (error) {
    tell("That did not go", problemText(error));
  }
}

// PURE: what a reload has changed.
function changes({ added, removed, changed, needs_restart: later }) {
  const found = [["New", added], ["Ended", removed], ["Started anew", changed], ["Counts from the next start on", later]];
  const lines = found.filter(([, names]) => names.length > 0).map(([what, names]) => `${what}: ${names.map(shown).join(", ")}`);
  return lines.length === 0 ? ["Nothing is different."] : lines;
}
