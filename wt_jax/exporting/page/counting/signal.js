// Curves over the frames of a recording: smoothed, interpolated, their peaks. The rules are SciPy's and NumPy's.

/** A Gaussian over `values`: what lies beyond the ends is 0, or ("nearest") the outermost value. */
export function gaussian(values, sigma, { truncate = 4, mode = "nearest" } = {}) {
  if (sigma <= 0 || !values.length) return Float64Array.from(values);
  const reach = Math.floor(truncate * sigma + 0.5);
  const weights = new Float64Array(2 * reach + 1).map((_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const padded = new Float64Array(values.length + 2 * reach);
  padded.set(values, reach);
  if (mode === "nearest") {
    padded.fill(values[0], 0, reach);
    padded.fill(values.at(-1), values.length + reach);
  }
  return Float64Array.from(values, (_, frame) => {
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i] * padded[frame + i];
    return sum / total;
  });
}

/** The `share` (0 to 1) of `values` below it, interpolated linearly between two of them. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

/** How far `values` move, outliers aside. */
export const swing = (values) => quantile(values, 0.95) - quantile(values, 0.05);

/** The place of the greatest value, the first of equal ones. */
export function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** `known` values at increasing places `at`, linear between them and held beyond, for places `wanted`. */
export function interpolate(wanted, at, known) {
  let next = 0; // the first of `at` beyond the wanted place
  return Float64Array.from(wanted, (place) => {
    while (next > 0 && at[next - 1] > place) next--;
    while (next < at.length && at[next] <= place) next++;
    if (next === 0) return known[0];
    if (next === at.length) return known.at(-1);
    const share = (place - at[next - 1]) / (at[next] - at[next - 1]);
    return known[next - 1] + share * (known[next] - known[next - 1]);
  });
}

/** Places of the local maxima that are `height` high, `distance` apart and `prominence` above both sides. */
export function findPeaks(values, { height = -Infinity, distance = 1, prominence = 0 } = {}) {
  const high = localMaxima(values).filter((peak) => values[peak] >= height);
  const apart = farApart(high, values, distance);
  return prominence > 0 ? apart.filter((peak) => prominenceOf(peak, values) >= prominence) : apart;
}

/** Of a flat top, its middle. */
function localMaxima(values) {
  const found = [];
  for (let i = 1; i < values.length - 1; i++) {
    if (values[i - 1] >= values[i]) continue;
    let ahead = i + 1;
    while (ahead < values.length - 1 && values[ahead] === values[i]) ahead++;
    if (values[ahead] < values[i]) found.push((i + ahead - 1) >> 1);
    i = ahead - 1;
  }
  return found;
}

/** The higher of two that are too near stays; the highest choose first. */
function farApart(peaks, values, distance) {
  const keeps = peaks.map(() => true);
  const highestLast = peaks.map((_, i) => i).sort((a, b) => values[peaks[a]] - values[peaks[b]]);
  for (const i of highestLast.reverse()) {
    if (!keeps[i]) continue;
    for (let k = i - 1; k >= 0 && peaks[i] - peaks[k] < distance; k--) keeps[k] = false;
    for (let k = i + 1; k < peaks.length && peaks[k] - peaks[i] < distance; k++) keeps[k] = false;
  }
  return peaks.filter((_, i) => keeps[i]);
}

/** How far one must go down from a peak before one can go higher. */
function prominenceOf(peak, values) {
  const lowest = (step) => {
    let least = values[peak];
    for (let i = peak; i >= 0 && i < values.length && values[i] <= values[peak]; i += step) {
      least = Math.min(least, values[i]);
    }
    return least;
  };
  return values[peak] - Math.max(lowest(-1), lowest(1));
}
