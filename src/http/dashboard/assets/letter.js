// The records of a group of dead letters, and what can be done with them.

import { ask, get, post } from "./api.js";
import { confirm, open, problemText, tell } from "./dialogs.js";
import { button, el } from "./dom.js";
import { clock, count, fileName, number, shown, words } from "./text.js";

const PAGE = 25;
// How long a replay is waited for.
const WAIT = 20;

const line = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];

export function openGroup(group, changed) {
  // The empty text stands for no column.
  const meant = { pipeline: group.pipeline, reason: group.reason, column: group.column ?? "" };
  const title = `${words(group.reason)}${group.column === null ? "" : `: ${shown(group.column)}`}`;
  openLetters(title, `Pipeline ${shown(group.pipeline)}`, meant, changed);
}

// Those of one file.
export function openLettersOf(file, reason, changed) {
  openLetters(words(reason), `File ${file.file}, ${shown(fileName(file.path))}`, { file: file.file, reason }, changed);
}

function openLetters(title, whose, meant, changed) {
  open(title, "drawer", (body) => {
    const list = el("ul", { class: "lines letters" });
    const more = button("More", () => load());
    const status = el("p", { class: "muted" });
    const again = () => {
      list.replaceChildren();
      next = null;
      load();
      changed();
    };
    let next = null;
    const load = async () => {
      more.hidden = true;
      try {
        const page = await get("/api/v1/dead-letters", { ...meant, limit: PAGE, cursor: next });
        list.append(...page.letters.map((letter) => entry(letter, again)));
        next = page.next;
        more.hidden = next === null;
        status.textContent = list.childElementCount === 0 ? "None of them is new any more." : "";
      } catch (error) {
        list.append(el("li", {}, problemText(error)));
      }
    };
    body.append(el("p", { class: "muted" }, `${whose}. Each record is kept as it stood in its file, until it is replayed or discarded.`),
      el("div", { class: "actions" }, replay("Replay all of these", meant, again), discard("Discard all of these", meant, again),
        download("csv", meant), download("ndjson", meant)),
      status, list, more);
    load();
  });
}

function entry(letter, changed) {
  const place = el("div", { class: "letter" });
  const details = el("details", {},
    el("summary", {}, el("span", { class: "name" }, el("bdi", {}, shown(fileName(letter.path))), ` line ${number(letter.line)}`),
      el("span", { class: "message" }, shown(letter.message))), place);
  details.addEventListener("toggle", () => {
    if (details.open && place.childElementCount === 0) showLetter(place, letter, changed);
  });
  return el("li", {}, details);
}

async function showLetter(place, { file, record }, changed) {
  try {
    const letter = await get(`/api/v1/dead-letters/${file}/${record}`);
    const meant = { file, record };
    const wanted = expected(letter.expected);
    place.replaceChildren(
      el("pre", { class: "record", tabindex: "0", "aria-label": "The record, with the place at fault marked" }, ...marked(letter.record_shown)),
      letter.raw_is_whole ? "" : el("p", { class: "muted" }, `Only its beginning was kept, of ${number(letter.length)} bytes.`),
      el("dl", { class: "facts" },
        ...line("What is wrong", shown(letter.message), letter.sqlstate ? el("span", { class: "muted" }, ` ${letter.sqlstate} ${letter.sqlstate_name ?? ""}`) : ""),
        ...(wanted.length === 0 ? [] : line("Wanted", ...wanted.map((text) => el("div", {}, shown(text))))),
        ...line("Stands at", `record ${number(letter.record)}, line ${number(letter.line)}, byte ${number(letter.byte_offset)} of `, el("bdi", {}, shown(letter.path))),
        ...line("Found", clock(letter.created_at), letter.attempts > 1 ? `, tried ${count(letter.attempts, "time")}` : "")),
      letter.fields === null ? "" : fields(letter),
      letter.status === "NEW" ? el("div", { class: "actions" }, replay("Replay", meant, changed), discard("Discard", meant, changed)) : el("p", {}, letter.status.toLowerCase()));
  } catch (error) {
    place.replaceChildren(problemText(error));
  }
}

// The record in pieces: those at fault are marked.
function marked(pieces) {
  const lines = (text) => text.split("\n").map(shown).join("\n");
  return pieces.map(({ text, bad }) => (bad ? el("mark", {}, text === "" ? "\u2423" : lines(text)) : lines(text)));
}

function fields(letter) {
  const rows = letter.fields.map(({ name, text, bad }) => el("tr", { class: bad ? "bad" : null },
    el("th", { scope: "row" }, shown(name)), el("td", {}, text === "" ? el("span", { class: "muted" }, "empty") : el("bdi", {}, shown(text))),
    el("td", {}, bad ? "at fault" : "")));
  return el("details", {}, el("summary", {}, "Its fields"), el("table", { class: "fields" }, el("tbody", {}, ...rows)));
}

// PURE: what would have been right.
function expected({ sql_type: type, example, not_null: filled, labels, rules, constraints }) {
  const wanted = [];
  if (type) wanted.push(`${type}${filled ? ", not NULL" : ""}${example ? `, such as ${example}` : ""}`);
  if (labels.length > 0) wanted.push(`one of ${labels.join(", ")}`);
  return [...wanted, ...rules, ...constraints];
}

const whole = (meant) => (meant.record === undefined ? "all of these" : "this record");

function replay(text, meant, changed) {
  return button(text, async () => {
    let outcome = null;
    const done = await confirm({
      title: `Replay ${whole(meant)}?`,
      text: ["Their rows are loaded by the configuration and the table as they are now, each exactly once. What fails again stays, with its new reason."],
      verb: "Replay",
      fields: [["overwrite", "Replace rows whose keys are in the table already", "checkbox", false]],
    }, async ({ overwrite }) => {
      outcome = await post(`/api/v1/dead-letters/replay?wait=${WAIT}`, { meant, overwrite });
    });
    if (!done) return;
    tell("Replayed", ...outcome.map((it) => el("p", {}, told(it))));
    changed();
  }, { class: "main" });
}

// PURE: what came of a replay.
function told(replay) {
  const name = `${shown(replay.pipeline)}: `;
  if (replay.state === "WAITING") return name + shown(replay.problem ?? "no service that has this pipeline has taken it up yet");
  if (replay.state === "RUNNING") return `${name}it goes on; replay ${replay.replay} in ingestd.replays says how far it is`;
  if (replay.state === "FAILED") return `${name}it could not go on: ${shown(replay.problem ?? "")}`;
  if (replay.problem !== null) return name + shown(replay.problem);
  const stay = [
    [replay.failed, "failed again"],
    [replay.there, "have a key that is in the table already"],
    [replay.deletions, "delete a row"],
    [replay.not_ready, "are of files that are not committed"],
  ].filter(([figure]) => figure > 0).map(([figure, what]) => `${number(figure)} ${what}`);
  const rest = stay.length === 0 ? "" : `; still new: ${stay.join(", ")}`;
  return `${name}${number(replay.resolved)} resolved${rest}`;
}

function discard(text, meant, changed) {
  return button(text, async () => {
    const done = await confirm({
      title: `Discard ${whole(meant)}?`,
      text: ["Nobody will load them. They stay in the ledger, with who has discarded them, when, and why."],
      verb: "Discard",
      danger: true,
      fields: [["because", "Why", "text", true]],
    }, ({ because }) => post("/api/v1/dead-letters/discard", { meant, because }));
    if (done) changed();
  }, { class: "danger" });
}

function download(format, meant) {
  const press = button(`Export ${format === "csv" ? "CSV" : "NDJSON"}`, async () => {
    press.disabled = true;
    try {
      const response = await ask(`/api/v1/dead-letters/export.${format}?${new URLSearchParams(meant)}`);
      const url = URL.createObjectURL(await response.blob());
      el("a", { href: url, download: `dead-letters.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } catch (error) {
      tell("That did not go", problemText(error));
    } finally {
      press.disabled = false;
    }
  }, { class: "plain" });
  return press;
}
