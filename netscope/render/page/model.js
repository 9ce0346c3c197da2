/** The payload as rows that know their parents and children. */
const data = JSON.parse(document.getElementById("data").textContent);
const textOf = (position) => data.texts[position];
const HOLDER = data.families.indexOf("holds others");

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
  for (const row of [...rows].reverse()) settleWork(row, raw.figures);
  return { ...raw, rows, root: rows[0], byPath: new Map(rows.map((row) => [row.path, row])) };
}

/** What a module mostly does: the family of work that most of its FLOPs go into, or else of its parameters. */
function settleWork(row, figures) {
  row.work = row.children.reduce((sum, child) => sum.map((value, family) => value + child.work[family]), data.families.map(() => 0));
  const { key } = figures.find((figure) => figure.key === "flops") ?? figures[0];
  // Among layers that cost nothing, the number of them decides.
  row.work[row.family] += row.family === HOLDER ? 0 : Number(row.own[key] ?? 0) + 1e-6;
  const most = Math.max(...row.work);
  row.mostly = row.family === HOLDER && most > 0 ? row.work.indexOf(most) : row.family;
}

const sides = data.sides.map(sideOf);

/** The rows below a run of identical siblings: the run stands for their sum and opens to them. */
function withRuns(side) {
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
