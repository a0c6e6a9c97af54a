// The supervision tree: what runs where, and what had to be started again.

import { get } from "./api.js";
import { byId, el, keyed, setHidden, setText } from "./dom.js";
import { age, bytes, count, number, seconds, shown } from "./text.js";

export const loadTree = () => get("/api/v1/tree");

const branch = () => el("li", {}, el("span", { class: "node" }, el("b"), el("span", { class: "muted" }), el("span", { class: "restarts" })), el("ul"));

function label(element, name, note, restarts = 0) {
  const [title, text, again] = element.firstChild.children;
  setText(title, shown(name));
  setText(text, note);
  setText(again, restarts === 0 ? "" : `started again ${restarts === 1 ? "once" : `${number(restarts)} times`}`);
}

const under = (element, items, keyOf, update) => keyed(element.lastChild, items, keyOf, branch, update);

function showChildren(element, pipeline) {
  under(element, pipeline.children, (it) => it.child, (node, child) => {
    label(node, child.child, "", child.restarts);
    if (child.child !== "writers") return;
    // Those of its own, and those of the writers, which are counted together.
    const again = pipeline.writerRestarts;
    if (again > 0) label(node, "writers", `writers began again ${again === 1 ? "once" : `${number(again)} times`}`, child.restarts);
    node.firstChild.classList.toggle("bad", again > 0);
    under(node, pipeline.writers, (it) => it.partition, (leaf, writer) => {
      const mean = writer.batches === 0 ? "–" : seconds(writer.commit_seconds / writer.batches);
      label(leaf, `writer ${writer.partition}`, `${count(writer.batches, "batch", "batches")}, ${mean} each`);
    });
  });
}

export function showTree(state, tree) {
  const root = byId("tree-root");
  if (root.firstChild === null) root.append(el("ul"));
  keyed(root.firstChild, state.services, (it) => it.service, branch, (element, service) => {
    const ours = tree !== null && service.process === tree.process && service.host === tree.host;
    const since = `process ${service.process}, for ${seconds(age(service.started_at))}${ours ? ", this one" : ""}`;
    const own = ours ? tree.children : [];
    label(element, `service on ${service.host}`, since);
    const items = [...own.map((it) => ({ ...it, own: true })), ...service.pipelines];
    under(element, items, (it) => (it.own ? `child ${it.child}` : it.pipeline), (node, item) => {
      if (item.own) return label(node, item.child, "", item.restarts);
      const mine = ours ? tree.pipelines.find((it) => it.pipeline === item.pipeline) : undefined;
      const doing = `${item.state ?? "running"}${item.loads ? "" : ", loads nothing"}${item.obeyed ? "" : ", a command is under way"}`;
      const flight = mine === undefined || mine.in_flight_bytes === 0 ? "" : `, ${bytes(mine.in_flight_bytes)} in flight`;
      const restarts = (child) => mine?.children.find((it) => it.child === child)?.restarts ?? 0;
      label(node, item.pipeline, `pipeline, ${doing}${flight}`, restarts("pipeline"));
      // Its supervisor is this very line, and its writers stand below theirs.
      const children = (mine?.children ?? []).filter((it) => it.child !== "pipeline" && it.child !== "writer");
      showChildren(node, { children, writers: mine?.writers ?? [], writerRestarts: restarts("writer") });
    });
  });
  setHidden(byId("no-tree"), state.services.length > 0);
  const restarts = tree === null ? 0 : [...tree.children, ...tree.pipelines.flatMap((it) => it.children)].reduce((sum, it) => sum + it.restarts, 0);
  setText(byId("tree-sum"), tree === null ? "" : restarts === 0 ? "nothing was started again" : `${count(restarts, "restart")} in this process`);
}
