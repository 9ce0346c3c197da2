/** The columns of the two tables: the layers of an architecture, and two aligned architectures. */
const kindColor = (kind) => `var(--${kind})`;

function nameWidth(nodes) {
  const longest = Math.max(...nodes.map((node) => 15 * node.depth + 7.4 * (node.label.length + (node.copies > 1 ? 4 : 0))));
  const most = innerWidth < 640 ? 172 : 380;
  return Math.min(Math.max(longest + 76, 150), most);
}

/** Returns the width of the longest text, within limits. */
function widthFor(texts, least, most) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `14.4px ${getComputedStyle(document.body).fontFamily}`;
  const longest = [...texts].sort((a, b) => b.length - a.length).slice(0, 12);
  return Math.min(Math.max(Math.max(...longest.map((text) => pen.measureText(text).width)) + 20, least), most);
}

function percentCell(cell, part, whole) {
  const text = share(part, whole);
  if (!text) return;
  const filled = el("i", { css: { width: `${Math.min(100, 100 * Number(part) / Number(whole))}%` } });
  cell.append(el("span", { class: "bar", "aria-hidden": "true" }, filled), el("span", { class: "percent", text }));
}

function figureCell(cell, value, kind, bound = false) {
  if (value === null || value === undefined || (!Number(value) && !bound)) {
    cell.append(el("span", { class: "nothing", text: NOTHING, "aria-label": "none" }));
    return;
  }
  const text = `${bound ? "≥ " : ""}${SHOWN[kind].text(value)}`;
  const exact = `${bound ? "at least " : ""}${SHOWN[kind].exact(value)}`;
  cell.title = exact;
  cell.append(text === exact ? text : el("data", { value: String(value), text }));
}

function allNodes(root) {
  return [root, ...root.children.flatMap(allNodes)];
}

function layerGrid(side, host, tools) {
  const root = foldRuns(side);
  const nodes = allNodes(root);
  for (const node of nodes) {
    node.depth = node.row.depth;
    node.works = node.row === side.root || Object.values(node.row.own).some(Number);
  }
  openReadably(root, nodes);
  const figures = (node, grid) => (grid.sort ? node.row.own : node.row.total);
  const columns = [
    {
      key: "name", title: "Layer", text: true, width: nameWidth(nodes), sortValue: (node) => node.row.title,
      fill: (cell, node, grid) => grid.fillName(cell, node, { color: node.row.family === data.container ? null : familyColor(node.row.family) }),
    },
    {
      key: "type", title: "Type", text: true, width: 250, class: "type", sortValue: (node) => node.row.type,
      fill: (cell, node, grid) => {
        cell.append(grid.lit("", node.row.type));
        if (node.row.detail) cell.append(" ", el("span", { class: "detail", text: node.row.detail }));
        cell.title = `${node.row.type} ${node.row.detail}`.trim();
      },
    },
    {
      key: "output", title: "Output", text: true, width: 142, sortValue: (node) => node.row.output,
      fill: (cell, node) => { cell.textContent = node.row.output; cell.title = node.row.output; },
    },
    ...side.figures.flatMap(({ key, title, kind, bounded }) => {
      const whole = side.root.total[key];
      return [
        {
          key, title, right: true, width: kind === "count" ? 122 : 112, about: `Sort by own ${title}`,
          sortValue: (node) => Number(node.row.own[key] ?? 0),
          fill: (cell, node, grid) => figureCell(cell, figures(node, grid)[key], kind, bounded && node.row.bound),
        },
        ...(kind === "bytes" && !side.trained ? [] : [{
          key: `${key}-share`, title: `% ${title}`, width: 128, about: `Sort by own share of ${title}`,
          sortValue: (node) => Number(node.row.own[key] ?? 0),
          fill: (cell, node, grid) => percentCell(cell, figures(node, grid)[key], whole),
        }]),
      ];
    }),
  ];
  return new TreeGrid({
    host, tools, label: "Layers", columns, root,
    classOf: (node) => [node.row.family === data.container ? "container" : "", node.row.calls ? "" : "idle"].join(" ").trim(),
    notesOf: (node) => node.row.notes,
  });
}

/** Opens the tree level by level while it stays within `most` rows. */
function openReadably(root, nodes, most = 48) {
  let shown = 1;
  const levels = new Map();
  for (const node of nodes) {
    const level = depthOf(node, root);
    if (!levels.has(level)) levels.set(level, []);
    levels.get(level).push(node);
  }
  for (const [, level] of [...levels].sort((a, b) => a[0] - b[0])) {
    const holders = level.filter((node) => node.children.length);
    const added = holders.reduce((sum, node) => sum + node.children.length, 0);
    if (shown > 1 && shown + added > most) return;
    shown += added;
    for (const node of holders) if (node.copies === 1) node.open = true;
  }
}

function depthOf(node, root) {
  if (node.treeDepth === undefined) {
    root.treeDepth = 0;
    const walk = (above) => above.children.forEach((below) => { below.treeDepth = above.treeDepth + 1; walk(below); });
    walk(root);
  }
  return node.treeDepth;
}

function diffNodes() {
  const raw = data.diff.rows;
  const rows = childrenFrom(raw.depth.map((depth, index) => {
    const before = sides[0].rows[raw.before[index]] ?? null;
    const after = sides[1].rows[raw.after[index]] ?? null;
    const kind = data.kinds[raw.kind[index]];
    const figures = {};
    for (const { key } of data.diff.figures) {
      figures[key] = {
        total: [raw[`${key}_before`][index], raw[`${key}_after`][index]].map(Number),
        own: [raw[`own_${key}_before`][index], raw[`own_${key}_after`][index]].map(Number),
      };
    }
    const shown = after ?? before;
    return {
      depth, index, kind, figures, before, after, label: textOf(raw.label[index]), was: textOf(raw.was[index]),
      change: textOf(raw.change[index]), output: textOf(raw.output[index]), mark: textOf(raw.mark[index]),
      isSame: Boolean(raw.same[index]), isQuiet: Boolean(raw.quiet[index]), isWhole: Boolean(raw.whole[index]),
      row: { path: shown.path, title: shown.title, type: shown.type, calls: 1, notes: "" },
      paths: [...new Set([after?.path, before?.path].filter((path) => path !== undefined))],
    };
  }));
  const roots = rows.filter((row) => row.parent === null);
  for (const node of rows) {
    const isChanged = (figures) => figures.own[0] !== figures.own[1];
    node.works = node.kind !== "same" || Object.values(node.figures).some(isChanged);
  }
  return { rows, roots };
}

function diffGrid({ rows, roots }, host, tools) {
  const root = roots[0];
  // Modules that only one side has may be next to the root.
  root.children.push(...roots.slice(1));
  for (const node of rows) node.open = node === root || (!(node.isSame && node.isQuiet) && !node.isWhole && rows.length < 4000 && !node.isSame);
  const figures = (node, key, grid) => node.figures[key][grid.sort ? "own" : "total"];
  const pairText = (node, key, kind, which) => {
    const [was, now] = node.figures[key][which];
    const there = node.kind === "added" ? [now] : node.kind === "removed" ? [was] : [was, now];
    return [...new Set(there.map((value) => (value ? SHOWN[kind].text(value) : "0")))].join(" → ");
  };
  const deltaTexts = (node, key, kind, which) => {
    const [was, now] = node.figures[key][which];
    return [signed(now - was, SHOWN[kind].text), change(now - was, was)];
  };
  const pair = ({ key, title, kind }) => [
    {
      key, title, right: true, width: widthFor(rows.map((node) => pairText(node, key, kind, "total")), 90, 320), about: `Sort by the larger own ${title}`,
      sortValue: (node) => Math.max(...node.figures[key].own),
      fill: (cell, node, grid) => {
        const [was, now] = figures(node, key, grid);
        const text = pairText(node, key, kind, grid.sort ? "own" : "total");
        if (text === "0") cell.append(el("span", { class: "nothing", text: NOTHING }));
        else cell.textContent = text;
        cell.title = was === now ? count(now) : `${count(was)} → ${count(now)}`;
      },
    },
    {
      key: `${key}-delta`, title: `Δ ${title}`, width: widthFor(rows.map((node) => deltaTexts(node, key, kind, "total").join(" ")), 100, 260), right: true, about: `Sort by the difference in own ${title}`,
      sortValue: (node) => Math.abs(node.figures[key].own[1] - node.figures[key].own[0]),
      fill: (cell, node, grid) => {
        const [was, now] = figures(node, key, grid);
        const delta = now - was;
        cell.title = delta ? signed(delta, count) : "";
        if (!delta) { cell.append(el("span", { class: "nothing", text: NOTHING })); return; }
        const [text, part] = deltaTexts(node, key, kind, grid.sort ? "own" : "total");
        cell.append(el("span", { class: delta > 0 ? "more" : "less", text }), " ", el("span", { class: "faint", text: part }));
      },
    },
  ];
  const columns = [
    {
      key: "name", title: "Layer", text: true, width: nameWidth(rows) + 24, sortValue: (node) => node.row.title,
      fill: (cell, node, grid) => {
        grid.fillName(cell, node, { mark: node.mark });
        cell.append(el("span", { class: "hidden-label", text: ` (${node.kind})` }));
        if (node.was) cell.append(el("span", { class: "times", text: `was ${node.was}` }));
      },
    },
    {
      key: "change", title: "What changed", text: true, width: widthFor(rows.map((node) => node.change), 140, 330), class: "change", sortValue: (node) => node.change || "￿",
      fill: (cell, node) => { cell.textContent = node.change; cell.title = node.change; },
    },
    {
      key: "output", title: "Output", text: true, width: widthFor(rows.map((node) => node.output), 130, 290), sortValue: (node) => node.output,
      fill: (cell, node) => { cell.textContent = node.output; cell.title = node.output; },
    },
    ...data.diff.figures.flatMap(pair),
  ];
  const grid = new TreeGrid({
    host, tools, label: "Aligned layers", columns, root,
    classOf: (node) => [node.mark ? node.kind : "", node.isQuiet ? "idle" : ""].join(" ").trim(),
    keep: (node, only) => !only || !node.isSame || node === root,
  });
  const box = el("input", {
    type: "checkbox", onchange: () => { grid.only = box.checked; grid.refresh(); grid.status.textContent = box.checked ? `${count(grid.rows.length)} rows` : ""; },
  });
  grid.input.after(el("label", { class: "check" }, box, "Only what changed"));
  return grid;
}
