// All views at one moment. A click makes a view the lead; a drag over it moves through time.

import { clear, make, say } from "page/canvas.js";
import { frame } from "view/frames.js";
import { drawOverlays } from "view/overlays.js";
import { goTo, lengthOf, onChange, setLead, state, togetherFrame } from "view/store.js";

const MOVED = 5; // pixels: a shorter way is a click
const root = document.getElementById("players");
let cells = [];

export function build() {
  root.replaceChildren();
  cells = state.info.views.map((view, k) => {
    const canvas = make("canvas");
    canvas.style.aspectRatio = `${view.width} / ${view.height}`;
    const name = make("span", { class: "name", textContent: view.name });
    const place = make("span", { class: "place" });
    const caption = make("figcaption", {}, name, place);
    const cell = make("figure", { class: "view", tabIndex: 0, "data-view": k }, canvas, caption);
    cell.title = "Click: match this view's frames. Drag: move through time.";
    follow(cell, k);
    root.append(cell);
    return { cell, canvas, place };
  });
  const count = cells.length;
  const style = document.documentElement.style;
  style.setProperty("--columns", count <= 6 ? count : Math.ceil(count / 2));
  style.setProperty("--narrow", count <= 2 || count === 4 ? 2 : 3);
}

function follow(cell, view) {
  let start = null;
  cell.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { x: event.clientX, time: state.time, moved: false };
    cell.setPointerCapture(event.pointerId);
  });
  cell.addEventListener("pointermove", (event) => {
    if (!start || !cell.hasPointerCapture(event.pointerId)) return;
    const way = event.clientX - start.x;
    start.moved ||= Math.abs(way) > MOVED;
    if (start.moved) goTo(start.time + (way / cell.clientWidth) * (lengthOf(state.lead) - 1));
  });
  cell.addEventListener("pointerup", () => {
    if (start && !start.moved) setLead(view);
    start = null;
  });
  cell.addEventListener("pointercancel", () => (start = null));
  cell.addEventListener("keydown", (event) => {
    if (event.key === "Enter") setLead(view);
  });
}

onChange(() => {
  cells.forEach(({ cell, canvas, place }, view) => {
    const time = togetherFrame(view);
    cell.classList.toggle("lead", view === state.lead);
    cell.dataset.frame = time;
    say(place, `${time}`);
    const picture = frame(view, time);
    if (!picture) return;
    const { context, width, height } = clear(canvas);
    context.drawImage(picture, 0, 0, width, height);
    drawOverlays(context, width, height, view, time);
    cell.dataset.drawn = time;
  });
});
