// The stream of the service: server-sent events, read by fetch, since an EventSource can send no token.

import { ask } from "./api.js";

// The service says something at least every ten seconds.
const SILENCE = 25_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 5_000;
// A browser has six connections to a service. A tab that nobody has looked at for so long gives its own
// back, and has a glance at the state now and then, for its title and its charts.
const UNSEEN = 5_000;
const GLANCE = 10_000;

// Reads for ever. `heard(name, data)` gets each message, each `glance`, and a `rest` before that; `lost()` is
// told when it is cut off.
export async function listen(heard, lost) {
  let last = null;
  let wait = FIRST_WAIT;
  let cut = null;
  let resting = false;
  let wake = () => {};
  const pause = (time) => new Promise((go) => {
    wake = go;
    setTimeout(go, time);
  });
  watch(() => {
    resting = true;
    cut?.abort();
  }, () => {
    if (resting) cut?.abort();
    resting = false;
    wake();
  });
  // A page that somebody has left may be kept by the browser, to come back to, and would keep its
  // connection; what is asked next would wait for one.
  addEventListener("pagehide", () => cut?.abort());
  for (;;) {
    cut = new AbortController();
    const { signal } = cut;
    const rests = resting;
    let silence;
    const alive = () => {
      clearTimeout(silence);
      const mine = cut;
      silence = setTimeout(() => mine.abort(), SILENCE);
    };
    let failure = null;
    try {
      alive();
      if (rests) {
        // What is missed meanwhile may be much: whoever comes back asks for the newest of it.
        last = null;
        heard("rest");
        heard("glance", await (await ask("/api/v1/state", { signal })).json());
      } else {
        const headers = last === null ? {} : { "Last-Event-ID": last };
        const response = await ask("/api/v1/stream", { headers, signal });
        await read(response.body, (name, id, data) => {
          wait = FIRST_WAIT;
          if (id !== null) last = id;
          heard(name, data);
        }, alive);
      }
    } catch (error) {
      // Why a stream was cut off is seen by what is asked next.
      failure = error;
    }
    clearTimeout(silence);
    cut.abort();
    // Somebody looks again, or nobody does any more.
    if (rests !== resting) continue;
    if (!rests) {
      lost();
      await pause(wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
      continue;
    }
    if (failure?.status === 503) heard("problem", { detail: failure.message });
    else if (failure !== null) lost();
    await pause(GLANCE);
  }
}

// Tells when nobody has looked at the page for a while, and each time somebody does again.
function watch(unseen, seen) {
  let timer;
  const turned = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(unseen, UNSEEN);
    else seen();
  };
  document.addEventListener("visibilitychange", turned);
  turned();
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
