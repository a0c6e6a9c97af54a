// PURE: values as people read them.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SMALL = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

// What turns text around, stands over other text, or can't be seen: shown as what it is.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]/g;
const KNOWN = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

export function shown(text) {
  return String(text).replace(UNSEEN, (c) => {
    if (c in KNOWN) return KNOWN[c];
    const code = c.codePointAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

// A word of the service's, such as the reason of a dead letter.
export const words = (name) => shown(name.replaceAll("_", " "));

export const number = (value) => NUMBER.format(value);

export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value > 0 && value < 10 ? SMALL.format(value) : NUMBER.format(value);
}

export function bytes(value) {
  let rest = value;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (rest < 1024) return `${unit === "B" ? NUMBER.format(rest) : SMALL.format(rest)} ${unit}`;
    rest /= 1024;
  }
  return `${SMALL.format(rest)} TiB`;
}

// A duration.
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 s";
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 99.5) return `${Math.round(value)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(value / 3600);
  if (hours < 48) return `${hours} h`;
  return `${Math.round(value / 86400)} days`;
}

// How long ago that is, of something that is looked at again each second.
export function ago(value) {
  if (value === null || value === undefined) return "never";
  if (value < 1) return "now";
  return value < 99.5 ? `${Math.floor(value)} s ago` : `${seconds(value)} ago`;
}

// By how many milliseconds the service's clock is ahead of this browser's. What the service says is some
// seconds old at most, so that the largest difference is the truest; one that has become much smaller is
// that of a clock that was set.
let ahead = null;

export function noteClock(at, now = Date.now()) {
  const seen = Date.parse(at) - now;
  if (ahead === null || seen > ahead || seen < ahead - 20_000) ahead = seen;
}

// The same in seconds; null as long as nothing was heard.
export const skew = () => (ahead === null ? null : ahead / 1000);

// The time by the service's clock: ages are right, whatever the browser's says.
export const serviceNow = () => Date.now() + (ahead ?? 0);

export const age = (at, now = serviceNow()) => Math.max(0, (now - Date.parse(at)) / 1000);

const two = (value) => String(value).padStart(2, "0");

// A time of day, with the date where that is another one.
export function clock(at, now = new Date(serviceNow())) {
  const time = new Date(at);
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return time.toDateString() === now.toDateString() ? clock : `${day} ${clock}`;
}

export const fileName = (path) => path.slice(path.lastIndexOf("/") + 1) || path;

export const count = (value, word, words = `${word}s`) => `${number(value)} ${value === 1 ? word : words}`;
