// What the page shows now. Panels draw themselves again, all at once, after a change.

export const state = {
  about: null, // what the server shows: runs, episodes, skeleton, phases
  info: null, // the views of the episode
  episode: 0,
  lead: 0, // the view whose frames are matched
  time: 0, // frame of the lead
  run: 0, // the run of the matrix, of overlays and of other episodes
  other: 1, // the view that the matrix compares the lead with
  probe: null, // frame of that view under the matrix's cursor; null: the one that is picked
  decoding: "nearest",
  keypoints: false,
  patches: false,
  attention: false,
  playing: false,
  pictured: false, // whether the first pictures are there: nothing slow is asked for before
};

const panels = [];
let asked = false;

export function onChange(draw) {
  panels.push(draw);
}

export function change(values = {}) {
  Object.assign(state, values);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (state.info) for (const draw of panels) draw();
  });
}

export function lengthOf(view) {
  return state.info.views[view].times.length;
}

export function goTo(time) {
  const last = lengthOf(state.lead) - 1;
  change({ time: Math.max(0, Math.min(last, Math.round(time))), probe: null });
}

export function setLead(view) {
  if (view === state.lead || view >= state.info.views.length) return;
  const time = togetherFrame(view);
  const other = state.other === view ? state.lead : state.other;
  change({ lead: view, time, other, probe: null });
}

let offsetOf = () => null;

// Whoever knows the offsets between unsynchronised videos says so here.
export function useOffsets(find) {
  offsetOf = find;
}

// The frame of a view at the moment that the lead shows.
export function togetherFrame(view) {
  if (view === state.lead) return state.time;
  const last = lengthOf(view) - 1;
  if (state.about.synchronised) return Math.min(state.time, last);
  const seconds = state.info.views[state.lead].times[state.time] + (offsetOf(view) ?? 0);
  return nearestIndex(state.info.views[view].times, seconds);
}

export function nearestIndex(times, seconds) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] + times[middle + 1]) / 2 < seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}
