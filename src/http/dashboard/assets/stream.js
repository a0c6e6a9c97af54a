// The stream of the service: server-sent events, read by fetch, since an EventSource can send no token.

import { ask } from "./api.js";

// The service says something at least every ten seconds.
const SILENCE = 25_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5_000;

// Reads for ever. `heard(name, data)` gets each message, `lost()` is told when it is cut off.
export async function listen(heard, lost) {
  let last = null;
  let wait = FIRST_WAIT;
  let cut = null;
  // A page that somebody has left may be kept by the browser, to come back to, and would keep its
  // connection: of those it has six for each service, and what is asked next would wait for one.
  addEventListener("pagehide", () => cut?.abort());
  for (;;) {
    cut = new AbortController();
    let silence;
    const alive = () => {
      clearTimeout(silence);
      const mine = cut;
      silence = setTimeout(() => mine.abort(), SILENCE);
    };
    try {
      alive();
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const response = await ask("/api/v1/stream", { headers, signal: cut.signal });
      await read(response.body, (name, id, data) => {
        wait = FIRST_WAIT;
        if (id !== null) last = id;
        heard(name, data);
      }, alive);
    } catch {
      // Why it was cut off is seen by what is asked next.
    }
    clearTimeout(silence);
    cut.abort();
    lost();
    await new Promise((go) => setTimeout(go, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function read(body, message, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const { name, id, data } = fields(part);
      if (data !== null) message(name, id, JSON.parse(data));
    }
  }
}

// PURE: the fields of a message.
function fields(part) {
  const found = { name: "message", id: null, data: null };
  for (const line of part.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon <= 0) continue;
    const value = line.slice(colon + 2);
    const key = line.slice(0, colon);
    if (key === "event") found.name = value;
    else if (key === "id") found.id = value;
    else if (key === "data") found.data = value;
  }
  return found;
}
