const TITLE = 17;

/** The dataflow, drawn in layers; an unfolded module is a box around its contents. */
class Graph {
  constructor({ host, status, side, colorOf, marksOf, revealed }) {
    Object.assign(this, { side, colorOf, marksOf, revealed, status });
    this.model = new FlowModel(side);
    this.scene = svg("g");
    this.svg = svg("svg", { role: "group", "aria-label": `Dataflow of ${side.title}`, tabindex: -1 },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
        svg("path", { d: "M0 0.5L8 4L0 7.5z", css: { fill: "var(--soft)" } }))), this.scene);
    this.hint = el("div", { class: "graph-hint", text: matchMedia("(pointer: coarse)").matches ? "use two fingers to move and zoom" : "drag to move; click, then use the wheel or + − to zoom" });
    this.box = el("div", { class: "graph panel" }, this.buttons(), this.svg, this.hint);
    host.append(this.box);
    this.zooming = libraries.zoom().scaleExtent([0.04, 4]).filter((event) => this.acceptsEvent(event))
      .on("zoom", (event) => { this.at = event.transform; this.scene.setAttribute("transform", event.transform.toString()); });
    this.selection = libraries.select(this.svg).call(this.zooming).on("dblclick.zoom", null);
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    this.svg.addEventListener("focusin", ({ target }) => {
      const stop = this.stops.find(({ group }) => group === target);
      if (!stop) return;
      this.current = stop.call;
      this.rove();
      // With the mouse, the picture must not move under the pointer.
      if (target.matches(":focus-visible")) this.panTo(stop);
    });
    pointing.subscribe((path) => this.link(path));
    this.layout();
    this.fit();
  }

  /** The wheel scrolls the page until the graph is clicked; one finger always scrolls it. */
  acceptsEvent(event) {
    if (event.type === "wheel") return event.ctrlKey || this.svg.contains(document.activeElement);
    if (event.type.startsWith("touch")) return event.touches.length > 1;
    return !event.button && !event.ctrlKey;
  }

  buttons() {
    const button = (text, label, act) => el("button", { type: "button", text, title: label, "aria-label": label, onclick: act });
    return el("div", { class: "graph-tools" },
      button("+", "Zoom in", () => this.scale(1.3)), button("−", "Zoom out", () => this.scale(1 / 1.3)),
      button("Fit", "Show all of it", () => this.fit(true)));
  }

  scale(by) { this.zooming.scaleBy(this.selection, by); }

  move(x, y, k) { this.selection.call(this.zooming.transform, libraries.zoomIdentity.translate(x, y).scale(k)); }

  /** Shows the entire graph if it is readable at that size, otherwise its start. */
  fit(all = false) {
    const [width, height] = [this.box.clientWidth || 900, this.box.clientHeight || 600];
    const whole = Math.min(width / (this.width + 40), height / (this.height + 40), 1.25);
    const isWhole = all || whole > (width < 700 ? 0.85 : 0.62);
    const k = isWhole ? whole : Math.min(Math.max(width / (this.width + 40), 0.5), 0.95);
    const middle = isWhole || this.width * k <= width ? this.width / 2 : this.start.x;
    this.move(width / 2 - middle * k, isWhole ? (height - this.height * k) / 2 : width < 700 ? 54 : 14, k);
  }

  wordsOf(node) {
    if (node.kind === "input") return { name: node.op.op, what: "input" };
    if (node.kind === "op") return { name: node.op.op, what: "" };
    const { row } = node;
    const parent = node.parent?.row;
    const name = parent?.path && row.path.startsWith(`${parent.path}.`) ? row.path.slice(parent.path.length + 1) : row.title;
    return { name: shortened(name, 30), what: shortened(node.isLayer ? `${row.type} ${row.detail}`.trim() : row.type, 32) };
  }

  sizeOf(node) {
    if (node.kind === "end") return { width: 66, height: 26 };
    const words = this.wordsOf(node);
    const width = Math.max(words.name.length * 7.4, words.what.length * 5.9) + 26 + (node.folds && (node.skips || node.joins) ? 26 : 0);
    return { width: Math.max(width, node.kind === "op" ? 44 : 74), height: words.what ? 40 : 26 };
  }

  /** Returns the sign of a module's change, for the front of its name. */
  markOf(call) {
    const kind = call.kind === "module" ? this.marksOf(call.row) : null;
    return kind && kind !== "same" ? `${data.signs[kind]} ` : "";
  }

  /** Returns the title of an open call: its name and type. */
  titleOf(call) {
    const { name, what } = this.wordsOf(call);
    return `${this.markOf(call)}${name} · ${what}`;
  }

  layout() {
    const began = performance.now();
    const { nodes, levels, levelOf } = this.model.levels();
    const drawing = this.level(levelOf(this.model.root), levels);
    Object.assign(this, { width: drawing.width, height: drawing.height, positions: new Map(), edges: [], drawnNodes: new Map(), stops: [] });
    const layers = { boxes: [], edges: [], titles: [], nodes: [] };
    this.paint(drawing, 0, 0, layers);
    this.scene.replaceChildren(...layers.boxes, ...layers.edges, ...layers.titles, ...layers.nodes);
    this.start = this.positions.get(nodes[0]);
    this.rove();
    this.box.dataset.nodes = nodes.length;
    this.box.dataset.milliseconds = Math.round(performance.now() - began);
    this.status.textContent = `${count(nodes.length)} node${nodes.length === 1 ? "" : "s"} of ${count(this.model.ops.length)} ops`;
  }

  /** Lays out one level, after the open calls in it; returns the positions of its items and its edges. */
  level(level, levels) {
    const isRoot = level.call === this.model.root;
    const items = [...level.call.children.filter((call) => !isRoot || call.kind !== "end"), ...level.ends];
    const inner = new Map();
    const graph = new libraries.Graph();
    graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 24, edgesep: 14 });
    for (const item of items) {
      if (item.folds && item.open) inner.set(item, this.level(levels.get(item) ?? { call: item, edges: new Map(), ins: new Map(), outs: new Map(), ends: [] }, levels));
      const { width, height } = inner.get(item) ?? this.sizeOf(item);
      graph.setNode(String(item.id), { width, height });
    }
    for (const ports of [level.ins, level.outs]) for (const port of ports.values()) graph.setNode(port.id, { width: 6, height: 1 });
    for (const edge of level.edges.values()) {
      const [first, ...others] = edge.shapes;
      // The shape is shown once, not again at each border that the edge crosses.
      edge.text = edge.start.kind === "port" || edge.end.kind === "port" ? "" : others.length ? `${first} +${others.length}` : first;
      const width = edge.text.length * 5.3 + 8;
      graph.setEdge(String(edge.start.id), String(edge.end.id), {
        weight: edge.isSkip ? 1 : 4, ...(edge.text ? { width, height: 10, labelpos: "r", labeloffset: 5 } : {}),
      });
    }
    this.groupPorts(graph, [...level.ins.values()], true);
    this.groupPorts(graph, [...level.outs.values()], false);
    arrange(graph);
    return this.frame(level, graph, items, inner, isRoot);
  }

  /** Keeps several ports together at the border, by an invisible node. */
  groupPorts(graph, ports, isIn) {
    if (ports.length < 2) return;
    const hold = isIn ? "from" : "into";
    graph.setNode(hold, { width: 1, height: 1 });
    for (const port of ports) {
      if (isIn) graph.setEdge(hold, port.id, { weight: 60 });
      else graph.setEdge(port.id, hold, { weight: 60 });
    }
  }

  frame(level, graph, items, inner, isRoot) {
    const boxes = new Map(items.map((item) => [item, graph.node(String(item.id))]));
    const ports = [...level.ins.values(), ...level.outs.values()].map((port) => graph.node(port.id));
    const points = [...level.edges.values()].flatMap((edge) => {
      const { points: way, x, width } = graph.edge(String(edge.start.id), String(edge.end.id));
      return edge.text ? [...way, { x: x + width / 2 + 4, y: way[0].y }] : way;
    });
    const reach = (key, by) => [...[...boxes.values()].map((box) => box[key] + by * box[key === "x" ? "width" : "height"] / 2),
      ...points.map((point) => point[key]), ...ports.map((port) => port[key])];
    const [left, right] = [Math.min(...reach("x", -1)), Math.max(...reach("x", 1))];
    const [top, bottom] = [Math.min(...[...boxes.values()].map((box) => box.y - box.height / 2)), Math.max(...[...boxes.values()].map((box) => box.y + box.height / 2))];
    const pad = isRoot ? { side: 8, top: 8, bottom: 8 } : { side: 14, top: TITLE + 12, bottom: 12 };
    const titled = isRoot ? 0 : Math.min(this.titleOf(level.call).length * 6.1 + 26, 230);
    const width = Math.max(right - left + 2 * pad.side, titled);
    const shift = { x: (width - (right - left)) / 2 - left, y: pad.top - top };
    const height = bottom - top + pad.top + pad.bottom;
    const moved = (point) => ({ x: point.x + shift.x, y: point.y + shift.y });
    const placed = items.map((item) => ({ item, inner: inner.get(item), ...boxes.get(item), ...moved(boxes.get(item)) }));
    const at = (port) => graph.node(port.id).x + shift.x;
    const drawing = {
      call: level.call, width, height, placed, isRoot,
      ins: new Map([...level.ins].map(([id, port]) => [id, at(port)])), outs: new Map([...level.outs].map(([id, port]) => [id, at(port)])),
    };
    const byItem = new Map(placed.map((place) => [place.item, place]));
    drawing.edges = [...level.edges.values()].map((edge) => {
      const found = graph.edge(String(edge.start.id), String(edge.end.id));
      const way = found.points.map(moved);
      way[0] = this.startOf(edge, byItem.get(edge.start), way[0], drawing);
      way[way.length - 1] = this.endOf(edge, byItem.get(edge.end), way[way.length - 1], drawing);
      return { ...edge, way, label: edge.text ? moved(found) : null };
    });
    return drawing;
  }

  /** Returns the start of an edge: its node, the port of an open call, or the border through which it enters. */
  startOf({ start, from }, place, point, drawing) {
    if (start.kind === "port") return { x: drawing.ins.get(from.id), y: 0 };
    return place.inner ? { x: place.x - place.width / 2 + place.inner.outs.get(from.id), y: place.y + place.height / 2 } : point;
  }

  /** Returns the end of an edge, as `startOf` returns its start. */
  endOf({ end, from }, place, point, drawing) {
    if (end.kind === "port") return { x: drawing.outs.get(from.id), y: drawing.height };
    return place.inner ? { x: place.x - place.width / 2 + place.inner.ins.get(from.id), y: place.y - place.height / 2 } : point;
  }

  paint(drawing, left, top, layers) {
    if (!drawing.isRoot) this.cluster(drawing.call, left, top, drawing, layers);
    for (const edge of drawing.edges) layers.edges.push(this.edge(edge, left, top));
    for (const { item, inner, x, y, width, height } of drawing.placed) {
      const place = { x: left + x, y: top + y, width, height };
      this.positions.set(item, place);
      if (inner) this.paint(inner, place.x - width / 2, place.y - height / 2, layers);
      else layers.nodes.push(item.kind === "end" ? this.end(place) : this.node({ node: item, ...place }));
    }
  }

  edge({ way, label, text, isSkip, from, readers, end }, left, top) {
    const points = way.map((point) => ({ x: left + point.x, y: top + point.y }));
    const arrives = end.kind !== "port" && !(end.folds && end.open);
    const group = svg("g", { class: `edge${isSkip ? " past" : ""}` },
      svg("path", { d: curve(points), "marker-end": arrives ? "url(#arrow)" : null }),
      label ? svg("text", { x: left + label.x + 3, y: top + label.y + 3, "text-anchor": "middle", text }) : null);
    this.edges.push({ from, readers, group });
    return group;
  }

  end({ x, y, width, height }) {
    return svg("g", { class: "node end", transform: `translate(${x} ${y})` },
      svg("rect", { class: "box", x: -width / 2, y: -height / 2, width, height, rx: 13 }),
      svg("text", { class: "what", y: 4, "text-anchor": "middle", text: "output" }));
  }

  cluster(call, left, top, { width, height }, layers) {
    const text = this.titleOf(call);
    const wide = Math.min(text.length * 6.3 + 26, width);
    const title = svg("g", {
      class: "title", role: "button", tabindex: -1, "aria-expanded": "true", "aria-label": `Fold ${call.row.title}${this.markOf(call) ? `, ${this.marksOf(call.row)}` : ""}`, "data-call": call.id,
      transform: `translate(${left} ${top})`,
    }, svg("title", { text: call.row.title }), svg("rect", { width: wide, height: TITLE + 3, rx: 6, css: { fill: "transparent" } }),
    svg("text", { x: 8, y: 14, text: `▾ ${shortened(text, Math.max(4, Math.floor((wide - 18) / 6)))}` }));
    this.addActions(title, call);
    this.stops.push({ call, group: title, x: left + wide / 2, y: top + TITLE / 2 });
    const kind = this.marksOf(call.row);
    layers.titles.push(title);
    layers.boxes.push(svg("rect", {
      class: "cluster", x: left, y: top, width, height, rx: 9, css: kind && kind !== "same" ? { stroke: kindColor(kind) } : {},
    }));
  }

  node({ node, x, y, width, height }) {
    const { name, what } = this.wordsOf(node);
    const kind = node.kind === "module" ? this.marksOf(node.row) : null;
    const inner = [];
    if (node.folds) inner.push(svg("rect", { class: "back", x: -width / 2 + 3, y: -height / 2 + 4, width, height, rx: 7 }));
    inner.push(svg("rect", { class: "box", x: -width / 2, y: -height / 2, width, height, rx: node.kind === "input" ? 13 : 7 }));
    const isMarked = node.folds && (node.skips || node.joins);
    const middle = isMarked ? -11 : 0;
    inner.push(svg("text", { class: "name", x: middle, y: what ? -3 : 4, "text-anchor": "middle", text: this.markOf(node) + name }));
    if (what) inner.push(svg("text", { class: "what", x: middle, y: 12, "text-anchor": "middle", text: what }));
    if (isMarked) {
      // A small skip connection shows that the folded block has one.
      const at = width / 2 - 22;
      inner.push(svg("path", { class: "through", d: `M${at} -13v26` }));
      inner.push(svg("path", { class: "skips", d: `M${at} -9c13 2 13 15 1.5 17.5m4 -4.2l-4.4 4.2l5.6 2.2` }));
    }
    const held = [node.skips ? `${count(node.skips)} skip${node.skips > 1 ? "s" : ""}` : "", node.joins ? `${count(node.joins)} skip${node.joins > 1 ? "s" : ""} by concatenation` : ""].filter(Boolean).join(", ");
    const who = node.kind === "op" ? `${node.op.op}, in ${node.row.title}` : node.row?.title ?? node.op.op;
    const label = [
      who, what, node.folds ? `${count(node.ops)} ops` : "", node.flops ? `${scaled(node.flops)} FLOPs` : "", held, kind && kind !== "same" ? kind : "",
    ].filter(Boolean).join(", ");
    const group = svg("g", {
      class: `node ${node.kind}${node.folds ? " folds" : ""}`, transform: `translate(${x} ${y})`, tabindex: -1,
      role: node.row ? "button" : "img", "aria-expanded": node.folds ? "false" : null, "aria-label": node.folds ? `Unfold ${label}` : label,
      "data-call": node.id, css: { "--c": this.colorOf(node) },
    }, svg("title", { text: label }), ...inner);
    this.drawnNodes.set(node, group);
    this.addActions(group, node);
    this.stops.push({ call: node, group, x, y });
    const near = (on) => this.edges.forEach((edge) => edge.group.classList.toggle("near", on && (edge.from === node || edge.readers.has(node))));
    group.addEventListener("pointerenter", () => { near(true); if (node.row) pointing.set(node.row.path); });
    group.addEventListener("pointerleave", () => { near(false); pointing.set(null); });
    group.addEventListener("focus", () => { near(true); if (node.row) pointing.set(node.row.path); });
    group.addEventListener("blur", () => near(false));
    return group;
  }

  addActions(group, call) {
    const act = () => {
      if (call.folds) this.toggle(call);
      else if (call.row) this.revealed(call.row.path);
    };
    group.addEventListener("click", act);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); act(); }
    });
  }

  /** Unfolds or folds a call, and keeps it at its position on the screen. */
  toggle(call) {
    const before = this.positions.get(call);
    const from = { x: before.x, y: before.y - before.height / 2 };
    if (call.open) this.model.close(call); else this.model.open(call);
    this.layout();
    const after = this.positions.get(call);
    const { k } = this.at;
    this.move(this.at.x + (from.x - after.x) * k, this.at.y + (from.y - after.y + after.height / 2) * k, k);
    this.scene.querySelector(`[data-call="${call.id}"]`)?.focus({ preventScroll: true });
  }

  /** Makes one node the target of Tab (roving tabindex); arrow keys move on from there. */
  rove() {
    const stopOf = (call) => this.stops.find((stop) => stop.call === call);
    let call = this.current ?? this.model.leaves[0];
    while (call && !stopOf(call)) call = call.parent;
    const at = stopOf(call) ?? this.stops[0];
    this.current = at?.call;
    for (const stop of this.stops) stop.group.setAttribute("tabindex", stop === at ? 0 : -1);
  }

  /** Moves the picture just enough to show the node with the focus. */
  panTo({ x, y }) {
    const { x: left, y: top, k } = this.at;
    const into = (value, most) => Math.min(Math.max(value, Math.min(60, most / 2)), Math.max(most - 60, most / 2));
    const [was, now] = [[left + x * k, top + y * k], [into(left + x * k, this.box.clientWidth), into(top + y * k, this.box.clientHeight)]];
    if (was[0] !== now[0] || was[1] !== now[1]) this.move(left + now[0] - was[0], top + now[1] - was[1], k);
  }

  /** Moves the focus to the nearest node in a direction; distance across the direction counts twice. */
  step(across, down) {
    const from = this.stops.find(({ call }) => call === this.current);
    let [nearest, least] = [null, Infinity];
    for (const stop of this.stops) {
      const [x, y] = [stop.x - from.x, stop.y - from.y];
      const along = x * across + y * down;
      const distance = along + 2 * Math.abs(x * down - y * across);
      if (along > 4 && distance < least) [nearest, least] = [stop, distance];
    }
    nearest?.group.focus({ preventScroll: true });
  }

  reset(change) {
    change();
    this.layout();
    this.fit();
  }

  link(path) {
    for (const group of this.drawnNodes.values()) group.classList.remove("linked");
    if (path === null || path === undefined) return;
    for (const [node, group] of this.drawnNodes) {
      if (node.row && node.kind === "module" && (node.row.path === path || path.startsWith(`${node.row.path}.`))) group.classList.add("linked");
    }
  }

  onKey(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const isOnStop = this.stops.some(({ group }) => group === event.target);
    if (isOnStop && arrows[event.key] && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.step(...arrows[event.key]);
      return;
    }
    const step = 60;
    const { x, y, k } = this.at;
    const keys = {
      "+": () => this.scale(1.25), "=": () => this.scale(1.25), "-": () => this.scale(1 / 1.25), 0: () => this.fit(true),
      ArrowLeft: () => this.move(x + step, y, k), ArrowRight: () => this.move(x - step, y, k),
      ArrowUp: () => this.move(x, y + step, k), ArrowDown: () => this.move(x, y - step, k),
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); keys[event.key](); }
  }

  forPrint(on) {
    if (on) {
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.scene.setAttribute("transform", "");
    } else {
      this.svg.removeAttribute("viewBox");
      this.scene.setAttribute("transform", this.at.toString());
    }
  }
}

/** Lays a level out; puts its items below each other if the library fails. */
function arrange(graph) {
  try {
    libraries.layout(graph);
  } catch {
    let y = 0;
    for (const key of graph.nodes()) {
      const node = graph.node(key);
      Object.assign(node, { x: 0, y: y + node.height / 2 });
      y += node.height + 30;
    }
    for (const key of graph.edges()) {
      const [from, to] = [graph.node(key.v), graph.node(key.w)];
      Object.assign(graph.edge(key), {
        points: [{ x: 0, y: from.y + from.height / 2 }, { x: 60, y: (from.y + to.y) / 2 }, { x: 0, y: to.y - to.height / 2 }], x: 70, y: (from.y + to.y) / 2,
      });
    }
  }
}

/** Returns a smooth SVG path through the points of an edge. */
function curve(points) {
  const [first, ...others] = points;
  let path = `M${first.x} ${first.y}`;
  others.forEach((point, index) => {
    const next = others[index + 1];
    // The last curve ends at the last point; an edge of two points is straight.
    if (!next) { if (others.length === 1) path += `L${point.x} ${point.y}`; return; }
    const end = index === others.length - 2 ? next : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    path += `Q${point.x} ${point.y} ${end.x} ${end.y}`;
  });
  return path;
}
