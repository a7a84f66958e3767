// The moments of other episodes that are nearest to the lead's frame. A click goes there.

import { ask } from "view/api.js";
import { clear, make, say } from "page/canvas.js";
import { openEpisode } from "view/episodes.js";
import { still } from "view/frames.js";
import { matched } from "view/picks.js";
import { onChange, state } from "view/store.js";

const root = document.getElementById("near");
let cells = [];

export function build() {
  document.getElementById("others").hidden = !state.info.references.length;
  root.replaceChildren();
  cells = state.info.references.map((episode) => {
    const canvas = make("canvas");
    const name = make("span", { textContent: state.about.episodes[episode] });
    const place = make("span", { class: "place" });
    const caption = make("figcaption", {}, name, place);
    const cell = make("figure", { class: "near", tabIndex: 0 }, canvas, caption);
    if (!state.about.exported) {
      cell.title = "Click: go to this moment";
      cell.addEventListener("click", () => {
        if (cell.dataset.frame) openEpisode(episode, state.lead, Number(cell.dataset.frame));
      });
    }
    root.append(cell);
    return { cell, canvas, place, episode };
  });
}

onChange(() => {
  if (!matched()) return;
  for (const { cell, canvas, place, episode } of cells) {
    const view = state.info.views[state.lead];
    canvas.style.aspectRatio = `${view.width} / ${view.height}`;
    const answer = ask(`runs/${state.run}/episodes/${state.episode}/near/${episode}.json`);
    if (!answer.value) {
      say(place, answer.problem ? "–" : "…");
      cell.title = answer.problem ?? cell.title;
      continue;
    }
    const time = answer.value.frames[state.lead][state.time];
    cell.dataset.frame = time;
    say(place, `${time}`);
    const picture = still(episode, state.lead, time);
    if (!picture) continue;
    const { context, width, height } = clear(canvas);
    context.drawImage(picture, 0, 0, width, height);
  }
});
