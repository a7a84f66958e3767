// Frames, outlines and reprojected links of the server, as they come.

import { ask, askPicture, change, problem, state } from "clicks/store.js";

const KEPT = 60; // answers, so that going back and forth over some frames asks once
const kept = new Map();

function there(key, load) {
  if (!kept.has(key)) {
    kept.set(key, null);
    load()
      .then((answer) => {
        kept.set(key, answer);
        change({ drawn: state.drawn + 1 });
      })
      .catch((error) => {
        kept.delete(key);
        problem(error);
      });
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

const place = () => `views/${state.view}/${state.episode}/${state.frame}`;
// A camera changes with the clicks of its view.
const camera = () => JSON.stringify(state.answers[state.view].errors);

export const frame = () => there(place(), () => askPicture(`${place()}.jpg`));
export const portrait = () => there("portrait", () => askPicture("portrait.png"));

export function seenLinks() {
  if (!state.answers[state.view]?.solved) return null;
  const path = place();
  return there(`${path}/links/${camera()}`, () => ask(`${path}/links.json`));
}

export function outline() {
  if (!state.outline || !state.answers[state.view]?.solved) return null;
  const path = place();
  return there(`${path}/outline/${camera()}`, () => askPicture(`${path}/outline.png`));
}
