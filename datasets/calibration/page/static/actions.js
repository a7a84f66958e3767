// What a person can do.

import { ask, change, clicksHere, lengthOf, problem, state, tell, viewName } from "clicks/store.js";

const asked = []; // how often each view was asked about

// Asks for the camera of a view again; an older answer that comes later is dropped.
export async function solve(view) {
  const number = (asked[view] = (asked[view] ?? 0) + 1);
  try {
    const answer = await ask(`views/${view}/answer.json`);
    if (number !== asked[view]) return;
    const answers = [...state.answers];
    answers[view] = answer;
    change({ answers, drawn: state.drawn + 1 });
  } catch (error) {
    problem(error);
  }
}

async function changeClicks(path, values) {
  const view = state.view;
  try {
    const clicks = await tell(path, values);
    const answers = [...state.answers];
    answers[view] = null; // errors of other clicks than those shown
    change({ clicks, answers });
    await solve(view);
  } catch (error) {
    problem(error);
  }
}

export function addClick(x, y) {
  const { link, episode, frame } = state;
  nextLink(1);
  return changeClicks("click", { view: viewName(), episode, frame, link, x, y });
}

export const removeClick = (number) => changeClicks("remove", { number });

export function undo() {
  const last = clicksHere().at(-1);
  if (last) removeClick(last.number);
}

export function goTo(frame) {
  change({ frame: Math.max(0, Math.min(lengthOf() - 1, frame)) });
}

export function nextProposed() {
  const { proposed, frame } = state;
  if (proposed.length) goTo(proposed.find((time) => time > frame) ?? proposed[0]);
}

// Other links than keypoints are chosen by their list alone.
export function nextLink(step) {
  const names = state.about.keypoints;
  const place = names.indexOf(state.link);
  const next = place < 0 ? 0 : (place + step + names.length) % names.length;
  change({ link: names[next] });
}

export function openView(view) {
  change({ view, zoom: { scale: 1, x: 0.5, y: 0.5 }, pointer: null });
  solve(view);
}

export async function openEpisode(episode) {
  try {
    const { proposed } = await ask(`episodes/${episode}.json`);
    change({ episode, proposed, frame: 0 });
  } catch (error) {
    problem(error);
  }
}

export function zoomBy(factor, at = { x: state.zoom.x, y: state.zoom.y }) {
  const { scale, x, y } = state.zoom;
  const larger = Math.max(1, Math.min(32, scale * factor));
  const keep = scale / larger; // so that the place `at` stays under the pointer
  const inside = (value) => Math.max(0, Math.min(1, value));
  const middle = (now, fixed) => (larger === 1 ? 0.5 : inside(fixed + (now - fixed) * keep));
  change({ zoom: { scale: larger, x: middle(x, at.x), y: middle(y, at.y) } });
}

export async function save() {
  try {
    const { views, clocks, rig, table, then } = await tell("save");
    const words = `${rig} has the cameras of ${views.join(", ")}; ${table} has the clicks.`;
    document.getElementById("saved-words").textContent = words;
    document.getElementById("clocks").textContent = clocks.join("\n");
    document.getElementById("then").textContent = then;
    document.getElementById("saved").showModal();
  } catch (error) {
    problem(error);
  }
}
