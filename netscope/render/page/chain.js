/** The chain of shapes from input to output, to scale: a box is as high as its feature map and as wide as its channels. */
const CHAIN = { high: 190, wide: 128, depth: 0.34, bar: 150, gap: 18, top: 16, label: 62 };
const SMALLEST = 12;

/** Returns how a shape without its batch is read: as a feature map (channels first or last), a sequence or a vector. */
function figureOf({ shape, channelsFirst }) {
  const sizes = shape.length > 1 ? shape.slice(1) : shape;
  if (sizes.length >= 3) {
    const [first, second] = sizes;
    const last = sizes[sizes.length - 1];
    const isLast = sizes.length === 3 && first === second && second !== last;
    const [channels, space] = isLast ? [last, sizes.slice(0, -1)] : [first, sizes.slice(1)];
    return { form: "map", sizes, channels, height: space[space.length - 2], width: space[space.length - 1] };
  }
  if (sizes.length === 2 && channelsFirst) return { form: "sequence", sizes, channels: sizes[0], height: sizes[1], width: 1 };
  if (sizes.length === 2) return { form: "sequence", sizes, channels: sizes[1], height: sizes[0], width: 1 };
  return { form: "vector", sizes, channels: sizes[0] ?? 1, height: 1, width: 1 };
}

/** Returns a linear scale if the smallest value is still visible on it, otherwise a square root scale. */
function scaleFor(values, length, least) {
  const positive = values.filter((value) => value > 0);
  const most = Math.max(...positive, 1);
  const isLinear = Math.min(...positive, most) / most * length >= least;
  const part = isLinear ? (value) => value / most : (value) => Math.sqrt(value / most);
  return { of: (value) => Math.max(part(Math.max(value, 0)) * length, 2), word: isLinear ? "linear" : "square root", most };
}

function chainScales(stages) {
  const figures = stages.map((stage) => figureOf(stage));
  const of = (form, key) => figures.filter((figure) => figure.form === form).map((figure) => figure[key]);
  return {
    height: scaleFor(of("map", "height").concat(of("map", "width")), CHAIN.high, SMALLEST),
    channels: scaleFor(of("map", "channels").concat(of("sequence", "channels")), CHAIN.wide, 4),
    length: scaleFor(of("sequence", "height"), CHAIN.high, SMALLEST),
    vector: scaleFor(of("vector", "channels"), CHAIN.bar, 4),
    forms: new Set(figures.map((figure) => figure.form)),
  };
}

function scaleText(scales) {
  const parts = [];
  if (scales.forms.has("map")) parts.push(`Maps: height and depth are the spatial size (${scales.height.word}), width the channels (${scales.channels.word})`);
  if (scales.forms.has("sequence")) parts.push(`Sequences: height is the length (${scales.length.word}), width the features or channels (${scales.channels.word})`);
  if (scales.forms.has("vector")) parts.push(`Vectors: height is their size (${scales.vector.word})`);
  return `${parts.join(". ")}. The batch dimension is omitted.`;
}

/** Returns the faces of a stage; the origin is the bottom left corner of its front. */
function solidOf(figure, scales) {
  if (figure.form === "vector") {
    const height = scales.vector.of(figure.channels);
    return { wide: 12, high: height, deep: 0, parts: [svg("rect", { class: "face front", x: 0, y: -height, width: 12, height, rx: 1 })] };
  }
  if (figure.form === "sequence") {
    const height = scales.length.of(figure.height);
    const width = scales.channels.of(figure.channels);
    const parts = [svg("rect", { class: "face front", x: 0, y: -height, width, height })];
    const lines = Math.min(figure.height, Math.floor(height / 6));
    for (let line = 1; line < lines; line += 1) {
      const y = -height * line / lines;
      parts.push(svg("path", { class: "token", d: `M0 ${y}H${width}` }));
    }
    return { wide: width, high: height, deep: 0, parts };
  }
  const height = scales.height.of(figure.height);
  const width = scales.channels.of(figure.channels);
  const deep = scales.height.of(figure.width) * CHAIN.depth;
  const rise = deep * 0.62;
  return {
    wide: width, high: height + rise, deep,
    parts: [
      svg("path", { class: "face top", d: `M0 ${-height}l${deep} ${-rise}h${width}l${-deep} ${rise}z` }),
      svg("path", { class: "face side", d: `M${width} ${-height}l${deep} ${-rise}v${height}l${-deep} ${rise}z` }),
      svg("rect", { class: "face front", x: 0, y: -height, width, height }),
    ],
  };
}

function stageNames(stage, side) {
  if (stage.names.length) return { title: textOf(stage.names[0]), kind: "input", family: data.other, rows: [] };
  const rows = stage.rows.map((row) => side.rows[row]).filter(Boolean);
  const about = [...rows].sort((a, b) => a.mainFamily - b.mainFamily)[0] ?? side.root;
  const types = [...new Set(rows.map((row) => row.type))];
  return {
    title: rows.length > 1 ? `${rows[0].title} … ${rows[rows.length - 1].label}` : rows[0]?.title ?? "",
    kind: types.slice(0, 2).join(", ") + (types.length > 2 ? ` +${types.length - 2}` : ""),
    family: about.mainFamily, rows,
  };
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Returns the drawings and texts of a side's stages, with the width that each needs. */
function stagesOf(side, scales) {
  return side.chain.map((stage) => {
    const figure = figureOf(stage);
    const solid = solidOf(figure, scales);
    const names = stageNames(stage, side);
    const texts = [figure.sizes.join("×"), shortened(names.title, 19), shortened(names.kind, 19)];
    const [shape, title, kind] = texts;
    const room = Math.max(solid.wide + solid.deep, shape.length * 7.4, title.length * 5.9, kind.length * 5.9, 40) + CHAIN.gap;
    return { figure, solid, names, texts, room };
  });
}

/** Returns the extra space between stages, and the scale: chains that are slightly too wide shrink, wider ones scroll. */
function fittingOf(chains) {
  const room = (main.clientWidth || 1200) - 118;
  const widest = Math.max(...chains.map((stages) => stages.reduce((sum, stage) => sum + stage.room, 8)));
  const most = Math.max(...chains.map((stages) => stages.length));
  return {
    more: Math.min(Math.max((room - widest) / most, 0), 46),
    by: widest > room && widest < 1.25 * room ? room / widest : 1,
  };
}

function chainPicture(side, stages, { more, by }, colorOf) {
  const tallest = Math.max(...stages.map(({ solid }) => solid.high));
  const base = CHAIN.top + tallest;
  let x = 4;
  const groups = stages.map(({ figure, solid, names, texts, room: least }, index) => {
    const [shape, title, kind] = texts;
    const room = least + more;
    const middle = x + room / 2;
    const left = middle - (solid.wide + solid.deep) / 2;
    const path = names.rows[0]?.path ?? null;
    const group = svg("g", { class: "stage", "data-path": path, css: { "--c": names.rows.length ? colorOf(names) : familyColor(data.other) } },
      svg("title", { text: `${shape}\n${names.rows.length ? names.rows.map((row) => `${row.title}  ${row.type} ${row.detail}`).join("\n") : names.title}` }),
      svg("g", { transform: `translate(${left} ${base})` }, ...solid.parts),
      svg("text", { class: "shape", x: middle, y: base + 20, "text-anchor": "middle", text: shape }),
      svg("text", { class: "small", x: middle, y: base + 36, "text-anchor": "middle", text: title }),
      svg("text", { class: "small", x: middle, y: base + 51, "text-anchor": "middle", text: kind }));
    if (index) group.append(svg("path", { class: "flow", d: `M${x - 5} ${base + 16}h8m-3 -3l3 3l-3 3` }));
    if (path !== null) {
      group.addEventListener("pointerenter", () => pointing.set(path));
      group.addEventListener("pointerleave", () => pointing.set(null));
    }
    x += room;
    return group;
  });
  const height = base + CHAIN.label;
  const spoken = stages.map(({ figure, names }) => `${names.title} ${figure.sizes.join(" by ")}`).join(", ");
  const picture = svg("svg", {
    viewBox: `0 0 ${x} ${height}`, width: x * by, height: height * by, role: "img", "aria-label": `The shapes of ${side.title}: ${spoken}`,
  }, ...groups);
  pointing.subscribe((path) => {
    for (const group of groups) group.classList.remove("linked");
    if (path === null) return;
    const at = stages.findIndex(({ names }) => names.rows.some((row) => row.path === path || path.startsWith(`${row.path}.`)));
    if (at >= 0) groups[at].classList.add("linked");
  });
  return el("div", { class: "chain" }, el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Chain of shapes of ${side.title}` }, picture));
}

function chainsIn(host, colorOf) {
  const scales = chainScales(sides.flatMap((side) => side.chain));
  const panel = el("div", { class: "panel" });
  const chains = new Map(sides.filter((side) => side.chain.length).map((side) => [side, stagesOf(side, scales)]));
  const fitting = fittingOf([...chains.values()]);
  for (const side of sides) {
    if (!chains.has(side)) { panel.append(el("p", { class: "empty", text: `No shapes are known for ${side.title}: nothing ran.` })); continue; }
    panel.append(el("div", { class: "chain-frame" }, sides.length > 1 ? el("h3", { text: side.title }) : null, chainPicture(side, chains.get(side), fitting, colorOf)));
  }
  host.append(panel);
  return scaleText(scales);
}
