// Keys, buttons and playing.

import { openNext } from "view/episodes.js";
import { say } from "page/canvas.js";
import { change, goTo, lengthOf, onChange, setLead, state } from "view/store.js";

const help = document.getElementById("help");
const decoding = document.getElementById("decoding");
const playButton = document.getElementById("play");
let started = null;

function play() {
  if (state.playing) return change({ playing: false });
  const from = state.time === lengthOf(state.lead) - 1 ? 0 : state.time;
  started = { clock: performance.now(), seconds: state.info.views[state.lead].times[from] };
  goTo(from);
  change({ playing: true });
  requestAnimationFrame(advance);
}

function advance(now) {
  if (!state.playing) return;
  const { times } = state.info.views[state.lead];
  const seconds = started.seconds + Math.max(0, now - started.clock) / 1000;
  let time = state.time;
  while (time < times.length - 1 && times[time + 1] <= seconds) time += 1;
  if (time !== state.time) goTo(time);
  if (time === times.length - 1) return change({ playing: false });
  requestAnimationFrame(advance);
}

function move(step) {
  change({ playing: false });
  goTo(state.time + step);
}

function nextDecoding() {
  const names = [...decoding.options].map((option) => option.value);
  const place = (names.indexOf(state.decoding) + 1) % names.length;
  change({ decoding: names[place], probe: null });
}

const toggle = (name) => change({ [name]: !state[name] });
const actions = {
  play,
  help: () => (help.open ? help.close() : help.showModal()),
  "episode-back": () => openNext(-1),
  "episode-on": () => openNext(1),
};
const keys = {
  ArrowLeft: (event) => move(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => move(event.shiftKey ? 10 : 1),
  Home: () => move(-Infinity),
  End: () => move(Infinity),
  " ": play,
  "[": actions["episode-back"],
  "]": actions["episode-on"],
  r: () => change({ run: (state.run + 1) % state.about.runs.length }),
  d: nextDecoding,
  k: () => toggle("keypoints"),
  p: () => toggle("patches"),
  a: () => toggle("attention"),
  "?": actions.help,
};

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !state.info) return;
    if (event.target.closest("select") && event.key !== "?") return;
    if (help.open && event.key !== "?") return;
    const digit = /^[1-9]$/.test(event.key);
    if (!digit && !(event.key in keys)) return;
    event.preventDefault();
    if (digit) setLead(Number(event.key) - 1);
    else keys[event.key](event);
  });
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => {
      button.blur(); // the space bar plays, and does not press it again
      actions[button.dataset.do]();
    });
  }
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.addEventListener("click", () => {
      button.blur();
      toggle(button.dataset.toggle);
    });
  }
  decoding.addEventListener("change", () => {
    change({ decoding: decoding.value, probe: null });
    decoding.blur();
  });
  window.addEventListener("resize", () => change());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change());
}

function available(name) {
  if (name === "keypoints") return state.info.posed;
  const { patches, transformer } = state.about.runs[state.run];
  return name === "attention" ? transformer : patches && state.info.posed;
}

onChange(() => {
  const { times } = state.info.views[state.lead];
  const seconds = times[state.time].toFixed(2);
  say(document.getElementById("clock"), `${state.time} / ${times.length - 1} · ${seconds} s`);
  const phase = state.info.phases?.[state.time];
  say(document.getElementById("phase"), state.about.phases[phase] ?? "");
  say(playButton, state.playing ? "⏸" : "▶");
  decoding.value = state.decoding;
  for (const button of document.querySelectorAll("[data-toggle]")) {
    const name = button.dataset.toggle;
    button.disabled = !available(name);
    button.setAttribute("aria-pressed", state[name] && !button.disabled);
  }
  Object.assign(document.body.dataset, { time: state.time, lead: state.lead, run: state.run });
});
