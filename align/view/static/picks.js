// For each run, the frame that it picks in every other view for the frame of the lead.

import { ask } from "view/api.js";
import { clear, make, say } from "page/canvas.js";
import { frame } from "view/frames.js";
import { change, lengthOf, onChange, state, useOffsets } from "view/store.js";

const WRONG = 1 / 3; // share of an episode: as far off as a random frame is on average
const root = document.getElementById("rows");
let rows = [];

export function answer(run) {
  if (!state.pictured) return {};
  return ask(`runs/${run}/episodes/${state.episode}/picks.json`);
}

// The frame of a view that a run picks; undefined until it is known.
export function picked(run, view, time = state.time) {
  return answer(run).value?.[state.decoding][state.lead][view][time];
}

// Whether every run has said what it picks; what takes longer is asked for then.
export function matched() {
  return state.about.runs.every((_, run) => {
    const { value, problem } = answer(run);
    return value || problem;
  });
}

useOffsets((view) => answer(state.run).value?.offsets[state.lead][view]?.[0]);

function errorOf(run, view) {
  const picks = answer(run).value?.[state.decoding][state.lead][view];
  const away = picks.reduce((sum, frame, time) => sum + Math.abs(frame - time), 0);
  return away / picks.length / picks.length;
}

export function build() {
  document.getElementById("picks").hidden = state.info.views.length < 2;
  root.replaceChildren();
  rows = state.about.runs.map((run, k) => {
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = run.colour;
    const label = make("button", { class: "label", type: "button" }, swatch, run.label);
    label.addEventListener("click", () => change({ run: k }));
    const note = make("span", { class: "faint" });
    const cells = state.info.views.map((view, v) => {
      const canvas = make("canvas");
      canvas.style.aspectRatio = `${view.width} / ${view.height}`;
      const offset = make("span", { class: "offset" });
      const caption = make("figcaption", {}, make("span", { textContent: view.name }), offset);
      const bar = make("div", { class: "bar" }, make("i"));
      const cell = make("figure", { class: "pick", "data-view": v }, canvas, caption, bar);
      return { cell, canvas, offset, bar: bar.firstChild };
    });
    const views = make("div", { class: "views" }, ...cells.map(({ cell }) => cell));
    const heading = make("div", { class: "row-heading" }, label, note);
    const row = make("div", { class: "row", "data-run": k }, heading, views);
    root.append(row);
    return { row, note, cells };
  });
}

function drawPick({ cell, canvas, offset, bar }, run, view) {
  const asking = view === state.lead;
  cell.classList.toggle("asking", asking);
  const time = asking ? state.time : picked(run, view);
  cell.dataset.frame = time ?? "";
  if (time === undefined) return;
  const picture = frame(view, time);
  if (picture) {
    const { context, width, height } = clear(canvas);
    context.drawImage(picture, 0, 0, width, height);
  }
  if (asking) {
    say(offset, `${time}`);
  } else if (state.about.synchronised) {
    const away = time - state.time;
    cell.dataset.offset = away;
    say(offset, away ? `${away > 0 ? "+" : "−"}${Math.abs(away)}` : "exact");
    const share = away / lengthOf(view);
    bar.style.left = `${50 + Math.min(0, share) * 50}%`;
    bar.style.width = `${Math.max(2, Math.abs(share) * 50)}%`;
    bar.style.setProperty("--wrong", `${Math.round(100 * Math.min(1, Math.abs(share) / WRONG))}%`);
  } else {
    say(offset, `${state.info.views[view].times[time].toFixed(2)} s`);
  }
}

function noteOf(run) {
  const { value, problem } = answer(run);
  if (problem) return problem;
  if (!value) return state.pictured ? "embedding …" : "";
  const others = state.info.views.map((_, view) => view).filter((view) => view !== state.lead);
  if (state.about.synchronised) {
    const errors = others.map((view) => errorOf(run, view));
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    return `alignment error ${mean.toFixed(3)}`;
  }
  return others.map((view) => offsetText(value.offsets[state.lead][view], view)).join("; ");
}

function offsetText([seconds, low, high, problem], view) {
  const { name } = state.info.views[view];
  if (seconds === null) return `${name}: no constant offset fits: ${problem}`;
  const far = Math.max(high - seconds, seconds - low);
  const word = seconds < 0 ? "later" : "earlier";
  return `${name} was started ${Math.abs(seconds).toFixed(2)} ± ${far.toFixed(2)} s ${word}`;
}

onChange(() => {
  rows.forEach(({ row, note, cells }, run) => {
    const { problem, value } = answer(run);
    row.classList.toggle("chosen", run === state.run && rows.length > 1);
    row.classList.toggle("waiting", !problem && !value);
    note.classList.toggle("problem", Boolean(problem));
    say(note, noteOf(run));
    cells.forEach((cell, view) => drawPick(cell, run, view));
  });
});
