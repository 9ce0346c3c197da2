/** Figures as netscope's other formats show them. Integers above 2^53 come as text. */
const NOTHING = "·";

function count(value) {
  const text = String(value);
  return text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

function scaled(value) {
  let amount = Number(value);
  for (const prefix of ["", "K", "M", "G", "T", "P", "E"]) {
    if (Math.abs(Number(amount.toFixed(3))) < 1000 || prefix === "E") {
      return prefix ? `${amount.toFixed(3)} ${prefix}` : String(amount);
    }
    amount /= 1000;
  }
  return String(value);
}

function size(value) {
  let amount = Number(value);
  for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
    if (Number(amount.toFixed(2)) < 1024 || unit === "TiB") {
      return unit === "B" ? `${value} B` : `${amount.toFixed(2)} ${unit}`;
    }
    amount /= 1024;
  }
  return String(value);
}

function seconds(value) {
  const rounded = Number(value.toPrecision(3));
  for (const [unit, length] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
    if (rounded >= length || unit === "µs") {
      const amount = rounded / length;
      const digits = amount >= 1 ? Math.max(2 - Math.floor(Math.log10(amount)), 0) : 2;
      return `${amount.toFixed(digits)} ${unit}`;
    }
  }
  return String(value);
}

function share(part, whole) {
  if (!Number(part) || !Number(whole)) return "";
  const text = `${(100 * part / whole).toFixed(1)}%`;
  return text === "0.0%" ? "<0.1%" : text;
}

function signed(value, show) {
  return value ? `${value > 0 ? "+" : "−"}${show(Math.abs(value))}` : NOTHING;
}

function change(delta, whole) {
  if (!delta || !Number(whole)) return "";
  const percent = 100 * delta / whole;
  let text = Math.abs(percent) < 1000 ? percent.toFixed(2) : count(Math.round(percent));
  if (!Number(text.replaceAll(",", ""))) text = percent.toPrecision(1);
  return `${percent > 0 ? "+" : ""}${text}%`.replace("-", "−");
}

/** How a figure of each kind is shown, and how it is read to the last digit. */
const SHOWN = {
  count: { text: count, exact: (value) => count(value) },
  flops: { text: scaled, exact: (value) => `${count(value)} FLOPs` },
  bytes: { text: size, exact: (value) => `${count(value)} bytes` },
  seconds: { text: seconds, exact: (value) => `${value} s` },
};
