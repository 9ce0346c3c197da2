/** Everything that is shown is made here, so that a name is never more than text. */
function made(node, attributes, children) {
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
  return made(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes = {}, ...children) {
  return made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A choice of one among a few, as radio buttons. */
function segments(label, choices, chosen, choose) {
  const name = `choice-${label.replace(/\W/g, "-")}`;
  const fields = choices.map(([value, title]) =>
    el("label", {}, el("input", {
      type: "radio", name, value, checked: value === chosen, onchange: () => choose(value),
    }), title));
  return el("fieldset", { class: "segments" }, el("legend", { class: "hidden-label", text: label }), ...fields);
}

/** Who points at which layer: every picture and the table follow the others. */
const pointing = {
  listeners: [],
  at: null,
  follow(listener) { this.listeners.push(listener); },
  tell(path) {
    if (path === this.at) return;
    this.at = path;
    for (const listener of this.listeners) listener(path);
  },
};
