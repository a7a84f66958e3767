// The start: what there is to show, then the first episode.

import { fetchPath } from "view/api.js";
import { say } from "page/canvas.js";
import { listen } from "view/controls.js";
import { fillList, onOpen, openEpisode } from "view/episodes.js";
import { build as buildMatrix } from "view/matrix.js";
import { build as buildNear } from "view/near.js";
import { build as buildPicks } from "view/picks.js";
import { build as buildPlayers } from "view/players.js";
import { state } from "view/store.js";
import { build as buildTimeline } from "view/timeline.js";

for (const build of [buildPlayers, buildPicks, buildTimeline, buildMatrix, buildNear]) onOpen(build);

try {
  state.about = await fetchPath("about.json");
  const { title, exported, episodes, start, lead } = state.about;
  const shown = exported ? `${title}, ${episodes[start]}` : title;
  document.title = shown;
  say(document.getElementById("title"), shown);
  fillList();
  listen();
  await openEpisode(start, lead);
} catch (error) {
  document.body.dataset.problem = error.message;
}
