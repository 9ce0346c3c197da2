/**
 * The dataflow as a tree of module calls with the ops as leaves, and what is seen of it while some are folded.
 *
 * A module that is called again is another call: successive ops of one module are one call of it. So a folded graph has
 * no cycles, since whatever is read was computed before.
 */
class FlowModel {
  constructor(side) {
    this.ops = side.dataflow.map(([op, row, shape, flops, family, reads]) => ({
      op: textOf(op), row: row < 0 ? null : side.rows[row], shape: textOf(shape), flops, family, reads,
    }));
    this.calls = [];
    this.root = this.add({ kind: "module", row: side.root, parent: null });
    this.root.open = true;
    let open = [this.root];
    this.leaves = this.ops.map((op, index) => {
      if (op.row === null) return this.add({ kind: "input", op, index, parent: this.root });
      const way = [];
      for (let row = op.row; row; row = row.parent) way.unshift(row);
      let shared = 0;
      while (shared < open.length && open[shared].row === way[shared]) shared += 1;
      open = open.slice(0, shared);
      for (const row of way.slice(shared)) open.push(this.add({ kind: "module", row, parent: open[open.length - 1] }));
      return this.add({ kind: "op", op, index, row: op.row, parent: open[open.length - 1] });
    });
    this.readers = this.ops.map(() => []);
    this.ops.forEach((op, index) => op.reads.forEach((read) => this.readers[read].push(index)));
    for (const call of this.calls) {
      // A layer that is a single op says more under its own name.
      call.isLayer = call.kind === "module" && call.children.length === 1 && call.children[0].kind === "op";
      call.folds = call.kind === "module" && !call.isLayer;
    }
    this.countSkips(this.root);
    this.openReadably();
  }

  add(call) {
    const added = { ...call, id: this.calls.length, children: [], open: false };
    this.calls.push(added);
    added.parent?.children.push(added);
    return added;
  }

  /** How many sums and how many concatenations in a call join a branch with what went past it. */
  countSkips(call) {
    call.skips = 0;
    call.joins = 0;
    if (call.kind === "op") {
      if (/^add_?(\.|$)/.test(call.op.op) && this.rejoins(call.op)) call.skips = 1;
      // Stacked is what stands side by side, such as the steps of a recurrence.
      if (/^(cat|concat)/.test(call.op.op) && this.rejoins(call.op, data.families.indexOf("other"))) call.joins = 1;
    }
    call.last = call.kind === "module" ? -1 : call.index;
    call.ops = call.kind === "op" ? 1 : 0;
    call.flops = call.kind === "op" ? Number(call.op.flops ?? 0) : 0;
    for (const child of call.children) {
      this.countSkips(child);
      for (const key of ["skips", "joins", "ops", "flops"]) call[key] += child[key];
      call.last = Math.max(call.last, child.last);
    }
  }

  /**
   * Whether one of what an op reads went into another of them; inputs, which all may read, do not count.
   *
   * A concatenation also puts together again what was taken apart, so there some op of another family than this one has
   * to be on the way.
   */
  rejoins(op, idle = -1) {
    const operands = new Set(op.reads);
    if (operands.size < 2) return false;
    const first = Math.min(...operands);
    const seen = new Set();
    const stack = [];
    const follow = (index, works) => {
      const isAtWork = works || this.ops[index].family !== idle;
      for (const read of this.ops[index].reads) stack.push([read, isAtWork]);
    };
    for (const index of operands) follow(index, false);
    while (stack.length) {
      const [index, works] = stack.pop();
      const key = 2 * index + Number(works);
      if (index < first || seen.has(key)) continue;
      if (works && operands.has(index) && this.ops[index].row !== null) return true;
      seen.add(key);
      follow(index, works);
    }
    return false;
  }

  /** The shape of what leaves a node: of its last op the module's output, which views may have made of it. */
  shapeFrom(node, index) {
    const { shape } = this.ops[index];
    if (node.kind !== "module" || index !== node.last || !node.row.made) return shape;
    const elements = (text) => text.split("×").reduce((product, size) => product * Number(size), 1);
    // A module that is called again may have made something else then.
    return node.row.calls === 1 || elements(node.row.made) === elements(shape) ? node.row.made : shape;
  }

  /** Opens a call, and what it holds alone: a holder of one thing says nothing. */
  open(call) {
    call.open = true;
    while (call.children.length === 1 && call.children[0].folds) { [call] = call.children; call.open = true; }
  }

  close(call) {
    call.open = false;
    const shut = (below) => { below.open = false; below.children.forEach(shut); };
    call.children.forEach(shut);
  }

  /** Level by level, the smallest first, while no more than forty nodes are shown; a level that does not fit ends it. */
  openReadably(most = 40) {
    this.open(this.root);
    let shown = this.seen().length;
    for (;;) {
      // A layer of several ops is read best under its own name.
      const closed = this.seen().filter((call) => call.folds && call.children.some((child) => child.kind === "module")).sort((a, b) => this.width(a) - this.width(b) || a.id - b.id);
      if (!closed.length) return;
      for (const call of closed) {
        const added = this.width(call) - 1;
        if (shown + added > most) return;
        this.open(call);
        shown += added;
      }
    }
  }

  width(call) {
    let within = call;
    while (within.children.length === 1 && within.children[0].folds) [within] = within.children;
    return within.children.length;
  }

  /** What is seen now: folded calls, layers, ops and inputs. */
  seen() {
    const found = [];
    const walk = (call) => {
      if (call.kind !== "module" || call.isLayer || !call.open) found.push(call);
      else call.children.forEach(walk);
    };
    walk(this.root);
    return found;
  }

  /**
   * The levels of what is seen: the root's and one for each open call, each with its items and the edges between them.
   *
   * What crosses the border of an open call goes through a port of it, one for each node outside or inside that it comes
   * from. So each level is laid out by itself, and a thousand ops cost little more than what each of them costs.
   */
  levels() {
    const nodes = this.seen();
    const stands = new Array(this.ops.length);
    const cover = (call, node) => {
      if (call.kind === "module") call.children.forEach((child) => cover(child, node));
      else stands[call.index] = node;
    };
    nodes.forEach((node) => cover(node, node));
    const levels = new Map();
    const levelOf = (call) => {
      if (!levels.has(call)) levels.set(call, { call, edges: new Map(), ins: new Map(), outs: new Map(), ends: [] });
      return levels.get(call);
    };
    levelOf(this.root);
    this.ops.forEach((op, index) => {
      for (const read of op.reads) {
        if (stands[read] !== stands[index]) this.connect(stands[read], stands[index], this.shapeFrom(stands[read], read), levelOf);
      }
    });
    const ends = nodes.filter((node) => node.kind !== "input" && this.shapesLeft(node, stands).size);
    if (ends.length <= 4) {
      for (const node of ends) {
        const end = { kind: "end", id: `end${node.id}`, parent: this.root, children: [] };
        levelOf(this.root).ends.push(end);
        for (const shape of this.shapesLeft(node, stands)) this.connect(node, end, shape, levelOf);
      }
    }
    for (const level of levels.values()) this.markSkips(level);
    return { nodes, levels, levelOf };
  }

  /** How many edges all levels together would have if everything were unfolded. */
  edgesUnfolded() {
    const met = new Set();
    const shown = (leaf) => (leaf.parent.isLayer ? leaf.parent : leaf);
    this.ops.forEach((op, index) => {
      for (const read of op.reads) {
        const from = shown(this.leaves[read]);
        const around = new Set();
        for (let box = from.parent; box; box = box.parent) around.add(box);
        let end = shown(this.leaves[index]);
        for (; !around.has(end.parent); end = end.parent) met.add(`${from.id}>${end.id}`);
        met.add(`${from.id}>${end.id}`);
        for (let start = from; start.parent !== end.parent; start = start.parent) met.add(`${start.id}<${from.id}`);
      }
    });
    return met.size;
  }

  /** Shapes of what a node makes and no op reads. */
  shapesLeft(node) {
    return new Set(this.opsOf(node).filter((index) => !this.readers[index].length).map((index) => this.shapeFrom(node, index)));
  }

  opsOf(call) {
    return call.kind === "module" ? call.children.flatMap((child) => this.opsOf(child)) : [call.index];
  }

  /** An edge from one node to another: out through the ports of what is around the one, into those of the other. */
  connect(from, to, shape, levelOf) {
    const around = new Set();
    for (let box = from.parent; box; box = box.parent) around.add(box);
    let shared = to.parent;
    while (!around.has(shared)) shared = shared.parent;
    const port = (ports, way) => {
      if (!ports.has(from.id)) ports.set(from.id, { kind: "port", way, id: `${way}${from.id}`, children: [] });
      return ports.get(from.id);
    };
    const join = (level, start, end) => {
      const key = `${start.id}>${end.id}`;
      if (!level.edges.has(key)) level.edges.set(key, { start, end, from, readers: new Set(), shapes: new Set() });
      level.edges.get(key).readers.add(to);
      level.edges.get(key).shapes.add(shape);
    };
    let start = from;
    for (; start.parent !== shared; start = start.parent) {
      const level = levelOf(start.parent);
      join(level, start, port(level.outs, "out"));
    }
    let end = to;
    for (; end.parent !== shared; end = end.parent) {
      const level = levelOf(end.parent);
      join(level, port(level.ins, "in"), end);
    }
    join(levelOf(shared), start, end);
  }

  /** An edge is a skip if there is also a longer way between its ends. */
  markSkips(level) {
    const into = new Map();
    for (const edge of level.edges.values()) {
      if (!into.has(edge.end)) into.set(edge.end, []);
      into.get(edge.end).push(edge);
    }
    const ranks = new Map();
    const rank = (item) => {
      if (!ranks.has(item)) {
        ranks.set(item, 0);
        ranks.set(item, Math.max(0, ...(into.get(item) ?? []).map((edge) => rank(edge.start) + 1)));
      }
      return ranks.get(item);
    };
    for (const edge of level.edges.values()) rank(edge.end);
    for (const edge of level.edges.values()) {
      edge.isSkip = ranks.get(edge.end) - rank(edge.start) > 1 && edge.from.kind !== "input" && this.isPassed(edge, into, ranks);
    }
  }

  isPassed(edge, into, ranks) {
    const seen = new Set();
    const stack = into.get(edge.end).filter((other) => other !== edge).map((other) => other.start);
    while (stack.length) {
      const item = stack.pop();
      if (item === edge.start) return true;
      if (seen.has(item) || ranks.get(item) <= ranks.get(edge.start)) continue;
      seen.add(item);
      stack.push(...(into.get(item) ?? []).map((other) => other.start));
    }
    return false;
  }
}
