// Cameras from clicks: starts the page, and listens to its keys and buttons.

import * as actions from "clicks/actions.js";
import { build, listenToPanel } from "clicks/panel.js";
import { listenToStage } from "clicks/stage.js";
import { ask, change, onChange, problem, state } from "clicks/store.js";

const help = document.getElementById("help");
const toggleHelp = () => (help.open ? help.close() : help.showModal());
const toggleOutline = () => change({ outline: !state.outline });
const step = (count) => actions.goTo(state.frame + count);
const buttons = {
  save: actions.save,
  help: toggleHelp,
  "frame-back": () => step(-1),
  "frame-on": () => step(1),
  proposed: actions.nextProposed,
};
const keys = {
  ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
  ArrowUp: () => actions.nextLink(-1),
  ArrowDown: () => actions.nextLink(1),
  Home: () => actions.goTo(0),
  End: () => actions.goTo(Infinity),
  n: actions.nextProposed,
  v: () => actions.openView((state.view + 1) % state.about.views.length),
  z: actions.undo,
  s: toggleOutline,
  "+": () => actions.zoomBy(1.5),
  "-": () => actions.zoomBy(1 / 1.5),
  0: () => actions.zoomBy(0),
  "?": toggleHelp,
};

function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    if (event.target.closest("select, dialog") && event.key !== "?") return;
    event.preventDefault();
    keys[event.key](event);
  });
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => {
      button.blur();
      buttons[button.dataset.do]();
    });
  }
  const outline = document.querySelector("[data-toggle='outline']");
  outline.addEventListener("click", toggleOutline);
  onChange(() => outline.setAttribute("aria-pressed", state.outline));
  window.addEventListener("resize", () => change());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change());
}

try {
  const [about, clicks] = await Promise.all([ask("about.json"), ask("clicks.json")]);
  change({ about, clicks, link: about.keypoints[0] });
  build();
  listenToStage();
  listenToPanel();
  listen();
  await actions.openEpisode(0);
  // Views that were clicked before have a camera at once.
  about.views.forEach((_, view) => clicks.length && actions.solve(view));
  actions.openView(about.start);
  change({ places: await ask("portrait.json") });
} catch (error) {
  problem(error);
}
