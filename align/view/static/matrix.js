// Distances between the frames of the lead (rows) and of another view (columns), with a cursor.

import { asArray, ask } from "view/api.js";
import { clear, line, make, onDrag, say } from "page/canvas.js";
import { frame } from "view/frames.js";
import { matched, picked } from "view/picks.js";
import { change, lengthOf, onChange, state } from "view/store.js";

// Stops of viridis, near to far, between which colours are mixed.
const STOPS = [
  [253, 231, 37], [170, 220, 50], [93, 201, 99], [39, 173, 129], [33, 145, 140],
  [44, 114, 142], [59, 82, 139], [71, 44, 122], [68, 1, 84],
];
const canvas = document.getElementById("distances");
const runs = document.getElementById("run");
const others = document.getElementById("other");
const painted = new WeakMap();
const pair = ["↓", "→"].map((arrow) => {
  const small = make("canvas");
  const name = make("span");
  const place = make("span");
  const caption = make("figcaption", {}, make("span", {}, `${arrow} `, name), place);
  document.getElementById("pair").append(make("figure", {}, small, caption));
  return { canvas: small, name, place };
});

onDrag(canvas, (x, y) => {
  const cell = (share, length) => Math.min(length - 1, Math.floor(share * length));
  change({
    time: cell(y, lengthOf(state.lead)),
    probe: cell(x, lengthOf(state.other)),
  });
});
runs.addEventListener("change", () => change({ run: Number(runs.value) }));
others.addEventListener("change", () => change({ other: Number(others.value), probe: null }));

export function build() {
  document.getElementById("matrix").hidden = state.info.views.length < 2;
  const option = (textContent, value) => make("option", { textContent, value });
  runs.replaceChildren(...state.about.runs.map((run, k) => option(run.label, k)));
  others.replaceChildren(...state.info.views.map((view, k) => option(view.name, k)));
}

function tone(share) {
  const place = share * (STOPS.length - 1);
  const [low, rest] = [Math.floor(place), place % 1];
  const high = Math.min(low + 1, STOPS.length - 1);
  return STOPS[low].map((value, k) => value + rest * (STOPS[high][k] - value));
}

function paint(matrix) {
  if (painted.has(matrix)) return painted.get(matrix);
  const [rows, cols] = matrix.shape;
  const picture = new OffscreenCanvas(cols, rows);
  const context = picture.getContext("2d");
  const pixels = context.createImageData(cols, rows);
  const least = matrix.bytes.reduce((a, b) => Math.min(a, b), 255);
  const tones = Array.from({ length: 256 }, (_, v) => tone(Math.max(0, v - least) / (255 - least || 1)));
  matrix.bytes.forEach((value, k) => pixels.data.set([...tones[value], 255], 4 * k));
  context.putImageData(pixels, 0, 0);
  painted.set(matrix, picture);
  return picture;
}

function drawPath(context, width, height, rows, cols) {
  for (const [style, size] of [["rgb(0 0 0 / 0.55)", 3.4], ["#fff", 2]]) {
    context.fillStyle = style;
    for (let time = 0; time < rows; time += 1) {
      const column = picked(state.run, state.other, time);
      if (column === undefined) return;
      const [x, y] = [((column + 0.5) / cols) * width, ((time + 0.5) / rows) * height];
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }
}

function drawCursor(context, width, height, rows, cols, column) {
  const [x, y] = [((column + 0.5) / cols) * width, ((state.time + 0.5) / rows) * height];
  for (const [style, size] of [["rgb(0 0 0 / 0.6)", 3], ["#fff", 1]]) {
    line(context, [[0, y], [width, y]], style, size);
    line(context, [[x, 0], [x, height]], style, size);
  }
  context.beginPath();
  context.arc(x, y, 5, 0, 2 * Math.PI);
  context.fillStyle = "#e8452c";
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.fill();
  context.stroke();
}

// The two frames under the cursor.
function drawPair(column) {
  const places = [[state.lead, state.time], [state.other, column]];
  places.forEach(([view, time], k) => {
    const { canvas: small, name, place } = pair[k];
    const { width, height, name: title } = state.info.views[view];
    small.style.aspectRatio = `${width} / ${height}`;
    say(name, title);
    say(place, `${time}`);
    const picture = frame(view, time);
    if (!picture) return;
    const box = clear(small);
    box.context.drawImage(picture, 0, 0, box.width, box.height);
  });
}

function wordsOf(matrix, column) {
  const distance = (frame) =>
    (matrix.bytes[state.time * matrix.shape[1] + frame] * matrix.unit).toFixed(2);
  const nearest = picked(state.run, state.other);
  const shown = `distance ${distance(column)}`;
  if (nearest === undefined || nearest === column) return `${shown}, as picked`;
  return `${shown}; picked: ${nearest} at ${distance(nearest)}`;
}

onChange(() => {
  if (state.other === state.lead || state.other >= state.info.views.length) {
    state.other = state.lead === 0 ? 1 : 0;
  }
  runs.value = state.run;
  others.value = state.other;
  [...others.options].forEach((option, k) => (option.hidden = option.disabled = k === state.lead));
  const { context, width, height } = clear(canvas);
  if (!matched() || state.info.views.length < 2) return;
  const base = `runs/${state.run}/episodes/${state.episode}/distances`;
  const { value, problem } = ask(`${base}/${state.lead}/${state.other}.bin`, asArray);
  const words = document.getElementById("pair-words");
  if (!value) return say(words, problem ?? "embedding …");
  const [rows, cols] = value.shape;
  context.imageSmoothingEnabled = false;
  context.drawImage(paint(value), 0, 0, width, height);
  if (state.about.synchronised) line(context, [[0, 0], [width, height]], "rgb(255 255 255 / 0.6)", 1, [4, 4]);
  drawPath(context, width, height, rows, cols);
  const column = state.probe ?? picked(state.run, state.other) ?? 0;
  canvas.dataset.row = state.time;
  canvas.dataset.column = column;
  drawCursor(context, width, height, rows, cols, column);
  drawPair(column);
  say(words, wordsOf(value, column));
});
