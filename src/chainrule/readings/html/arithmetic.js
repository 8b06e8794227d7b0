// Python's arithmetic on floats, where JavaScript's differs or lacks a function.
const M = (() => {
  const truth = (x) => (typeof x === "boolean" ? x : x !== 0); // a NaN is true in Python
  const max = (x, y) => (y > x ? y : x); // in Python's order, which decides what becomes of a NaN
  const min = (x, y) => (y < x ? y : x);
  const negative = (x) => x < 0 || Object.is(x, -0);
  const copysign = (x, y) => (negative(x) === negative(y) ? x : -x);
  const fmod = (x, y) => x % y; // JavaScript's remainder has the sign of x, as C's has
  const exp2 = (x) => Math.pow(2, x);

  function pow(x, y) {
    // IEEE 754 and Python: 1 to any power is 1, and so is -1 to an infinite one.
    if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
    return Math.pow(x, y);
  }

  function mod(x, y) {
    const rest = x % y;
    if (rest !== 0 && rest < 0 !== y < 0) return rest + y;
    return rest === 0 ? copysign(0, y) : rest;
  }

  function floordiv(x, y) {
    if (y === 0) return x / y;
    const rest = x % y;
    const differs = rest !== 0 && rest < 0 !== y < 0;
    const quotient = (x - rest) / y - (differs ? 1 : 0);
    const floor = Math.floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
  }

  function round(x) {
    // To the even neighbour at a half, as Python and NumPy do.
    const low = Math.floor(x);
    const rest = x - low;
    if (rest < 0.5) return low;
    if (rest > 0.5) return low + 1;
    return rest === 0.5 ? (low % 2 === 0 ? low : low + 1) : x;
  }

  // erf by its power series, erfc by its continued fraction: Abramowitz & Stegun, 7.1.6 and 7.1.14.
  const ROOT_PI = Math.sqrt(Math.PI);
  const MIDDLE = 2.25; // from here on the fraction needs fewer terms than the series loses digits

  function series(x) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 100 && Math.abs(term) > 1e-18 * Math.abs(sum); n += 1) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return ((2 / ROOT_PI) * sum) / Math.exp(x * x);
  }

  function fraction(x) {
    let below = x;
    for (let n = 120; n > 0; n -= 1) below = x + n / 2 / below;
    return Math.exp(-x * x) / ROOT_PI / below;
  }

  function erf(x) {
    if (Number.isNaN(x)) return x;
    if (Math.abs(x) < MIDDLE) return series(x);
    return x > 0 ? 1 - fraction(x) : fraction(-x) - 1;
  }

  function erfc(x) {
    if (Number.isNaN(x)) return x;
    if (x === Infinity) return 0;
    if (x < 0.5) return 1 - erf(x);
    return x < MIDDLE ? 1 - series(x) : fraction(x);
  }

  return {
    truth, max, min, copysign, fmod, exp2, pow, mod, floordiv, round, erf, erfc,
    isnan: Number.isNaN,
    isfinite: Number.isFinite,
    isinf: (x) => Math.abs(x) === Infinity,
    radians: (x) => (x * Math.PI) / 180,
    degrees: (x) => (x * 180) / Math.PI,
  };
})();
