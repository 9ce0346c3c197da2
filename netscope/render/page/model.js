/** The payload as rows with parents and children. */
const textOf = (position) => data.texts[position];
const familyColor = (family) => `var(--family-${data.families[family]})`;

function childrenFrom(rows) {
  const above = [];
  for (const row of rows) {
    above.length = row.depth;
    row.parent = above[row.depth - 1] ?? null;
    row.children = [];
    if (row.parent) row.parent.children.push(row);
    above.push(row);
  }
  return rows;
}

function sideOf(raw) {
  const columns = raw.rows;
  const rows = childrenFrom(columns.depth.map((depth, index) => {
    const row = {
      index, depth, label: textOf(columns.label[index]), type: textOf(columns.type[index]),
      detail: textOf(columns.detail[index]), output: textOf(columns.output[index]), family: columns.family[index],
      made: textOf(columns.made[index]), calls: columns.calls[index], bound: Boolean(columns.bound[index]), notes: textOf(columns.notes[index]),
      total: {}, own: {},
    };
    for (const { key } of raw.figures) {
      row.total[key] = columns[key][index];
      row.own[key] = columns[`own_${key}`][index];
    }
    return row;
  }));
  for (const row of rows) {
    row.path = row.parent === null ? "" : row.parent.path ? `${row.parent.path}.${row.label}` : row.label;
    row.title = row.path || row.label;
  }
  for (const row of [...rows].reverse()) findMainFamily(row, raw.figures);
  return { ...raw, rows, root: rows[0], byPath: new Map(rows.map((row) => [row.path, row])) };
}

/** Sets a row's main family: the one with most of its FLOPs, or of its parameters if FLOPs are unknown. */
function findMainFamily(row, figures) {
  row.work = row.children.reduce((sum, child) => sum.map((value, family) => value + child.work[family]), data.families.map(() => 0));
  const { key } = figures.find((figure) => figure.key === "flops") ?? figures[0];
  // The small addend makes the number of layers decide if none has FLOPs.
  row.work[row.family] += row.family === data.container ? 0 : Number(row.own[key] ?? 0) + 1e-6;
  const most = Math.max(...row.work);
  row.mainFamily = row.family === data.container && most > 0 ? row.work.indexOf(most) : row.family;
}

const sides = data.sides.map(sideOf);

/** Returns the tree of a side's rows, in which a run of identical siblings is one node with their sum. */
function foldRuns(side) {
  const starts = new Map(side.runs.map(([first, copies, label]) => [first, { copies, label }]));
  const grouped = (row) => {
    const node = { row, label: row.label, type: row.type, copies: 1, children: [] };
    for (let position = 0; position < row.children.length; position += 1) {
      const run = starts.get(row.children[position].index);
      if (!run) { node.children.push(grouped(row.children[position])); continue; }
      const members = row.children.slice(position, position + run.copies);
      const total = {};
      for (const { key } of side.figures) total[key] = members.reduce((sum, member) => sum + Number(member.total[key]), 0);
      node.children.push({
        row: { ...members[0], total, own: {}, path: null, title: run.label, notes: "" },
        label: run.label, copies: run.copies, children: members.map(grouped),
      });
      position += run.copies - 1;
    }
    return node;
  };
  return grouped(side.root);
}
