// Frames of episodes: JPEGs come in chunks and stay; decoded pictures are kept while there is room.

import { asParts, fetchPath } from "view/api.js";
import { change, lengthOf, state } from "view/store.js";

const ROOM = 48e6; // pixels of decoded pictures, at four bytes each
const chunks = new Map();
const stills = new Map();
const pictures = new Map(); // in the order of their last use
let used = 0;

function loadChunk(episode, view, chunk) {
  const path = `episodes/${episode}/frames/${view}/${chunk}.bin`;
  if (!chunks.has(path)) chunks.set(path, fetchPath(path).then(asParts));
  return chunks.get(path);
}

function loadStill(episode, view, time) {
  const path = `episodes/${episode}/frame/${view}/${time}.jpg`;
  if (!stills.has(path)) stills.set(path, fetchPath(path).then((buffer) => new Uint8Array(buffer)));
  return stills.get(path);
}

async function decode(key, jpeg) {
  try {
    const picture = await createImageBitmap(new Blob([await jpeg()], { type: "image/jpeg" }));
    pictures.set(key, picture);
    used += picture.width * picture.height;
    for (const [old, dropped] of pictures) {
      if (used < ROOM || old === key) break;
      if (!dropped) continue;
      used -= dropped.width * dropped.height;
      dropped.close();
      pictures.delete(old);
    }
  } catch (error) {
    document.body.dataset.problem = error.message;
  }
  change();
}

function pictureOf(key, jpeg) {
  const found = pictures.get(key);
  if (found === undefined) {
    pictures.set(key, null); // on its way
    decode(key, jpeg);
  } else if (found) {
    pictures.delete(key);
    pictures.set(key, found);
  }
  return found ?? null;
}

// A frame of the episode that is shown; null until it is there.
export function frame(view, time) {
  const { episode } = state;
  const size = state.about.chunk;
  return pictureOf(`${episode}/${view}/${time}`, async () => {
    const parts = await loadChunk(episode, view, Math.floor(time / size));
    return parts[time % size];
  });
}

// A frame of another episode.
export function still(episode, view, time) {
  return pictureOf(`still/${episode}/${view}/${time}`, () => loadStill(episode, view, time));
}

// Loads all frames of the episode, the beginning of every view first.
export async function prefetch() {
  const { episode } = state;
  const views = state.info.views.map((_, view) => view);
  const most = Math.max(...views.map(lengthOf));
  for (let chunk = 0; chunk * state.about.chunk < most; chunk += 1) {
    if (state.episode !== episode) return;
    const there = views.filter((view) => chunk * state.about.chunk < lengthOf(view));
    await Promise.all(there.map((view) => loadChunk(episode, view, chunk)));
    if (chunk === 0) change({ pictured: true });
  }
}
