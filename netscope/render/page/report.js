/** The report: its sections in order, drawn from the payload. */
const isDiff = data.diff !== null;
const aligned = isDiff ? diffNodes() : null;
const kindOf = new Map();
if (isDiff) {
  for (const node of aligned.rows) {
    if (node.before) kindOf.set(node.before, node.kind);
    if (node.after) kindOf.set(node.after, node.kind);
  }
}
const kindColorOf = (row) => kindColor(kindOf.get(row) ?? "same");
const colorOfRow = isDiff ? kindColorOf : (row) => familyColor(row.family);
const printed = [];
let grid = null;

function shapesSection() {
  if (sides.every((side) => !side.chain.length)) return;
  const { host, about } = section("shapes", "Shapes");
  const colorOf = (names) => (isDiff ? strongestKind(names.rows) : familyColor(names.family));
  const scale = chainsIn(host, colorOf);
  about.textContent = `Output shapes from input to output, to scale. ${scale}`;
  host.append(isDiff ? kindLegend() : familyLegend(sides[0].chain.map((stage) => stageNames(stage, sides[0]).family)));
}

function strongestKind(rows) {
  const kinds = new Set(rows.map((row) => kindOf.get(row) ?? "same"));
  // A stage of which layers changed in different ways was itself neither added nor removed.
  const found = kinds.size > 1 ? "changed" : [...kinds][0] ?? "same";
  return kindColor(found);
}

function kindLegend() {
  return legendOf(data.kinds.map((kind) => [kindColor(kind), `${data.signs[kind]} ${kind}`]));
}

function sharesSection() {
  const { host, about } = section("shares", "Where it goes", isDiff
    ? "Each module is as wide as its share of the total, on one scale for both; the color shows what changed."
    : "Each module is as wide as its share of the total. Its children are below it; free space is the module's own share.");
  about.append(...[boundsText(), timesText()].filter(Boolean).map((text) => ` ${text}`));
  iciclesIn(host, colorOfRow, (path) => grid.reveal(path), isDiff ? kindLegend() : familyLegend(sides[0].rows.map((row) => row.family)));
}

/** Returns the text of each side, once if all are equal. */
function joinSides(textOfSide) {
  const texts = sides.map(textOfSide);
  const isSame = texts.every((text) => text === texts[0]);
  return isSame ? texts[0] : sides.map((side, index) => (texts[index] ? `${side.title}: ${texts[index]}` : "")).filter(Boolean).join(" ");
}

function boundsText() {
  return joinSides((side) => (side.bound ? `FLOPs are of what could be counted; not in it: ${side.uncounted}.` : ""));
}

function timesText() {
  return joinSides((side) => (side.timed ? `Time was measured on ${side.timed}.` : ""));
}

function layersSection() {
  const { host, about } = section("layers", isDiff ? "Layer by layer" : "Layers", isDiff
    ? "The aligned layers and their differences. Sorted rows show each module's own values."
    : "The values of a module include its children. Sorted rows show each module's own values.");
  if (!isDiff && timesText()) about.append(` ${timesText()}`);
  const tools = el("div", { class: "tools" });
  host.append(tools);
  grid = isDiff ? diffGrid(aligned, host, tools) : layerGrid(sides[0], host, tools);
  printed.push(grid);
  if (isDiff) host.append(kindLegend());
}

function dataflowSection() {
  const side = sides[sides.length - 1];
  const title = isDiff ? `Dataflow of ${side.title}` : "Dataflow";
  const { host, about } = section("dataflow", title);
  if (isDiff) contents.lastChild.textContent = "Dataflow";
  if (!side.dataflow.length) {
    about.textContent = side.traced
      ? "A saved summary holds no dataflow; make the report from the architecture to see it."
      : "A weights file does not define a forward pass, so there is no dataflow.";
    return;
  }
  about.textContent = "Which op reads which result. Click a module, or press Enter on it, to unfold it; click the title of its box to fold it. Blue edges are skip connections.";
  const status = el("span", { class: "status", role: "status" });
  const tools = el("div", { class: "tools" });
  const space = el("div", {});
  host.append(tools, space);
  let graph = null;
  const draw = () => {
    if (graph) return;
    graph = new Graph({
      host: space, status, side, revealed: (path) => grid.reveal(path),
      colorOf: (node) => (node.kind !== "module" ? familyColor(data.other) : isDiff ? kindColorOf(node.row) : familyColor(node.row.mainFamily)),
      marksOf: (row) => (isDiff ? kindOf.get(row) ?? null : null),
    });
    const most = { ops: 1500, edges: 2500 };
    const all = el("button", { type: "button", text: "Unfold all", onclick: () => graph.reset(() => graph.model.calls.forEach((call) => { call.open = call.folds; })) });
    const ops = graph.model.leaves.length;
    const edges = graph.model.edgesUnfolded();
    const much = ops > most.ops ? `${count(ops)} ops` : edges > most.edges ? `${count(edges)} edges` : "";
    if (much) all.disabled = true;
    tools.append(
      el("button", { type: "button", text: "Overview", onclick: () => graph.reset(() => { graph.model.close(graph.model.root); graph.model.openReadably(); }) }),
      all,
      el("button", { type: "button", text: "Fold all", onclick: () => graph.reset(() => { graph.model.close(graph.model.root); graph.model.open(graph.model.root); }) }),
      status, ...(much ? [el("span", { class: "status", text: `${much} are too many to unfold at once` })] : []),
    );
    printed.push(graph);
  };
  printed.push({ forPrint: (on) => { if (on && !graph) { draw(); graph.forPrint(true); } } });
  const seen = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) { seen.disconnect(); draw(); }
  }, { rootMargin: "300px" });
  space.style.minHeight = "380px";
  seen.observe(host);
  if (isDiff) {
    const gone = data.diff.removed;
    if (gone.length) host.append(el("p", { class: "caption" }, el("b", { text: "Removed, so not shown: " }), gone.slice(0, 12).join(", ") + (gone.length > 12 ? ` and ${gone.length - 12} more` : "")));
    host.append(kindLegend());
  }
}

function measuredSection() {
  const found = data.bench;
  if (!found) return;
  const { host } = section("measured", "Measured", found.heading.join("  ·  "));
  host.append(el("div", { class: "panel scroll", tabindex: 0, role: "group", "aria-label": "Measurements" }, el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, ...found.columns.map(({ title, right }) => el("th", { scope: "col", class: right ? "right" : null, text: title })))),
    el("tbody", {}, ...found.rows.map((cells) => el("tr", {}, ...cells.map((text, index) => el("td", { class: found.columns[index].right ? "right" : null, text }))))))));
  host.append(el("dl", { class: "facts" }, ...found.facts.flatMap(([label, text]) => [el("dt", { text: label }), el("dd", { text })])));
}

shapesSection();
sharesSection();
layersSection();
dataflowSection();
measuredSection();

addEventListener("beforeprint", () => [...printed].forEach((part) => part.forPrint(true)));
addEventListener("afterprint", () => [...printed].forEach((part) => part.forPrint(false)));
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) { event.preventDefault(); grid.input.focus(); }
});
