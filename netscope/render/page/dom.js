/** The payload, and the functions that make elements. */
const data = JSON.parse(document.getElementById("data").textContent);

/** Sets attributes and children. Text is only ever set as text content, so names from users' code cannot become markup. */
function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "css") for (const [key, setting] of Object.entries(value)) node.style.setProperty(key, setting);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Returns a group of radio buttons. */
function segments(label, choices, chosen, choose) {
  const name = `choice-${label.replace(/\W/g, "-")}`;
  const fields = choices.map(([value, title]) =>
    el("label", {}, el("input", {
      type: "radio", name, value, checked: value === chosen, onchange: () => choose(value),
    }), title));
  return el("fieldset", { class: "segments" }, el("legend", { class: "hidden-label", text: label }), ...fields);
}

/** The layer under the pointer or with the focus, which every picture and table highlights. */
const pointing = {
  listeners: [],
  at: null,
  subscribe(listener) { this.listeners.push(listener); },
  set(path) {
    if (path === this.at) return;
    this.at = path;
    for (const listener of this.listeners) listener(path);
  },
};
