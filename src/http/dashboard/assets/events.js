// What has happened, newest first.

import { get } from "./api.js";
import { byId, el, keyed, setHidden, setText } from "./dom.js";
import { openFile } from "./file.js";
import { age, ago, clock, fileName, shown } from "./text.js";

const MOST = 60;
// Still on its way: neither well nor wrong.
const UNDER_WAY = new Set(["file.scheduled", "file.reading", "file.completed"]);
const HELD = new Set(["pipeline.paused", "pipeline.drained", "file.skipped"]);
const WRONG = new Set(["file.quarantined", "file.failed", "alert.fired", "pipeline.degraded", "child.restarted", "lease.lost"]);

let events = [];

export async function loadEvents() {
  const page = await get("/api/v1/events", { limit: MOST });
  // A file stands once, with what it has come to.
  const newest = new Map();
  for (const event of [...events, ...page.events]) {
    const key = event.file ?? event.id;
    if (!(newest.get(key)?.at > event.at)) newest.set(key, event);
  }
  events = [...newest.values()];
  showEvents();
}

export function addEvent(event) {
  events = events.filter((it) => it.id !== event.id && (event.file === null || it.file !== event.file));
  events.push(event);
  showEvents();
}

// PURE: the order of events: by time, and by what they are known by.
const order = (a, b) => (a.at === b.at ? 0 : a.at < b.at ? 1 : -1);

function subject(event) {
  if (event.file === null) return el("bdi", {}, shown(event.subject ?? event.pipeline ?? ""));
  const name = shown(fileName(event.subject ?? ""));
  const press = el("button", { type: "button", class: "link", title: shown(event.subject ?? "") }, el("bdi", {}, name));
  press.addEventListener("click", () => openFile(event.file));
  return press;
}

// PURE: how an event is to be taken.
function level(kind) {
  if (WRONG.has(kind)) return "bad";
  if (UNDER_WAY.has(kind)) return "busy";
  return HELD.has(kind) ? "held" : "good";
}

function line(event) {
  const [what, kind] = event.kind.split(".");
  const where = event.pipeline === null || event.pipeline === (event.subject ?? event.pipeline) ? "" : shown(event.pipeline);
  return el("li", { "data-level": level(event.kind) },
    el("time", { datetime: event.at, title: event.at }), el("span", { class: "dot" }),
    el("span", { class: "kind" }, what === "file" ? kind : `${what} ${kind}`),
    el("span", { class: "name" }, subject(event), where === "" ? "" : el("span", { class: "muted" }, ` ${where}`)),
    event.message === null ? "" : el("span", { class: "message" }, shown(event.message)));
}

export function showEvents() {
  events.sort(order);
  events = events.slice(0, MOST);
  keyed(byId("event-list"), events, (it) => it.id, line, (element, event) => {
    const since = age(event.at);
    setText(element.firstChild, since < 60 ? ago(since) : clock(event.at));
  });
  setHidden(byId("no-events"), events.length > 0);
}
