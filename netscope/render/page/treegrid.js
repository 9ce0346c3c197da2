/**
 * A table whose rows form a tree. Only rows in view are in the DOM, so ten thousand cost no more than fifty. The table
 * itself has the focus and names the active row (aria-activedescendant), which may scroll out of view and back.
 */
class TreeGrid {
  constructor({ host, tools, label, columns, root, classOf, notesOf, keep }) {
    Object.assign(this, { columns, root, classOf, notesOf, keep: keep ?? (() => true), sort: null, query: "", only: false });
    this.id = `grid-${label.replace(/\W/g, "-").toLowerCase()}`;
    this.height = matchMedia("(pointer: coarse)").matches ? 40 : 30;
    this.nodes = [];
    this.number(root, null, 1);
    this.body = el("tbody");
    this.cols = columns.map((column) => el("col", { css: { width: `${column.width}px` } }));
    this.heads = columns.map((column) => this.head(column));
    this.table = el(
      "table", { role: "treegrid", tabindex: 0, "aria-label": label, id: this.id, css: { "--row": `${this.height}px` } },
      el("colgroup", {}, ...this.cols),
      el("thead", {}, el("tr", { role: "row", "aria-rowindex": 1 }, ...this.heads)), this.body,
    );
    this.wide = columns.reduce((sum, column) => sum + column.width, 0);
    this.table.style.minWidth = `${this.wide}px`;
    this.box = el("div", { class: "grid panel" }, this.table);
    this.addTools(tools);
    host.append(this.box);
    this.listen();
    this.active = root;
    this.refresh();
  }

  number(node, parent, level) {
    Object.assign(node, { parent, level, position: this.nodes.length, open: node.open ?? false });
    this.nodes.push(node);
    for (const child of node.children) this.number(child, node, level + 1);
  }

  head(column) {
    const button = el("button", { type: "button", text: column.title, onclick: () => this.sortBy(column) });
    button.title = column.about ?? `Sort by ${column.title || "this"}`;
    if (!column.title) button.setAttribute("aria-label", column.about ?? column.key);
    return el("th", {
      role: "columnheader", scope: "col", "aria-sort": "none",
      class: [column.key === "name" ? "name" : "", column.right ? "right" : ""].join(" ").trim(),
    }, button);
  }

  addTools(tools) {
    this.input = el("input", { type: "search", placeholder: "Search path or type", "aria-label": "Search layers by path or type", "aria-keyshortcuts": "/" });
    this.status = el("span", { class: "status", role: "status", "aria-live": "polite" });
    this.unsort = el("button", { type: "button", text: "Back to the tree", hidden: true, onclick: () => this.sortBy(null) });
    tools.append(
      this.input,
      el("button", { type: "button", text: "Expand all", onclick: () => this.openAll(true) }),
      el("button", { type: "button", text: "Collapse all", onclick: () => this.openAll(false) }),
      this.unsort, this.status,
    );
    this.input.addEventListener("input", () => this.search(this.input.value));
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); this.nextMatch(event.shiftKey ? -1 : 1); }
      if (event.key === "Escape" && this.input.value) { this.input.value = ""; this.search(""); }
    });
  }

  listen() {
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.table.addEventListener("keydown", (event) => { if (event.target === this.table) this.onKey(event); });
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-position]");
      if (!row) return;
      const node = this.nodes[row.dataset.position];
      const opens = event.target.closest(".name") && node.children.length && !this.sort;
      this.activate(node, false);
      if (opens) this.toggle(node);
    });
    this.body.addEventListener("pointerover", (event) => {
      const row = event.target.closest("tr[data-position]");
      if (row) pointing.set(this.nodes[row.dataset.position].row.path);
    });
    this.body.addEventListener("pointerleave", () => pointing.set(null));
    pointing.subscribe((path) => this.link(path));
  }

  isShown(node) {
    return this.keep(node, this.only);
  }

  /** Returns the rows in order: the open part of the tree, or sorted, the modules with values of their own. */
  listed() {
    if (this.sort) {
      const { column, down } = this.sort;
      const kept = this.nodes.filter((node) => (node.copies ?? 1) === 1 && this.isShown(node) && (node.works ?? true));
      const key = (node) => column.sortValue(node);
      return kept.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
        return (down ? -order : order) || a.position - b.position;
      });
    }
    const rows = [];
    const walk = (node) => {
      if (!this.isShown(node)) return;
      rows.push(node);
      if (node.open) node.children.forEach(walk);
    };
    walk(this.root);
    return rows;
  }

  refresh() {
    this.rows = this.listed();
    this.indexOfRow = new Map(this.rows.map((node, index) => [node, index]));
    while (this.active && !this.indexOfRow.has(this.active)) this.active = this.active.parent;
    this.active ??= this.rows[0] ?? null;
    this.box.classList.toggle("whole", this.rows.length <= 40);
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    this.drawnRange = null;
    this.draw();
  }

  draw(everything = this.everything) {
    const view = this.box.clientHeight || 600;
    const few = everything || this.rows.length <= 60;
    const first = few ? 0 : Math.max(0, Math.floor(this.box.scrollTop / this.height) - 12);
    const last = few ? this.rows.length : Math.min(this.rows.length, first + Math.ceil(view / this.height) + 26);
    const key = `${first}-${last}`;
    if (this.drawnRange === key) return;
    this.drawnRange = key;
    const gap = (rows) => (rows ? [el("tr", { class: "gap", "aria-hidden": "true" }, el("td", { colspan: this.columns.length, css: { height: `${rows * this.height}px` } }))] : []);
    this.body.replaceChildren(
      ...gap(first), ...this.rows.slice(first, last).map((node, offset) => this.line(node, first + offset)),
      ...gap(this.rows.length - last),
    );
    this.mark();
    this.link(pointing.at);
  }

  line(node, index) {
    const row = el("tr", {
      role: "row", id: `${this.id}-${node.position}`, "data-position": node.position, "aria-rowindex": index + 2,
      "aria-level": this.sort ? 1 : node.level, class: this.classOf(node),
      "aria-expanded": node.children.length && !this.sort ? String(node.open) : null,
    });
    for (const column of this.columns) {
      const isName = column.key === "name";
      const cell = el(isName ? "th" : "td", {
        role: isName ? "rowheader" : "gridcell", scope: isName ? "row" : null,
        class: `${column.right ? "right " : ""}${column.class ?? (isName ? "name" : "")}`,
      });
      column.fill(cell, node, this);
      row.append(cell);
    }
    return row;
  }

  /** Fills the cell of a name: indent, sign or color, label with the search's matches, and repetitions. */
  fillName(cell, node, { mark = null, color = null } = {}) {
    const indent = this.sort ? 0 : (node.level - 1) * 15;
    cell.style.paddingLeft = `${8 + indent}px`;
    const name = this.sort ? node.row.title : node.label;
    cell.title = [node.row.title, this.notesOf?.(node)].filter(Boolean).join("\n");
    cell.append(
      node.children.length && !this.sort ? el("span", { class: "twist", "aria-hidden": "true", text: "›" }) : el("span", { class: "twist" }),
      ...(mark === null ? [] : [el("span", { class: "sign", text: mark })]),
      ...(color === null ? [] : [el("span", { class: "dot", css: { "--c": color } })]),
      this.lit("label", name),
    );
    const times = (node.copies ?? 1) * (node.row.calls || 1);
    if (times > 1) cell.append(el("span", { class: "times", text: `×${times}` }));
  }

  lit(className, text) {
    const at = this.query ? text.toLowerCase().indexOf(this.query) : -1;
    if (at < 0) return el("span", { class: className, text });
    const end = at + this.query.length;
    return el("span", { class: className }, text.slice(0, at), el("mark", { text: text.slice(at, end) }), text.slice(end));
  }

  mark() {
    for (const row of this.body.querySelectorAll("tr.active")) { row.classList.remove("active"); row.removeAttribute("aria-selected"); }
    const row = this.active && document.getElementById(`${this.id}-${this.active.position}`);
    if (row) {
      row.classList.add("active");
      row.setAttribute("aria-selected", "true");
      this.table.setAttribute("aria-activedescendant", row.id);
    } else this.table.removeAttribute("aria-activedescendant");
  }

  /** Highlights the row of a layer, or of its nearest visible ancestor. */
  link(path) {
    for (const row of this.body.querySelectorAll("tr.linked")) row.classList.remove("linked");
    if (path === null || path === undefined) return;
    let node = this.nodeOf(path);
    while (node && !this.indexOfRow.has(node)) node = node.parent;
    if (node) document.getElementById(`${this.id}-${node.position}`)?.classList.add("linked");
  }

  nodeOf(path) {
    this.byPath ??= new Map(this.nodes.filter((node) => node.row.path !== null).flatMap((node) => (node.paths ?? [node.row.path]).map((name) => [name, node])));
    return this.byPath.get(path);
  }

  activate(node, scroll = true) {
    this.active = node;
    if (scroll) {
      const top = this.indexOfRow.get(node) * this.height;
      const { scrollTop, clientHeight } = this.box;
      if (top < scrollTop) this.box.scrollTop = top;
      else if (top + 2 * this.height + 36 > scrollTop + clientHeight) this.box.scrollTop = top - clientHeight + 2 * this.height + 36;
      this.draw();
    }
    this.mark();
    if (document.activeElement === this.table) pointing.set(node.row.path);
  }

  /** Opens the ancestors of a layer, and makes it the active row. */
  reveal(path) {
    const node = this.nodeOf(path);
    if (!node) return;
    for (let above = node.parent; above; above = above.parent) above.open = true;
    if (this.sort) this.sortBy(null);
    this.refresh();
    this.activate(node);
  }

  toggle(node, open = !node.open) {
    node.open = open;
    this.refresh();
  }

  openAll(open) {
    for (const node of this.nodes) node.open = open;
    this.root.open = true;
    this.sort = null;
    this.afterSort();
    this.status.textContent = open ? `${count(this.rows.length)} rows` : "";
  }

  sortBy(column) {
    if (column === null) this.sort = null;
    else if (this.sort?.column !== column) this.sort = { column, down: !column.text };
    else if (this.sort.down === !column.text) this.sort = { column, down: !this.sort.down };
    else this.sort = null;
    this.box.scrollTop = 0;
    this.afterSort();
    this.status.textContent = this.sort ? `${count(this.rows.length)} modules, each with its own values` : "";
  }

  afterSort() {
    this.unsort.hidden = !this.sort;
    this.columns.forEach((column, index) => {
      const isIt = this.sort?.column === column;
      this.heads[index].setAttribute("aria-sort", isIt ? (this.sort.down ? "descending" : "ascending") : "none");
    });
    this.refresh();
  }

  search(text) {
    this.query = text.trim().toLowerCase();
    this.matches = !this.query ? [] : this.nodes.filter((node) => node.row.path !== null && this.isMatch(node));
    for (const match of this.matches) {
      for (let above = match.parent; above; above = above.parent) above.open = true;
    }
    this.refresh();
    if (!this.query) this.status.textContent = "";
    else {
      this.status.textContent = this.matches.length === 1 ? "1 layer found" : `${count(this.matches.length)} layers found`;
      const first = this.matches.find((node) => this.indexOfRow.has(node));
      if (first) this.activate(first);
    }
  }

  /** Whether the query is in a node's name or type, or in its path if the query has a dot. */
  isMatch(node) {
    const { query } = this;
    return node.label.toLowerCase().includes(query) || node.row.type.toLowerCase().includes(query)
      || (query.includes(".") && node.row.title.toLowerCase().includes(query));
  }

  nextMatch(step) {
    const listed = (this.matches ?? []).filter((node) => this.indexOfRow.has(node));
    if (!listed.length) return;
    const index = (listed.indexOf(this.active) + step + listed.length) % listed.length;
    this.activate(listed[index]);
    this.status.textContent = `${index + 1} of ${listed.length} found`;
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.active) return;
    const index = this.indexOfRow.get(this.active);
    const node = this.active;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 2);
    const go = (to) => this.activate(this.rows[Math.min(Math.max(to, 0), this.rows.length - 1)]);
    const keys = {
      ArrowDown: () => go(index + 1),
      ArrowUp: () => go(index - 1),
      PageDown: () => go(index + page),
      PageUp: () => go(index - page),
      Home: () => go(0),
      End: () => go(this.rows.length - 1),
      ArrowRight: () => {
        if (!node.children.length || this.sort) return;
        if (node.open) go(index + 1); else this.toggle(node, true);
      },
      ArrowLeft: () => {
        if (node.open && node.children.length && !this.sort) this.toggle(node, false);
        else if (node.parent && this.indexOfRow.has(node.parent)) this.activate(node.parent);
      },
      Enter: () => { if (node.children.length && !this.sort) this.toggle(node); },
      " ": () => { if (node.children.length && !this.sort) this.toggle(node); },
    };
    if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
    else if (event.key.length === 1 && event.key !== "/") { this.typed(event.key); event.preventDefault(); }
  }

  /** Moves to the next row that begins with the typed letters. */
  typed(key) {
    const now = Date.now();
    this.letters = now - (this.typedAt ?? 0) < 700 ? this.letters + key.toLowerCase() : key.toLowerCase();
    this.typedAt = now;
    const start = this.indexOfRow.get(this.active) + (this.letters.length === 1 ? 1 : 0);
    for (let step = 0; step < this.rows.length; step += 1) {
      const node = this.rows[(start + step) % this.rows.length];
      if (node.label.toLowerCase().startsWith(this.letters)) { this.activate(node); return; }
    }
  }

  /** Opens everything for printing, and restores the state afterwards. */
  forPrint(on) {
    if (on) {
      this.openBeforePrint ??= this.nodes.map((node) => node.open);
      for (const node of this.nodes) node.open = true;
    } else if (this.openBeforePrint) {
      this.nodes.forEach((node, index) => { node.open = this.openBeforePrint[index]; });
      this.openBeforePrint = null;
    }
    this.table.style.minWidth = on ? "0" : `${this.wide}px`;
    this.cols.forEach((col, index) => {
      const { width } = this.columns[index];
      col.style.width = on ? `${100 * width / this.wide}%` : `${width}px`;
    });
    this.everything = on;
    this.refresh();
  }
}
