// What is drawn over a frame: attention, pose patches, keypoints.

import { asArray, ask } from "view/api.js";
import { line } from "page/canvas.js";
import { state } from "view/store.js";

const HIDDEN = 0.5; // opacity of bones whose ends are hidden
const STRONGEST = 0.75; // opacity of the brightest attention

function layer(name, view) {
  if (!state[name] || !state.pictured) return {};
  const { patches, transformer } = state.about.runs[state.run];
  if (!(name === "attention" ? transformer : patches)) return {};
  const path = `runs/${state.run}/episodes/${state.episode}/${name}/${view}.bin`;
  return ask(path, asArray);
}

// Fills the cells of a map (time, rows, cols) at one time, each as opaque as its value.
function fill(context, width, height, map, time, paint) {
  const [, rows, cols] = map.shape;
  const [w, h] = [width / cols, height / rows];
  const start = time * rows * cols;
  for (let k = 0; k < rows * cols; k += 1) {
    const strength = map.bytes[start + k] / 255;
    if (!strength) continue;
    context.fillStyle = paint(strength);
    context.fillRect((k % cols) * w, Math.floor(k / cols) * h, w + 0.5, h + 0.5);
  }
}

function warm(strength) {
  return `rgb(255 ${Math.round(225 - 190 * strength)} 40 / ${STRONGEST * strength})`;
}

function outline(context, width, height, map, time) {
  const [, rows, cols] = map.shape;
  const marked = (r, c) =>
    r >= 0 && c >= 0 && r < rows && c < cols && map.bytes[(time * rows + r) * cols + c] > 0;
  const [w, h] = [width / cols, height / rows];
  fill(context, width, height, map, time, () => "rgb(60 190 255 / 0.28)");
  for (let r = 0; r < rows; r += 1) {
    for (let c = 0; c < cols; c += 1) {
      if (!marked(r, c)) continue;
      const [x, y] = [c * w, r * h];
      const sides = [
        [r - 1, c, [x, y], [x + w, y]],
        [r + 1, c, [x, y + h], [x + w, y + h]],
        [r, c - 1, [x, y], [x, y + h]],
        [r, c + 1, [x + w, y], [x + w, y + h]],
      ];
      for (const [i, j, from, to] of sides) {
        if (!marked(i, j)) line(context, [from, to], "rgb(140 225 255)", 1.5);
      }
    }
  }
}

function skeleton(context, width, height, pose, time) {
  const points = pose.points[time].map(([x, y]) => (x === null ? null : [x * width, y * height]));
  const visible = pose.visible[time];
  const size = Math.max(2, Math.min(width, height) / 70);
  for (const dark of [true, false]) {
    for (const [a, b] of state.about.bones) {
      if (!points[a] || !points[b]) continue;
      context.globalAlpha = visible[a] && visible[b] ? 1 : HIDDEN;
      const style = dark ? "rgb(15 15 20 / 0.9)" : state.about.colours[b];
      line(context, [points[a], points[b]], style, size * (dark ? 1.5 : 0.8));
    }
  }
  context.globalAlpha = 1;
  points.forEach((point, k) => {
    if (!point) return;
    context.beginPath();
    context.arc(point[0], point[1], size, 0, 2 * Math.PI);
    context.fillStyle = visible[k] ? state.about.colours[k] : "rgb(15 15 20 / 0.6)";
    context.fill();
    context.lineWidth = visible[k] ? 1 : 1.5;
    context.strokeStyle = visible[k] ? "rgb(15 15 20 / 0.9)" : state.about.colours[k];
    context.stroke();
  });
}

// Draws all layers that are on; returns why one of them cannot be drawn.
export function drawOverlays(context, width, height, view, time) {
  const attention = layer("attention", view);
  const patches = layer("patches", view);
  if (attention.value) fill(context, width, height, attention.value, time, warm);
  if (patches.value) outline(context, width, height, patches.value, time);
  if (state.keypoints && state.info.posed) {
    const pose = ask(`episodes/${state.episode}/keypoints/${view}.json`).value;
    if (pose) skeleton(context, width, height, pose, time);
  }
  return attention.problem ?? patches.problem;
}
