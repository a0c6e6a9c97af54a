// Dialogs: they hold the focus while they are open, and Escape closes them.

import { button, el } from "./dom.js";

let opened = 0;

// Opens a dialog and gives it to `fill`; it is gone once it is closed, and the focus is back where it was.
export function open(title, kind, fill) {
  const before = document.activeElement;
  // One may stand on another.
  opened += 1;
  const id = `dialog-${opened}`;
  const heading = el("h2", { id, tabindex: "-1" }, title);
  const body = el("div", { class: "body" });
  const close = button("Close", () => dialog.close(), { class: "plain close" });
  const dialog = el("dialog", { class: kind, "aria-labelledby": id },
    el("div", { class: "heading" }, heading, kind === "drawer" ? close : null), body);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  // A click beside it closes it, as it does elsewhere.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && kind === "drawer") dialog.close();
  });
  document.body.append(dialog);
  fill(body, dialog);
  dialog.showModal();
  if (kind === "drawer") heading.focus();
  return dialog;
}

// What went wrong, in a paragraph that takes the focus, so that it is read.
export function problemText(error) {
  const advice = error.advice ? ` ${error.advice}` : "";
  const text = error.advice ? `${error.message}:${advice}` : error.message;
  return el("p", { class: "problem", tabindex: "-1" }, text);
}

// Asks before something is done, and stays until it has been, or says why it could not be. `fields` are
// asked for with it: [name, label, type, required].
export function confirm({ title, text, verb, danger = false, fields = [] }, action) {
  return new Promise((resolve) => {
    let done = false;
    const dialog = open(title, "ask", (body, dialog) => {
      const inputs = fields.map(([name, label, type, required]) => {
        const input = el("input", { name, type, required, autocomplete: "off" });
        return el("label", { class: type === "checkbox" ? "check" : "field" },
          ...(type === "checkbox" ? [input, label] : [label, input]));
      });
      const go = el("button", { type: "submit", class: danger ? "danger" : "main" }, verb);
      const cancel = button("Cancel", () => dialog.close());
      const place = el("div");
      const form = el("form", {}, ...text.map((line) => el("p", {}, line)), ...inputs, place,
        el("div", { class: "actions" }, cancel, go));
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        go.disabled = true;
        const given = {};
        for (const input of form.querySelectorAll("input")) {
          given[input.name] = input.type === "checkbox" ? input.checked : input.value;
        }
        try {
          await action(given);
          done = true;
          dialog.close();
        } catch (error) {
          place.replaceChildren(problemText(error));
          place.firstChild.focus();
          go.disabled = false;
        }
      });
      body.append(form);
    });
    dialog.addEventListener("close", () => resolve(done));
    dialog.querySelector("input, .actions button").focus();
  });
}

// Says that something did not go, or how it went.
export function tell(title, ...content) {
  open(title, "ask", (body, dialog) => {
    body.append(...content, el("div", { class: "actions" }, button("Close", () => dialog.close(), { autofocus: true })));
  });
}

// Asks for the token until one is given.
export function askForToken(refused) {
  return new Promise((resolve) => {
    let given = null;
    const dialog = open("A token is needed", "ask", (body, dialog) => {
      const input = el("input", { type: "password", name: "token", required: true, autocomplete: "current-password" });
      const form = el("form", {},
        el("p", {}, refused
          ? "The service has refused that token. It stands in http.token_file of its configuration, or in INGESTD_HTTP_TOKEN."
          : "This service answers only those who have its token: http.token_file, or INGESTD_HTTP_TOKEN. It is kept until this tab is closed."),
        el("label", { class: "field" }, "Token", input),
        el("div", { class: "actions" }, el("button", { type: "submit", class: "main" }, "Go on")));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        given = input.value.trim();
        // What no header can hold is no token.
        if (!/^[\x21-\x7e]+$/.test(given)) {
          given = null;
          input.value = "";
          return;
        }
        dialog.close();
      });
      body.append(form);
    });
    // Without one there is nothing to be seen.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => resolve(given ?? askForToken(refused)));
    dialog.querySelector("input").focus();
  });
}
