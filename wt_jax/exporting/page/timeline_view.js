// The timeline: how probable each class is and what it is taken for, the start signal, counted starts.

const LIVE_S = 20; // shown while it grows
const MARGIN_PX = 12;
const [QUIET, TEXT, ACCENT] = ["#aeb8c6", "#f2f5f9", "#ffd166"];

/**
 * Draws `timeline`, whose first frame is frame `first` of the video, with its `segments` and `starts` in frames of
 * the timeline. All of it, or while it grows (`isLive`) its end.
 */
export function drawTimeline(canvas, { timeline, first, segments, starts }, card, colourOf, isLive) {
  const scale = window.devicePixelRatio;
  const { clientWidth, clientHeight } = canvas;
  Object.assign(canvas, { width: clientWidth * scale, height: clientHeight * scale });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = "12px system-ui, sans-serif";
  const frames = timeline.valid.length;
  const most = isLive ? LIVE_S * card.frame_rate_hz : Math.max(frames, 1);
  const from = Math.max(0, frames - most);
  const x = (frame) => MARGIN_PX + ((frame - from) / most) * (clientWidth - 2 * MARGIN_PX);
  const band = Math.max(14, clientHeight * 0.2);
  const rows = { classes: MARGIN_PX, names: MARGIN_PX + band, signal: MARGIN_PX + band + 24, end: clientHeight - 20 };

  drawClasses(context, timeline, { x, from, top: rows.classes, height: band }, card.classes.map(colourOf));
  for (const { exercise, first: begin, last } of segments) {
    if (last < from) continue;
    const [left, right] = [x(Math.max(begin, from)), x(last + 1)];
    context.fillStyle = colourOf(exercise);
    context.fillRect(left, rows.names, right - left, 4);
    context.fillStyle = TEXT;
    if (context.measureText(exercise).width + 6 < right - left) context.fillText(exercise, left + 3, rows.names + 17);
  }
  drawSignal(context, timeline.signal, { x, from, top: rows.signal, bottom: rows.end });
  context.fillStyle = context.strokeStyle = ACCENT;
  context.lineWidth = 1.5;
  for (const start of starts) {
    if (start < from) continue;
    context.beginPath();
    context.moveTo(x(start), rows.signal);
    context.lineTo(x(start), rows.end);
    context.stroke();
    context.beginPath();
    context.arc(x(start), rows.signal, 3.5, 0, 2 * Math.PI);
    context.fill();
  }
  drawTimes(context, { x, first: first + from, from, shown: most, rate: card.frame_rate_hz, y: clientHeight - 6 });
}

/** Probabilities, stacked. */
function drawClasses(context, { probabilities, valid }, { x, from, top, height }, colours) {
  const step = Math.max(1, Math.floor(1 / (x(1) - x(0)))); // frames a column, of a long video
  for (let frame = from; frame < valid.length; frame += step) {
    const [left, right] = [Math.round(x(frame)), Math.round(x(frame + step))]; // between whole pixels: no seams
    let y = top;
    for (const [c, of] of probabilities.entries()) {
      context.fillStyle = colours[c];
      context.fillRect(left, y, right - left, of[frame] * height);
      y += of[frame] * height;
    }
  }
}

/** As an area; its greatest value is as high as there is room. */
function drawSignal(context, signal, { x, from, top, bottom }) {
  const greatest = signal.reduce((a, b) => Math.max(a, b), 0.05);
  context.beginPath();
  context.moveTo(x(from), bottom);
  for (let frame = from; frame < signal.length; frame++) {
    context.lineTo(x(frame), bottom - (signal[frame] / greatest) * (bottom - top));
  }
  context.lineTo(x(signal.length - 1), bottom);
  context.fillStyle = "#7f8da3";
  context.fill();
}

function drawTimes(context, { x, first, from, shown, rate, y }) {
  const seconds = shown / rate;
  const step_s = [1, 2, 5, 10, 30, 60, 120, 300, 600].find((step) => seconds / step <= 8) ?? 1800;
  context.fillStyle = QUIET;
  const begin_s = first / rate;
  for (let at_s = Math.ceil(begin_s / step_s) * step_s; at_s <= begin_s + seconds; at_s += step_s) {
    const text = step_s < 60 ? `${at_s} s` : `${at_s / 60} min`;
    const place = x(from + at_s * rate - first);
    if (place + context.measureText(text).width < context.canvas.clientWidth) context.fillText(text, place, y);
  }
}
