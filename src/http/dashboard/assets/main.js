// The page: what is known, how it becomes known, and who shows it.

import { loadAlerts, showAlerts } from "./alerts.js";
import { drawCharts, placeCharts, showTable, startCharts } from "./charts.js";
import { byId } from "./dom.js";
import { addEvent, loadEvents, showEvents } from "./events.js";
import { filesChanged, filesOf, loadFiles, namePipelines, startFiles } from "./files.js";
import { showFlight } from "./flight.js";
import { History } from "./history.js";
import { lettersLoaded, lettersOf } from "./letters.js";
import { showPipelines, startPipelines } from "./pipelines.js";
import { showLink, showStatus } from "./status.js";
import { listen } from "./stream.js";
import { noteClock, skew } from "./text.js";
import { seen } from "./times.js";
import { loadTree, showTree } from "./tree.js";

const history = new History();

// The service sends its state each second, and every ten where the database is slow to answer.
const SILENCE = 8;
// For how long the sections wait for each other, in milliseconds.
const LATE = 1500;

const known = {
  // The state as it was heard last, and when that was.
  state: null,
  heardAt: 0,
  // Why there is none newer.
  problem: null,
  // Whether the stream is there: null until it has been.
  live: null,
  tree: null,
  alerts: [],
};

let first = true;
// Whether something may have happened since that was not told.
let missed = false;

function heard(name, data) {
  // Of a page that nobody looks at there is a glance now and then.
  known.live = name === "rest" || name === "glance" ? null : true;
  if (name === "event") {
    addEvent(data);
    if (data.file !== null) filesChanged();
    return;
  }
  if (name === "problem") {
    known.problem = data;
    missed = true;
    show();
    return;
  }
  if (name === "rest") missed = true;
  if (name !== "state" && name !== "glance") return;
  const start = performance.now();
  noteClock(data.at);
  known.heardAt = Date.now();
  known.problem = null;
  known.state = data;
  history.add(Date.parse(data.at), known.state);
  show();
  seen("state", start);
  if (first) begin();
  else if (missed && name === "state") comeBack();
  missed = name === "glance";
}

// The line, and whether it is live.
function showStanding() {
  const age = known.heardAt === 0 ? 0 : (Date.now() - known.heardAt) / 1000;
  // While the database is away, nothing more is said than that.
  const silent = age > SILENCE && known.live === true && known.problem === null ? age : 0;
  const all = { ...known, silent, skew: skew() };
  showStatus(all);
  showLink(all);
}

function show() {
  showStanding();
  if (known.state === null || document.hidden) return;
  showPipelines(known.state);
  showFlight(known.state);
  showTree(known.state, known.tree);
  showAlerts(known.alerts);
  namePipelines(known.state);
  lettersOf(known.state);
  filesOf(known.state);
  drawCharts(history);
}

// What is asked once the first picture stands.
function begin() {
  first = false;
  const charts = new Promise((go) => requestAnimationFrame(() => setTimeout(() => go(startCharts(history)))));
  const lists = Promise.allSettled([loadEvents(), loadFiles(), lettersLoaded(), lookOnce()]);
  // All sections come together, so that none moves another about; but for a list that takes long nobody
  // waits.
  const late = new Promise((go) => setTimeout(go, LATE));
  Promise.race([lists, late]).then(() => document.body.classList.add("stands"));
  Promise.allSettled([lists, charts]).then(() => seen("whole", 0));
  look();
}

function comeBack() {
  loadEvents().catch(() => {});
  loadFiles();
  lookOnce();
}

// What the stream does not have. What can't be had stays as it was.
async function lookOnce() {
  const [tree, alerts] = await Promise.all([loadTree().catch(() => null), loadAlerts().catch(() => null)]);
  if (tree !== null) {
    known.tree = tree;
    history.took(tree.pipelines);
  }
  if (alerts !== null) known.alerts = alerts;
  show();
}

async function look() {
  for (;;) {
    await new Promise((go) => setTimeout(go, 2000));
    if (!document.hidden && known.live) await lookOnce();
  }
}

byId("zone").textContent = `, ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
placeCharts();
startFiles();
startPipelines(() => {
  if (known.state !== null) showPipelines(known.state);
});
byId("course").querySelector("details").addEventListener("toggle", () => showTable(history));
document.addEventListener("visibilitychange", show);
setInterval(() => {
  showStanding();
  if (!document.hidden) showEvents();
}, 1000);
listen(heard, () => {
  known.live = false;
  missed = true;
  show();
});
