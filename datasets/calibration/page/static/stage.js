// The picture that is clicked, the loupe beside it, and the frames below it.

import { clear, colour, line } from "page/canvas.js";
import { addClick, goTo, zoomBy } from "clicks/actions.js";
import { frame, outline, seenLinks } from "clicks/pictures.js";
import { change, clicksHere, inFrame, lengthOf, onChange, size, state } from "clicks/store.js";

const picture = document.getElementById("picture");
const loupe = document.getElementById("loupe");
const timeline = document.getElementById("timeline");
const LOUPE = 6; // times larger than the picture is shown
let dragged = null;

// Where a picture's corner is on the canvas, and how many canvas pixels its own pixel takes.
function placed(width, height) {
  const { zoom } = state;
  const whole = Math.min(width / size().width, height / size().height);
  const scale = whole * zoom.scale;
  const [x, y] = [zoom.x * size().width, zoom.y * size().height];
  return { scale, left: width / 2 - x * scale, top: height / 2 - y * scale };
}

function pixelAt(event) {
  const box = picture.getBoundingClientRect();
  const { scale, left, top } = placed(box.width, box.height);
  const [x, y] = [(event.clientX - box.left - left) / scale, (event.clientY - box.top - top) / scale];
  return x >= 0 && y >= 0 && x <= size().width && y <= size().height ? { x, y } : null;
}

function drawPicture(context, { scale, left, top }) {
  const shown = frame();
  if (!shown) return;
  const place = [left, top, size().width * scale, size().height * scale];
  context.imageSmoothingEnabled = scale < 8; // larger pixels are shown as they are
  context.drawImage(shown, ...place);
  const silhouette = outline();
  if (silhouette) context.drawImage(silhouette, ...place);
}

function cross(context, x, y, style, radius) {
  for (const [tone, width] of [["#000a", 4], [style, 2]]) {
    line(context, [[x - radius, y], [x + radius, y]], tone, width);
    line(context, [[x, y - radius], [x, y + radius]], tone, width);
  }
}

function dot(context, x, y, radius, style) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = style;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "#fff";
  context.stroke();
}

function drawLinks(context, at) {
  const seen = seenLinks();
  if (!seen?.length) return;
  const green = colour("found");
  for (const [a, b] of state.about.bones) {
    if (seen[a] && seen[b]) line(context, [at(seen[a]), at(seen[b])], green, 2.5);
  }
  seen.forEach((place, k) => {
    if (!place) return;
    const chosen = state.about.keypoints[k] === state.link;
    dot(context, ...at(place), chosen ? 6 : 4, chosen ? colour("accent") : green);
  });
}

function label(context, text, x, y) {
  context.font = "600 12px system-ui, sans-serif";
  context.lineWidth = 4;
  context.strokeStyle = "#000c";
  context.strokeText(text, x, y);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}

function drawClicks(context, at) {
  const seen = seenLinks();
  for (const click of clicksHere().filter(inFrame)) {
    const [x, y] = at([click.x, click.y]);
    const style = colour(click.outlier ? "wrong" : "click");
    const place = seen?.[state.about.keypoints.indexOf(click.link)];
    if (place) line(context, [[x, y], at(place)], style, 2, [4, 3]);
    cross(context, x, y, style, 8);
    const off = click.error === undefined ? "" : ` ${click.error.toFixed(1)}`;
    label(context, click.link + off, x + 10, y - 8);
  }
}

function drawStage() {
  const { context, width, height } = clear(picture);
  const { scale, left, top } = placed(width, height);
  const at = ([x, y]) => [left + x * scale, top + y * scale];
  drawPicture(context, { scale, left, top });
  drawLinks(context, at);
  drawClicks(context, at);
  picture.dataset.placed = JSON.stringify({ scale, left, top });
  picture.dataset.ready = frame() ? `${state.view}/${state.episode}/${state.frame}` : "";
}

function drawLoupe() {
  const { context, width, height } = clear(loupe);
  const shown = frame();
  if (!shown || !state.pointer) return;
  const scale = placed(picture.clientWidth, picture.clientHeight).scale * LOUPE;
  const [left, top] = [width / 2 - state.pointer.x * scale, height / 2 - state.pointer.y * scale];
  context.imageSmoothingEnabled = false;
  context.drawImage(shown, left, top, size().width * scale, size().height * scale);
  for (const [tone, thick] of [["#000a", 3], ["#fff", 1]]) {
    line(context, [[width / 2, 0], [width / 2, height]], tone, thick);
    line(context, [[0, height / 2], [width, height / 2]], tone, thick);
  }
}

const MARGIN = 10; // beside the first and last frame

function drawTimeline() {
  const { context, width, height } = clear(timeline);
  const x = (time) => MARGIN + (time / Math.max(1, lengthOf() - 1)) * (width - 2 * MARGIN);
  line(context, [[MARGIN, height / 2], [width - MARGIN, height / 2]], colour("line"), 4);
  for (const time of state.proposed) {
    line(context, [[x(time), 8], [x(time), height - 8]], colour("faint"), 2);
  }
  for (const click of clicksHere().filter((each) => each.episode === state.episode)) {
    dot(context, x(click.frame), height / 2, 5, colour(click.outlier ? "wrong" : "click"));
  }
  line(context, [[x(state.frame), 2], [x(state.frame), height - 2]], colour("ink"), 3);
}

function seek(event) {
  const box = timeline.getBoundingClientRect();
  const share = (event.clientX - box.left - MARGIN) / (box.width - 2 * MARGIN);
  goTo(Math.round(share * (lengthOf() - 1)));
}

function move(event) {
  if (dragged) {
    const { scale } = placed(picture.clientWidth, picture.clientHeight);
    const { zoom } = state;
    const share = (value) => Math.max(0, Math.min(1, value));
    const x = share(zoom.x - (event.clientX - dragged.x) / scale / size().width);
    const y = share(zoom.y - (event.clientY - dragged.y) / scale / size().height);
    dragged = { x: event.clientX, y: event.clientY };
    return change({ zoom: { ...zoom, x, y } });
  }
  change({ pointer: pixelAt(event) });
}

export function listenToStage() {
  picture.addEventListener("contextmenu", (event) => event.preventDefault());
  picture.addEventListener("pointerdown", (event) => {
    const pixel = pixelAt(event);
    if (event.button === 0 && pixel) addClick(pixel.x, pixel.y);
    if (event.button === 0) return;
    dragged = { x: event.clientX, y: event.clientY };
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointerup", () => (dragged = null));
  picture.addEventListener("pointermove", move);
  picture.addEventListener("pointerleave", () => change({ pointer: null }));
  picture.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const pixel = pixelAt(event);
      const at = pixel && { x: pixel.x / size().width, y: pixel.y / size().height };
      zoomBy(event.deltaY < 0 ? 1.25 : 0.8, at ?? undefined);
    },
    { passive: false },
  );
  timeline.addEventListener("pointerdown", (event) => {
    timeline.setPointerCapture(event.pointerId);
    seek(event);
  });
  timeline.addEventListener("pointermove", (event) => {
    if (timeline.hasPointerCapture(event.pointerId)) seek(event);
  });
  onChange(drawStage);
  onChange(drawLoupe);
  onChange(drawTimeline);
}
