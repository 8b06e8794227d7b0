// Numbers as readings/numbers.py writes them: two decimals where that tells the truth.
function general(x, digits) {
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent >= -4 && exponent < digits) return trimmed(x.toFixed(digits - 1 - exponent));
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return trimmed(mantissa) + "e" + (exponent < 0 ? "-" : "+") + size;
}

function twoDecimals(x) {
  // Python rounds an exact half to the even digit, toFixed away from zero: 0.125, 0.375, ...
  if (Number.isInteger(x * 8) && !Number.isInteger(x * 4)) {
    const low = Math.floor(Math.abs(x) * 100);
    const even = low % 2 === 0 ? low : low + 1;
    return (x < 0 ? "-" : "") + (even / 100).toFixed(2);
  }
  return x.toFixed(2);
}

function number(x) {
  if (typeof x === "boolean") return x ? "True" : "False";
  if (x === 0) return "0";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (Math.abs(x) >= 1e9) return general(x, 6);
  const rounded = twoDecimals(x);
  if (Math.abs(Number(rounded) - x) <= 0.125 * Math.abs(x)) return rounded;
  return general(x, 3);
}
