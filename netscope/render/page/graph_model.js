/**
 * The dataflow as a tree of module calls whose leaves are ops, and the part of it that is visible while calls are folded.
 *
 * Successive ops of one module are one call; a module that runs again is another call. So a folded graph has no cycles:
 * every op reads only results of earlier ops.
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
      // A layer with a single op is shown under its own name, not as a box around the op.
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

  /** Counts the sums and the concatenations in a call that join a branch with a skip connection. */
  countSkips(call) {
    call.skips = 0;
    call.joins = 0;
    if (call.kind === "op") {
      if (/^add_?(\.|$)/.test(call.op.op) && this.rejoins(call.op)) call.skips = 1;
      // A stack joins independent tensors, such as the steps of a recurrence, so it is no skip connection.
      if (/^(cat|concat)/.test(call.op.op) && this.rejoins(call.op, data.other)) call.joins = 1;
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
   * Whether one operand of an op was computed from another one. Model inputs, which anything may read, do not count.
   *
   * A concatenation may also rejoin the parts of a split tensor. So for concatenations, an op of a family other than
   * `idle` must lie on the path.
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

  /** Returns the shape that leaves a node: after its last op the module's output, which may be a view of the op's. */
  shapeFrom(node, index) {
    const { shape } = this.ops[index];
    if (node.kind !== "module" || index !== node.last || !node.row.made) return shape;
    const elements = (text) => text.split("×").reduce((product, size) => product * Number(size), 1);
    // Each call of a module may have had another output shape.
    return node.row.calls === 1 || elements(node.row.made) === elements(shape) ? node.row.made : shape;
  }

  /** Opens a call, and its child if that is the only one. */
  open(call) {
    call.open = true;
    while (call.children.length === 1 && call.children[0].folds) { [call] = call.children; call.open = true; }
  }

  close(call) {
    call.open = false;
    const shut = (below) => { below.open = false; below.children.forEach(shut); };
    call.children.forEach(shut);
  }

  /** Opens calls level by level, the smallest first, while at most `most` nodes are visible. */
  openReadably(most = 40) {
    this.open(this.root);
    let shown = this.visible().length;
    for (;;) {
      // A layer of several ops, without modules in it, stays closed under its own name.
      const closed = this.visible().filter((call) => call.folds && call.children.some((child) => child.kind === "module")).sort((a, b) => this.width(a) - this.width(b) || a.id - b.id);
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

  /** Returns the visible nodes: folded calls, layers, ops and inputs. */
  visible() {
    const found = [];
    const walk = (call) => {
      if (call.kind !== "module" || call.isLayer || !call.open) found.push(call);
      else call.children.forEach(walk);
    };
    walk(this.root);
    return found;
  }

  /**
   * Returns the visible levels: the root and each open call, with their items and the edges between these.
   *
   * An edge that crosses the border of an open call goes through a port, one for each node that it comes from. So each
   * level is laid out separately, and the time grows about linearly with the number of ops.
   */
  levels() {
    const nodes = this.visible();
    const nodeOfOp = new Array(this.ops.length);
    const cover = (call, node) => {
      if (call.kind === "module") call.children.forEach((child) => cover(child, node));
      else nodeOfOp[call.index] = node;
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
        if (nodeOfOp[read] !== nodeOfOp[index]) this.connect(nodeOfOp[read], nodeOfOp[index], this.shapeFrom(nodeOfOp[read], read), levelOf);
      }
    });
    const ends = nodes.filter((node) => node.kind !== "input" && this.outputShapes(node).size);
    if (ends.length <= 4) {
      for (const node of ends) {
        const end = { kind: "end", id: `end${node.id}`, parent: this.root, children: [] };
        levelOf(this.root).ends.push(end);
        for (const shape of this.outputShapes(node)) this.connect(node, end, shape, levelOf);
      }
    }
    for (const level of levels.values()) this.markSkips(level);
    return { nodes, levels, levelOf };
  }

  /** Returns the number of edges on all levels if everything were unfolded. */
  edgesUnfolded() {
    const found = new Set();
    const shown = (leaf) => (leaf.parent.isLayer ? leaf.parent : leaf);
    this.ops.forEach((op, index) => {
      for (const read of op.reads) {
        const from = shown(this.leaves[read]);
        const around = new Set();
        for (let box = from.parent; box; box = box.parent) around.add(box);
        let end = shown(this.leaves[index]);
        for (; !around.has(end.parent); end = end.parent) found.add(`${from.id}>${end.id}`);
        found.add(`${from.id}>${end.id}`);
        for (let start = from; start.parent !== end.parent; start = start.parent) found.add(`${start.id}<${from.id}`);
      }
    });
    return found.size;
  }

  /** Returns the shapes of a node's results that no op reads. */
  outputShapes(node) {
    return new Set(this.opsOf(node).filter((index) => !this.readers[index].length).map((index) => this.shapeFrom(node, index)));
  }

  opsOf(call) {
    return call.kind === "module" ? call.children.flatMap((child) => this.opsOf(child)) : [call.index];
  }

  /** Adds an edge: out through the ports of the calls around its start, in through those around its end. */
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

  /** Marks the edges between whose ends there is also a longer path. */
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
      edge.isSkip = ranks.get(edge.end) - rank(edge.start) > 1 && edge.from.kind !== "input" && this.hasLongerPath(edge, into, ranks);
    }
  }

  hasLongerPath(edge, into, ranks) {
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
