/** The page of a comparison: a scatter plot and a sortable table. */
function scatterSection() {
  const known = data.points.filter((point) => !point.failed);
  const accurate = known.filter((point) => point.top1 !== null);
  if (known.length < 2) return;
  const value = accurate.length ? { key: "top1", title: "Top-1 on ImageNet-1K", kind: "percent" } : { key: "params", title: "Params", kind: "flops" };
  const costs = COSTS.filter(({ key }) => key !== value.key && known.some((point) => Number(point[key]) > 0));
  if (!costs.length) return;
  const { host } = section("costs", accurate.length ? "Accuracy and cost" : "Cost", accurate.length
    ? "Higher is more accurate, further left is cheaper. The line connects the architectures that no other beats in both."
    : "None of them has a published accuracy.");
  const panel = el("div", { class: "panel" });
  const show = (key) => panel.replaceChildren(scatterPicture(known, costs.find((cost) => cost.key === key), value));
  host.append(el("div", { class: "tools" }, segments("Cost", costs.map(({ key, title }) => [key, title]), costs[0].key, show)), panel);
  show(costs[0].key);
  const others = known.filter((point) => point.top1 === null).map((point) => point.name);
  if (accurate.length && others.length) {
    host.append(el("p", { class: "caption" }, el("b", { text: "Not shown, without a published accuracy: " }), others.join(", ")));
  }
}

function tableSection() {
  const { host } = section("table", "Table", "Click a column heading to sort, again to reverse, and a third time to restore the original order.");
  const status = el("span", { class: "status", role: "status" });
  const input = el("input", { type: "search", placeholder: "Search", "aria-label": "Search the table" });
  let sorted = null;
  const body = el("tbody");
  const heads = data.columns.map((column, index) => el("th", { scope: "col", "aria-sort": "none", class: column.right ? "right" : null },
    el("button", { type: "button", text: column.title, onclick: () => sortBy(index) })));
  const isText = (index) => data.rows.every(({ keys }) => keys[index] === null || (typeof keys[index] === "string" && !/^-?\d+$/.test(keys[index])));
  const draw = () => {
    const query = input.value.trim().toLowerCase();
    let rows = data.rows.filter(({ cells, reason }) => [...cells, reason].some((text) => text.toLowerCase().includes(query)));
    if (sorted) {
      const { index, down } = sorted;
      const key = (row) => (isText(index) ? row.keys[index] : row.keys[index] === null ? null : Number(row.keys[index]));
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      // Rows without a value come last in both orders.
      const [valued, others] = [rows.filter((row) => key(row) !== null), rows.filter((row) => key(row) === null)];
      rows = [...valued.sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b))), ...others];
    }
    body.replaceChildren(...rows.map(({ cells, failed, reason }) => el("tr", { class: failed ? "failed" : null }, ...cells.map((text, index) =>
      el(index ? "td" : "th", { scope: index ? null : "row", class: data.columns[index].right ? "right" : null, title: text.length > 34 ? text : null },
        text, index || !reason ? null : el("span", { class: "reason", text: reason }))))));
    heads.forEach((head, index) => head.setAttribute("aria-sort", sorted?.index === index ? (sorted.down ? "descending" : "ascending") : "none"));
    status.textContent = query ? `${count(rows.length)} found` : "";
  };
  const sortBy = (index) => {
    const first = !isText(index);
    if (sorted?.index !== index) sorted = { index, down: first };
    else sorted = sorted.down === first ? { index, down: !first } : null;
    draw();
  };
  input.addEventListener("input", draw);
  host.append(el("div", { class: "tools" }, input, status),
    el("div", { class: "panel scroll", tabindex: 0, role: "group", "aria-label": "The table" },
      el("table", { class: "plain sorts" }, el("thead", {}, el("tr", {}, ...heads)), body)));
  draw();
}

scatterSection();
tableSection();
