// What the page shows, what the server says of it, and who is notified when it changes.

const listeners = [];
let waiting = false;

export const state = {
  about: null, // views, episodes, links
  view: 0,
  episode: 0,
  frame: 0,
  link: "",
  clicks: [],
  answers: [], // of each view: what to click next, and the errors of its clicks
  proposed: [], // frames in which the robot stands differently
  places: {}, // links in the portrait
  outline: false,
  zoom: { scale: 1, x: 0.5, y: 0.5 }, // the middle as shares of the picture
  pointer: null, // in pixels of the picture
  drawn: 0, // counts answers of the server that the page has shown
};

export function onChange(listener) {
  listeners.push(listener);
}

// Applies a change, and tells all panels once before the next picture of the screen.
export function change(values = {}) {
  Object.assign(state, values);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const listener of listeners) listener();
  });
}

export function problem(error) {
  document.body.dataset.problem = error.message;
}

async function answered(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error("the server has ended: start python -m datasets.calibrate again");
  }
  if (!response.ok) throw new Error((await response.json()).problem);
  return response;
}

export const ask = async (path) => (await answered(fetch(`api/${path}`))).json();
export const askPicture = async (path) =>
  createImageBitmap(await (await answered(fetch(`api/${path}`))).blob());

export async function tell(path, values = {}) {
  const headers = { "content-type": "application/json" };
  const sent = { method: "POST", headers, body: JSON.stringify(values) };
  return (await answered(fetch(`do/${path}`, sent))).json();
}

export const size = () => state.about.views[state.view];
export const lengthOf = () => state.about.episodes[state.episode].length;
export const viewName = () => size().name;

// The clicks of the view, each with its number among all and what the camera says of it.
export function clicksHere() {
  const answer = state.answers[state.view];
  return state.clicks
    .map((click, number) => ({ ...click, number }))
    .filter((click) => click.view === viewName())
    .map((click, k) => ({
      ...click,
      error: answer?.errors?.[k],
      outlier: answer?.outliers?.[k] ?? false,
    }));
}

export const inFrame = (click) => click.episode === state.episode && click.frame === state.frame;
