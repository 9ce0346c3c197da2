/** A scatter plot of accuracy against cost: a point for each architecture, with cost on a logarithmic scale. */
const SCATTER = { wide: 1100, high: 520, left: 64, right: 24, top: 20, bottom: 52 };

/** Returns the ticks of a logarithmic scale: powers of ten, and their 2 and 5 times if there are few. */
function logTicks(low, high) {
  const steps = Math.log10(high / low) > 2.4 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const step of steps) if (step * 10 ** power >= low && step * 10 ** power <= high) ticks.push(step * 10 ** power);
  }
  return ticks;
}

function linearTicks(low, high) {
  const rough = (high - low) / 6;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) ticks.push(Number(tick.toFixed(6)));
  return ticks;
}

/** Returns a scale with a margin at both ends; a single value is in the middle. */
function axisOf(values, isLog, from, to) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (isLog) {
    const air = Math.max((high / low) ** 0.07, 1.18);
    [low, high] = [low / air, high * air];
    return { at: (value) => from + (to - from) * Math.log(value / low) / Math.log(high / low), ticks: logTicks(low, high) };
  }
  const air = Math.max((high - low) * 0.08, 0.5);
  [low, high] = [low - air, high + air];
  return { at: (value) => from + (to - from) * (value - low) / (high - low), ticks: linearTicks(low, high) };
}

const COSTS = [
  { key: "flops", title: "FLOPs", kind: "flops" },
  { key: "params", title: "Params", kind: "flops" },
  { key: "activations", title: "Peak activations", kind: "bytes" },
];

function tickText(value, kind) {
  if (kind === "percent") return `${value}%`;
  return SHOWN[kind].text(value).replace(/\.?0+(?=\s|$)/, "");
}

/** Gives points their labels: each is tried on every side of its point, and omitted if it would overlap another. */
function placeLabels(points, taken) {
  for (const point of points) {
    const width = point.name.length * 6.3;
    const sides = [[9, 4, "start"], [-9, 4, "end"], [0, -10, "middle"], [0, 18, "middle"], [8, -7, "start"], [8, 15, "start"]];
    for (const [dx, dy, anchor] of sides) {
      const left = point.x + dx - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0);
      const box = { left, right: left + width, top: point.y + dy - 10, bottom: point.y + dy + 3 };
      const isIn = box.left > SCATTER.left && box.right < SCATTER.wide - 4 && box.top > 2;
      const isFree = taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
      if (isIn && isFree) { taken.push(box); point.label = { dx, dy, anchor }; break; }
    }
  }
}

/** Returns the Pareto front: the points that no other beats on both axes, cheapest first. */
function frontOf(points) {
  let best = -Infinity;
  return [...points].sort((a, b) => a.cost - b.cost || b.value - a.value).filter((point) => {
    if (point.value <= best) return false;
    best = point.value;
    return true;
  });
}

function scatterPicture(all, cost, value) {
  const points = all.filter((point) => Number(point[cost.key]) > 0 && Number(point[value.key]) > 0)
    .map((point) => ({ ...point, cost: Number(point[cost.key]), value: Number(point[value.key]) }));
  if (!points.length) return el("p", { class: "empty", text: `None of them has both ${cost.title} and ${value.title}.` });
  const { wide, high, left, right, top, bottom } = SCATTER;
  const across = axisOf(points.map((point) => point.cost), true, left, wide - right);
  const up = axisOf(points.map((point) => point.value), value.kind !== "percent", high - bottom, top);
  for (const point of points) Object.assign(point, { x: across.at(point.cost), y: up.at(point.value) });
  const isBetterAbove = value.kind === "percent";
  const front = isBetterAbove ? frontOf(points) : [];
  placeLabels([...front, ...points.filter((point) => !front.includes(point))], points.map(({ x, y }) => ({ left: x - 5, right: x + 5, top: y - 5, bottom: y + 5 })));
  const grid = [
    ...across.ticks.map((tick) => svg("g", { class: "tick" }, svg("path", { d: `M${across.at(tick)} ${top}V${high - bottom}` }),
      svg("text", { x: across.at(tick), y: high - bottom + 18, "text-anchor": "middle", text: tickText(tick, cost.kind) }))),
    ...up.ticks.map((tick) => svg("g", { class: "tick" }, svg("path", { d: `M${left} ${up.at(tick)}H${wide - right}` }),
      svg("text", { x: left - 8, y: up.at(tick) + 4, "text-anchor": "end", text: tickText(tick, value.kind) }))),
  ];
  const describe = (point) => `${point.name}: ${value.kind === "percent" ? `${point.value}% ${value.title}` : `${SHOWN[value.kind].text(point.value)} ${value.title}`}, ${point.bound && cost.key === "flops" ? "at least " : ""}${SHOWN[cost.kind].text(point.cost)} ${cost.title}${point.year ? `, ${point.year}` : ""}`;
  const dots = points.map((point) => svg("g", {
    class: `dot${front.includes(point) ? " front" : ""}`, tabindex: 0, role: "img", "aria-label": describe(point), transform: `translate(${point.x} ${point.y})`,
  }, svg("title", { text: `${describe(point)}${point.idea ? `\n${point.idea}` : ""}` }), svg("circle", { r: 5 }),
  svg("text", point.label
    ? { x: point.label.dx, y: point.label.dy, "text-anchor": point.label.anchor, text: point.name }
    : { class: "hidden", x: 0, y: -10, "text-anchor": point.x > wide / 2 ? "end" : "start", text: point.name })));
  return el("div", { class: "scroll" }, svg("svg", {
    class: "scatter", viewBox: `0 0 ${wide} ${high}`, role: "group", "aria-label": `${value.title} against ${cost.title}`,
  }, ...grid,
  front.length > 1 ? svg("path", { class: "line", d: `M${front.map(({ x, y }) => `${x} ${y}`).join("L")}` }) : null,
  ...dots,
  svg("text", { class: "axis", x: (left + wide - right) / 2, y: high - 10, "text-anchor": "middle", text: `${cost.title}, logarithmic` }),
  svg("text", { class: "axis", x: 0, y: 0, transform: `translate(13 ${(top + high - bottom) / 2}) rotate(-90)`, "text-anchor": "middle", text: value.title + (value.kind === "percent" ? "" : ", logarithmic") })));
}
