// The line of time with its phases, and the progress that each run tells.

import { ask } from "view/api.js";
import { clear, colour, line, make, onDrag, say } from "page/canvas.js";
import { matched } from "view/picks.js";
import { change, goTo, lengthOf, onChange, state } from "view/store.js";

const band = document.getElementById("timeline");
const curves = document.getElementById("progress");
const legend = document.getElementById("legend");
const PHASES = 22; // height of the band, in pixels

for (const canvas of [band, curves]) {
  onDrag(canvas, (x) => goTo(x * lengthOf(state.lead) - 0.5));
}

export function build() {
  legend.replaceChildren(
    ...state.about.runs.map((run, k) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = run.colour;
      const label = make("button", { class: "label", type: "button" }, swatch, run.label);
      label.addEventListener("click", () => change({ run: k }));
      return label;
    }),
  );
}

function centre(time, width) {
  return ((time + 0.5) / lengthOf(state.lead)) * width;
}

function drawPhases(context, width) {
  const phases = state.info.phases ?? [];
  let start = 0;
  for (let end = 1; end <= phases.length; end += 1) {
    if (phases[end] === phases[start]) continue;
    const left = (start / phases.length) * width;
    const right = (end / phases.length) * width;
    context.fillStyle = state.about.phaseColours[phases[start]];
    context.fillRect(left, 0, right - left - 1, PHASES);
    const name = state.about.phases[phases[start]];
    context.fillStyle = "#16181d";
    if (context.measureText(name).width + 10 < right - left) context.fillText(name, left + 6, 11.5);
    start = end;
  }
  if (phases.length) return;
  context.fillStyle = colour("line");
  context.fillRect(0, 0, width, PHASES);
}

function drawSeconds(context, width) {
  const { times } = state.info.views[state.lead];
  const last = times[times.length - 1];
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600].find((s) => (s / last) * width > 60);
  context.fillStyle = colour("faint");
  for (let s = 0; step && s < last - step / 3; s += step) {
    const x = (s / last) * width;
    context.fillRect(x, PHASES, 1, 5);
    context.fillText(`${Number(s.toFixed(1))} s`, x + 4, PHASES + 11);
  }
}

function drawBand() {
  const { context, width, height } = clear(band);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  drawPhases(context, width);
  drawSeconds(context, width);
  const x = centre(state.time, width);
  line(context, [[x, 0], [x, height]], colour("paper"), 5);
  line(context, [[x, 0], [x, height]], colour("ink"), 2);
  band.setAttribute("aria-valuenow", state.time);
  band.setAttribute("aria-valuemax", lengthOf(state.lead) - 1);
}

function drawCurves() {
  const { context, width, height } = clear(curves);
  const y = (value) => height - 8 - value * (height - 16);
  for (const value of [0, 0.5, 1]) line(context, [[0, y(value)], [width, y(value)]], colour("line"));
  line(context, [[0, y(0)], [width, y(1)]], colour("faint"), 1, [3, 4]);
  const said = [];
  let problem = "";
  state.about.runs.forEach((run, r) => {
    if (!matched()) return;
    const answer = ask(`runs/${r}/episodes/${state.episode}/progress.json`);
    problem ||= answer.problem ?? "";
    if (!answer.value) return;
    const point = (curve) => (value, k) => [((k + 0.5) / curve.length) * width, y(value)];
    context.globalAlpha = 0.4;
    answer.value.forEach((curve) => line(context, curve.map(point(curve)), run.colour));
    context.globalAlpha = 1;
    const lead = answer.value[state.lead];
    line(context, lead.map(point(lead)), run.colour, r === state.run ? 2.5 : 1.5);
    said.push(`${Math.round(100 * lead[state.time])} %`);
  });
  const x = centre(state.time, width);
  line(context, [[x, 0], [x, height]], colour("ink"), 1);
  curves.dataset.shown = said.length;
  say(document.getElementById("progress-value"), said.join(", "));
  say(document.getElementById("progress-note"), problem || noteOf(said.length));
}

function noteOf(shown) {
  if (!shown) return state.pictured ? "embedding …" : "";
  const count = state.info.references.length;
  const from = count
    ? `the nearest moments of ${count} other episode${count > 1 ? "s" : ""}`
    : "the nearest moments of the other views";
  const thin = state.info.views.length > 1 ? " Thin: the other views." : "";
  return `By ${from}.${thin} Dashed: the time that has passed.`;
}

onChange(() => {
  drawBand();
  drawCurves();
});
