/** Shares of a metric: each module is as wide as its share, with its children below; free space is its own share. */
class Icicle {
  static HEIGHT = 35;
  static THINNEST = 0.0012;
  static SLIVER = 0.004;

  constructor({ host, side, colorOf, wholeOf, heading, describe, onZoom }) {
    Object.assign(this, { side, colorOf, wholeOf, describe, onZoom });
    this.cells = new Map();
    this.box = el("div", { class: "icicle", role: "tree", "aria-label": `Shares of ${heading || side.title}` });
    this.note = el("p", { class: "nothing-there", hidden: true });
    this.frame = el("div", { class: "icicle-frame" }, heading ? el("h3", { text: heading }) : null, this.box, this.note);
    host.append(this.frame);
    this.box.addEventListener("keydown", (event) => this.onKey(event));
    this.box.addEventListener("pointerleave", () => { pointing.set(null); this.describe(null, this); });
    pointing.subscribe((path) => this.link(path));
  }

  show(key) {
    this.key = key;
    this.root = libraries.hierarchy(this.side.root, (row) => row.children).sum((row) => Number(row.own[key] ?? 0));
    libraries.partition().size([1, this.root.height + 1])(this.root);
    this.byPath = new Map(this.root.descendants().map((node) => [node.data.path, node]));
    this.zoom(this.focus ? this.byPath.get(this.focus.data.path) : this.root, false);
  }

  get whole() { return this.root.value; }

  zoom(focus, notify = true) {
    this.focus = focus.value ? focus : this.root;
    this.current = this.focus;
    this.draw();
    if (notify) this.onZoom(this.focus, this);
  }

  draw() {
    const { x0, x1 } = this.focus;
    const span = x1 - x0 || 1;
    const due = this.focus === this.root ? this.wholeOf(this) : 1;
    const fill = Math.max(due, Icicle.SLIVER);
    this.explain(due);
    const above = new Set(this.focus.ancestors().slice(1));
    const seen = new Set();
    let deepest = 0;
    // A branch that is too thin to see is omitted with everything below it.
    const place = (node) => {
      const left = Math.max(0, (node.x0 - x0) / span);
      const width = Math.min(1, (node.x1 - x0) / span) - left;
      if (width * fill < Icicle.THINNEST || !node.value) return;
      seen.add(node);
      deepest = Math.max(deepest, node.depth);
      this.place(node, left * fill, width * fill, above.has(node));
      (node.children ?? []).forEach(place);
    };
    place(this.root);
    for (const [node, cell] of this.cells) if (!seen.has(node)) { cell.remove(); this.cells.delete(node); }
    this.box.style.height = `${(deepest + 1) * Icicle.HEIGHT}px`;
    this.rove();
  }

  /** Explains an empty picture: the total is zero, or too small for the common scale. */
  explain(due) {
    const isEmpty = !this.whole;
    const isSmall = !isEmpty && due < Icicle.SLIVER;
    this.box.hidden = isEmpty;
    this.note.hidden = !isEmpty && !isSmall;
    if (isEmpty) this.note.textContent = `No ${this.figure.title}: nothing to divide`;
    else if (isSmall) this.note.textContent = `${SHOWN[this.kind].text(this.whole)} ${this.name}: too small to be drawn to this scale`.replace(" :", ":");
  }

  place(node, left, width, isAbove) {
    let cell = this.cells.get(node);
    if (!cell) {
      cell = el("div", {
        role: "treeitem", tabindex: -1, "aria-level": node.depth + 1,
        onclick: () => this.press(node),
        onpointerenter: () => { pointing.set(node.data.path); this.describe(node, this); },
        onfocus: () => { this.current = node; this.rove(); pointing.set(node.data.path); this.describe(node, this); },
      });
      this.cells.set(node, cell);
      this.box.append(cell);
    }
    const pixels = width * (this.box.clientWidth || 1000);
    cell.setAttribute("aria-label", this.labelOf(node));
    cell.style.setProperty("--c", this.colorOf(node.data));
    cell.style.left = `${100 * left}%`;
    cell.style.width = `calc(${100 * width}% - 1px)`;
    cell.style.top = `${node.depth * Icicle.HEIGHT}px`;
    cell.classList.toggle("above", isAbove);
    cell.classList.toggle("thin", pixels < 22);
    // A name is useful from three letters on.
    const fits = pixels >= 11 + 7.2 * Math.min(node.data.label.length, 3);
    cell.replaceChildren(...(fits ? [
      el("b", { text: node.data.label }),
      el("span", { text: pixels < 46 ? "" : share(node.value, this.whole) }),
    ] : []));
  }

  labelOf(node) {
    const { text } = SHOWN[this.kind];
    return `${node.data.title}, ${node.data.type}, ${text(node.value)} ${this.name}, ${share(node.value, this.whole)}`;
  }

  get figure() { return this.side.figures.find(({ key }) => key === this.key); }
  get kind() { return this.figure.kind; }
  get name() { return this.kind === "bytes" || this.kind === "seconds" ? "" : this.figure.title; }

  press(node) {
    this.zoom(node === this.focus ? node.parent ?? this.root : node);
    this.cells.get(this.current)?.focus();
  }

  rove() {
    for (const [node, cell] of this.cells) cell.tabIndex = node === this.current ? 0 : -1;
  }

  link(path) {
    this.linked?.classList.remove("linked");
    let node = this.byPath?.get(path);
    while (node && !this.cells.has(node)) node = node.parent;
    this.linked = node ? this.cells.get(node) : null;
    this.linked?.classList.add("linked");
  }

  onKey(event) {
    const { current } = this;
    const siblings = current.parent ? current.parent.children.filter((node) => this.cells.has(node)) : [current];
    const place = siblings.indexOf(current);
    const to = {
      ArrowRight: () => siblings[place + 1],
      ArrowLeft: () => siblings[place - 1],
      ArrowDown: () => (current.children ?? []).find((node) => this.cells.has(node)),
      ArrowUp: () => current.parent,
      Home: () => this.root,
    }[event.key];
    if (to) {
      const node = to();
      if (node) this.cells.get(node)?.focus();
      event.preventDefault();
    } else if (event.key === "Enter" || event.key === " ") { this.press(current); event.preventDefault(); }
    else if (event.key === "Escape" || event.key === "Backspace") { this.press(this.focus); event.preventDefault(); }
  }
}

/** The icicles of all sides, with the parts that they share: choice of the metric, path, description and legend. */
function iciclesIn(host, colorOf, revealed, legend) {
  const figures = sides[0].figures.filter(({ key }) => sides.every((side) => side.figures.some((other) => other.key === key)));
  const isDivided = ({ key }) => sides.some((side) => Number(side.root.total[key]) > 0);
  const ordered = [...figures].sort((a, b) => (b.key === "flops") - (a.key === "flops"));
  const usual = (ordered.find(isDivided) ?? ordered[0]).key;
  const crumbs = el("nav", { class: "crumbs", "aria-label": "Path in the picture" });
  const line = el("p", { class: "caption", "aria-hidden": "true" });
  const panel = el("div", { class: "panel" });
  const describe = (node, icicle) => {
    line.replaceChildren(...(node === null ? [icicles.some((other) => other.whole) ? HINT : ""] : [
      el("b", { text: node.data.title }), ` ${node.data.type} ${node.data.detail} · `,
      `${SHOWN[icicle.kind].text(node.value)} ${icicle.name}`.trim(), ` · ${share(node.value, icicle.whole)}`,
      ...(icicle.focus !== icicle.root ? [` · ${share(node.value, icicle.focus.value)} of ${icicle.focus.data.title}`] : []),
    ]));
  };
  const HINT = "Click a module or press Enter to zoom in, again to zoom out; use the arrow keys to move.";
  const wholeOf = (icicle) => {
    const most = Math.max(...icicles.map((other) => other.whole));
    return most ? icicle.whole / most : 1;
  };
  const onZoom = (focus, icicle) => {
    for (const other of icicles) {
      if (other === icicle) continue;
      const same = other.byPath.get(focus.data.path);
      other.zoom(same ?? other.root, false);
    }
    lead(icicle);
    if (focus !== icicle.root) revealed(focus.data.path);
  };
  const icicles = sides.map((side) => new Icicle({
    host: panel, side, colorOf, wholeOf, describe, onZoom, heading: sides.length > 1 ? side.title : "",
  }));
  const lead = (icicle) => {
    const way = icicle.focus.ancestors().reverse();
    crumbs.replaceChildren(...way.flatMap((node, place) => [
      ...(place ? [el("i", { text: "›", "aria-hidden": "true" })] : []),
      place === way.length - 1
        ? el("span", { text: node.data.label, "aria-current": "location" })
        : el("button", { type: "button", text: node.data.label, onclick: () => icicle.zoom(node) }),
    ]));
  };
  const show = (key) => {
    // The common scale needs the totals of all sides, so all are computed first.
    for (const icicle of icicles) { icicle.wholeOf = () => 1; icicle.show(key); }
    for (const icicle of icicles) { icicle.wholeOf = wholeOf; icicle.draw(); }
    lead(icicles[0]);
    describe(null);
    legend.hidden = !icicles.some((icicle) => icicle.whole);
  };
  host.append(
    el("div", { class: "tools" }, segments("Figure", figures.map(({ key, title }) => [key, title]), usual, show), crumbs),
    panel, line, legend,
  );
  show(usual);
  new ResizeObserver(() => icicles.forEach((icicle) => icicle.draw())).observe(panel);
  return { icicles, show };
}

function legendOf(items) {
  return el("ul", { class: "legend" }, ...items.map(([color, text]) =>
    el("li", {}, el("span", { class: "swatch", css: { "--c": color } }), text)));
}

function familyLegend(families) {
  const shown = new Set(families);
  return legendOf(data.families.map((name, family) => [familyColor(family), name]).filter((_, family) => shown.has(family)));
}
