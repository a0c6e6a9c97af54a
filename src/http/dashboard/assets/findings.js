// PURE: how it stands, in words: what is wrong, what goes on, and what is as somebody wanted it.

import { ago, bytes, clock, count, seconds, shown } from "./text.js";

// From here on a file that waits is worth a word.
export const LONG = 300;
// So many are named; more are counted.
const NAMED = 3;

export const inTrouble = (pipeline) => pipeline.files.quarantined + pipeline.files.failed;
export const isHeld = (pipeline) => pipeline.wanted !== "running";
export const isLate = (pipeline) => pipeline.lag_seconds >= LONG && !isHeld(pipeline);
// Whether any service does what this pipeline is told.
export const isRun = (pipeline) => !pipeline.state.startsWith("stopped");
// Whether a pipeline is anybody's concern: one that no service runs, that nothing waits for and of which
// nothing is in trouble, is history.
export const matters = (pipeline) => isRun(pipeline) || pipeline.backlog.files > 0 || inTrouble(pipeline) > 0;

export const total = (pipelines, of) => pipelines.reduce((sum, pipeline) => sum + of(pipeline), 0);
const several = (pipelines) => (pipelines.length > NAMED ? `${pipelines.length} pipelines` : pipelines.map((it) => shown(it.pipeline)).join(", "));

// Pipelines of which the same is to be said, in the order in which they stand.
function alike(pipelines, what) {
  const groups = new Map();
  for (const pipeline of pipelines) {
    const key = what(pipeline);
    groups.set(key, [...(groups.get(key) ?? []), pipeline]);
  }
  return [...groups];
}

// Each finding has an `id` that stays, a level, a text, and what leads on: `why` a pipeline can't go on,
// or the `files` that are meant.
export function findings(pipelines, alerts) {
  return [...wrong(pipelines, alerts), ...goingOn(pipelines)];
}

function wrong(pipelines, alerts) {
  const found = [];
  const told = new Set();
  const say = (id, about, text, more = {}) => {
    about.forEach((pipeline) => told.add(pipeline.pipeline));
    found.push({ id, level: "bad", text, ...more });
  };
  for (const [reason, group] of alike(pipelines.filter((it) => it.degraded !== null), (it) => it.degraded)) {
    const times = group.map((it) => it.degraded_at).filter((it) => it !== null).sort();
    const since = times.length === 0 ? "" : ` since ${clock(times[0])}`;
    say(`degraded ${group[0].pipeline}`, group, `${several(group)} can't go on${since}: ${shown(reason)}`, { why: group[0].pipeline });
  }
  const idle = pipelines.filter((it) => !isRun(it) && it.backlog.files > 0);
  if (idle.length > 0) say("idle", idle, `no service runs ${several(idle)}, and files wait`);
  const trouble = pipelines.filter((it) => inTrouble(it) > 0);
  if (trouble.length > 0) {
    const state = trouble.some((it) => it.files.quarantined > 0) ? "QUARANTINED" : "FAILED";
    const files = { state, pipeline: trouble.length === 1 ? trouble[0].pipeline : "" };
    say("trouble", trouble, `${count(total(trouble, inTrouble), "file")} in trouble: ${several(trouble)}`, { files });
  }
  // One that can't go on is late for that reason.
  const late = pipelines.filter((it) => isLate(it) && it.degraded === null);
  if (late.length > 0) {
    const worst = Math.max(...late.map((it) => it.lag_seconds));
    say("late", late, `${several(late)} behind: the oldest file waits for ${seconds(worst)}`, { why: late[0].pipeline });
  }
  // What an alert is about that was said already is not wrong twice; all of them stand below.
  for (const alert of alerts.filter((it) => !told.has(it.pipeline))) say(`alert ${alert.id}`, [], shown(alert.text));
  return found;
}

function goingOn(pipelines) {
  const found = [];
  const loading = pipelines.filter((it) => it.backlog.files > 0 && isRun(it) && !isHeld(it) && !isLate(it) && it.degraded === null);
  if (loading.length > 0) {
    const files = total(loading, (it) => it.backlog.files);
    const text = `loading ${several(loading)}: ${count(files, "file")} to go, ${bytes(total(loading, (it) => it.backlog.bytes))}`;
    found.push({ id: "loading", level: "busy", text });
  }
  for (const [wanted, group] of alike(pipelines.filter(isHeld), (it) => it.wanted)) {
    if (group.length <= NAMED) found.push(...group.map((it) => held([it], wanted)));
    else found.push(held(group, wanted));
  }
  return found;
}

function held(group, wanted) {
  const [{ pipeline, wanted_by: who, wanted_at: when }] = group;
  const by = group.length > 1 || who === null ? "" : ` by ${shown(who)}`;
  const at = group.length > 1 || when === null ? "" : ` since ${clock(when)}`;
  const files = total(group, (it) => it.backlog.files);
  const waiting = files === 0 ? "" : `; ${count(files, "file")} ${files === 1 ? "waits" : "wait"}`;
  const is = group.length > 1 ? "are" : "is";
  return { id: `held ${wanted} ${group.length > 1 ? "" : pipeline}`, level: "held", text: `${several(group)} ${is} ${wanted}${by}${at}${waiting}` };
}

// The line, and what stands below it. `silent`: for how many seconds nothing was heard where something
// should have been; `skew`: by how many seconds this browser's clock differs from the service's.
export function words({ state, problem, live, alerts, silent, skew }) {
  const note = skew === null || Math.abs(skew) < 30 ? [] : [{
    id: "skew", level: "held",
    text: `this browser's clock is ${seconds(Math.abs(skew))} ${skew > 0 ? "behind" : "ahead of"} the service's; the page counts by the service's`,
  }];
  const say = (level, line, details = [], lead = null) => ({ level, line, lead, details: [...details, ...note] });
  if (state === null) {
    if (problem !== null) return say("bad", `The database can't be reached: ${shown(problem.detail)}`);
    return live === false ? say("bad", "The service does not answer") : say("idle", "Asking the service");
  }
  const stood = { id: "stood", level: "held", text: `what is shown below is of ${clock(state.at)}` };
  if (live === false) return say("bad", `Cut off from the service: this is how it stood at ${clock(state.at)}`);
  if (silent > 0) return say("bad", `The service says nothing any more: this is how it stood at ${clock(state.at)}`);
  if (problem !== null) return say("bad", `The database can't be reached: ${shown(problem.detail)}`, [stood]);
  const pipelines = state.pipelines.filter(matters);
  if (pipelines.length === 0) return say("idle", "No pipeline runs");
  const found = findings(pipelines, alerts);
  const bad = found.filter((it) => it.level === "bad").length;
  if (bad > 1) return say("bad", `${bad} things are wrong`, found);
  if (found.length > 0) return say(found[0].level, capital(found[0].text), found.slice(1), found[0]);
  const commits = pipelines.map((it) => it.freshness_seconds).filter((it) => it !== null);
  const newest = commits.length === 0 ? "" : `, newest commit ${coarse(Math.min(...commits))}`;
  return say("good", commits.length === 0 ? "Nothing has arrived yet" : `All files loaded${newest}`);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// Rounded, so that what is read aloud does not change each second.
function coarse(value) {
  if (value < 60) return "less than a minute ago";
  return ago(value);
}
