// Asking the service, with its token where it wants one.
//
// The token is kept for as long as the tab is, and goes in a header: unlike a cookie it is never sent by
// a page of somebody else's.

import { askForToken } from "./dialogs.js";

const KEY = "ingestd-token";

// What went wrong, as the service has told it.
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "that did not go");
    this.advice = problem.advice ?? null;
    this.status = problem.status ?? 0;
  }
}

function headers(more) {
  const token = sessionStorage.getItem(KEY);
  const all = new Headers(more);
  // By this header the service knows that no form of another page asks.
  all.set("X-Ingestd", "1");
  if (token !== null) all.set("Authorization", `Bearer ${token}`);
  return all;
}

// One question after the other, whoever else is refused meanwhile.
let asking = null;

async function newToken(refused) {
  // Somebody may have given one since.
  if (sessionStorage.getItem(KEY) !== refused) return;
  asking ??= askForToken(refused !== null).then((token) => {
    sessionStorage.setItem(KEY, token);
    asking = null;
  });
  await asking;
}

// An answer that is good. Where a token is wanted, whoever looks is asked for it first.
export async function ask(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    let response;
    try {
      response = await fetch(path, { ...options, headers: headers(options.headers), cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({ detail: "the service does not answer" });
    }
    if (response.ok) return response;
    if (response.status === 401) {
      await newToken(token);
      continue;
    }
    let problem;
    try {
      problem = await response.json();
    } catch {
      problem = { title: `the service has answered with ${response.status}` };
    }
    throw new Problem({ status: response.status, ...problem });
  }
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  const response = await ask(text === "" ? path : `${path}?${text}`);
  return response.json();
}

export async function post(path, body = {}) {
  const response = await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

// The path of something with a name that may have any character.
export const part = encodeURIComponent;
