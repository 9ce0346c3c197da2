/**
 * Numbers as netscope's other formats show them, with the symbols, units and thresholds of render/numbers.py. Integers
 * above 2^53 are text in the payload.
 */
const { nothing: NOTHING, minus: MINUS, decimal: DECIMAL, binary: BINARY, time: TIME, share: SHARE, change: CHANGE } = data.numbers;

const count = (value) => String(value).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");

/** Returns the value in the smallest unit in which it is below the step, once rounded. */
function inUnit(value, { units, step, decimals }) {
  let amount = Number(value);
  const last = units.length - 1;
  let position = 0;
  for (; position < last && Math.abs(Number(amount.toFixed(decimals))) >= step; position += 1) amount /= step;
  return { amount: amount.toFixed(decimals), unit: units[position], isScaled: position > 0 };
}

function scaled(value) {
  const { amount, unit, isScaled } = inUnit(value, DECIMAL);
  return isScaled ? `${count(amount)} ${unit}` : String(Number(value));
}

function size(value) {
  const { amount, unit, isScaled } = inUnit(value, BINARY);
  return `${isScaled ? count(amount) : value} ${unit}`;
}

function seconds(value) {
  const rounded = Number(value.toPrecision(TIME.digits));
  const [unit, length] = TIME.units.find(([, least]) => rounded >= least) ?? TIME.units[TIME.units.length - 1];
  const amount = rounded / length;
  const whole = amount >= 1 ? Math.floor(Math.log10(amount)) : 0;
  return `${count(amount.toFixed(Math.max(TIME.digits - 1 - whole, 0)))} ${unit}`;
}

function share(part, whole) {
  if (!Number(part) || !Number(whole)) return "";
  const text = (100 * part / whole).toFixed(SHARE.decimals);
  return Number(text) ? `${text}%` : SHARE.least;
}

function signed(value, show) {
  return value ? `${value > 0 ? "+" : MINUS}${show(Math.abs(value))}` : NOTHING;
}

function change(delta, whole) {
  if (!delta || !Number(whole)) return "";
  const percent = 100 * delta / whole;
  let text = Math.abs(percent) < CHANGE.whole ? percent.toFixed(CHANGE.decimals) : count(Math.round(percent));
  if (!Number(text.replaceAll(",", ""))) text = percent.toPrecision(1);
  return `${percent > 0 ? "+" : ""}${text}%`.replace("-", MINUS);
}

/** The short and the exact text of each kind of value. */
const SHOWN = {
  count: { text: count, exact: count },
  flops: { text: scaled, exact: (value) => `${count(value)} FLOPs` },
  bytes: { text: size, exact: (value) => `${count(value)} bytes` },
  seconds: { text: seconds, exact: (value) => `${value} s` },
};
