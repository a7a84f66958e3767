// Opening an episode, and what every panel does then.

import { fetchPath } from "view/api.js";
import { make } from "page/canvas.js";
import { prefetch } from "view/frames.js";
import { change, state } from "view/store.js";

const list = document.getElementById("episode");
const builders = [];

export function onOpen(build) {
  builders.push(build);
}

export function fillList() {
  const { episodes, exported } = state.about;
  document.getElementById("episodes").hidden = episodes.length < 2 || Boolean(exported);
  list.replaceChildren(
    ...episodes.map((textContent, value) => make("option", { textContent, value })),
  );
  list.addEventListener("change", () => openEpisode(Number(list.value)));
}

let latest = 0;

export async function openEpisode(episode, lead = state.lead, time = 0) {
  if (state.about.exported && state.info) return;
  const turn = (latest += 1);
  let info;
  try {
    info = await fetchPath(`episodes/${episode}/about.json`);
  } catch (error) {
    document.body.dataset.problem = error.message;
    return;
  }
  if (turn !== latest) return; // another one was asked for meanwhile
  const view = Math.min(lead, info.views.length - 1);
  Object.assign(state, { info, episode, lead: view, probe: null, playing: false, pictured: false });
  state.time = Math.min(time, info.views[view].times.length - 1);
  list.value = episode;
  document.body.dataset.episode = info.name;
  delete document.body.dataset.problem;
  for (const build of builders) build();
  change();
  prefetch().catch((error) => (document.body.dataset.problem = error.message));
}

export function openNext(step) {
  const count = state.about.episodes.length;
  openEpisode((state.episode + step + count) % count);
}
