// The alerts that fire.

import { get } from "./api.js";
import { byId, el, keyed, setHidden, setText } from "./dom.js";
import { clock, number, shown } from "./text.js";

export const loadAlerts = () => get("/api/v1/alerts");

export function showAlerts(alerts) {
  keyed(byId("alert-list"), alerts, (it) => it.id,
    () => el("li", { "data-level": "bad" }, el("time"), el("span", { class: "dot" }), el("span", { class: "kind" }), el("span", { class: "text" }),
      el("code", { class: "look muted" })),
    (line, alert) => {
      setText(line.children[0], clock(alert.since));
      setText(line.children[2], shown(alert.alert));
      setText(line.children[3], shown(alert.text));
      setText(line.children[4], alert.look_at === null ? "" : shown(alert.look_at));
    });
  setText(byId("alerts-sum"), alerts.length < 2 ? "" : number(alerts.length));
  setHidden(byId("alerts"), alerts.length === 0);
}
