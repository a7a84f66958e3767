// What to do next, the links, and the clicks of the view.

import { clear, colour, make, say } from "page/canvas.js";
import { goTo, openEpisode, openView, removeClick } from "clicks/actions.js";
import { portrait } from "clicks/pictures.js";
import { change, clicksHere, lengthOf, onChange, state } from "clicks/store.js";

const byId = (name) => document.getElementById(name);
const tabs = [];
const buttons = new Map();

export function build() {
  const { about } = state;
  say(byId("title"), about.title);
  about.views.forEach((view, k) => {
    const tab = make("button", { type: "button", role: "tab" }, view.name, make("small"));
    tab.addEventListener("click", () => openView(k));
    tabs.push(tab);
    byId("views").append(tab);
  });
  byId("episodes").hidden = about.episodes.length < 2;
  byId("episode").append(...about.episodes.map((e, k) => make("option", { value: k }, e.name)));
  byId("episode").addEventListener("change", (event) => {
    openEpisode(Number(event.target.value));
    event.target.blur();
  });
  buildLinks();
  byId("portrait").addEventListener("click", chooseInPortrait);
}

function buildLinks() {
  const { keypoints, links } = state.about;
  for (const name of keypoints) {
    const button = make("button", { type: "button", role: "option" }, name, make("b"));
    button.addEventListener("click", () => change({ link: name }));
    buttons.set(name, button);
    byId("links").append(button);
  }
  const others = links.slice(keypoints.length);
  if (!others.length) return;
  const first = make("option", { value: "" }, "origin of a link …");
  const list = make("select", { id: "other" }, first, ...others.map((n) => make("option", {}, n)));
  list.addEventListener("change", () => {
    change({ link: list.value || keypoints[0] });
    list.blur();
  });
  byId("links").append(list);
}

function chooseInPortrait(event) {
  const box = event.target.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const away = (name) => {
    const place = state.places[name];
    return place ? Math.hypot(place[0] - x, place[1] - y) : Infinity;
  };
  const nearest = state.about.keypoints.reduce((a, b) => (away(a) <= away(b) ? a : b));
  change({ link: nearest });
}

function drawPortrait() {
  const { context, width, height } = clear(byId("portrait"));
  const drawn = portrait();
  if (drawn) context.drawImage(drawn, 0, 0, width, height);
  const place = state.places[state.link];
  say(byId("where"), `where ${state.link} is`);
  if (!drawn || !place) return;
  context.beginPath();
  context.arc(place[0] * width, place[1] * height, 7, 0, 2 * Math.PI);
  context.lineWidth = 3;
  context.strokeStyle = colour("wrong");
  context.stroke();
}

function drawHead() {
  const { about, clicks, answers } = state;
  tabs.forEach((tab, k) => {
    const count = clicks.filter((click) => click.view === about.views[k].name).length;
    say(tab.querySelector("small"), count ? String(count) : "");
    tab.setAttribute("aria-pressed", k === state.view);
    tab.classList.toggle("done", Boolean(answers[k]?.solved) && count >= about.enough);
  });
  byId("save").disabled = !answers.some((answer) => answer?.solved);
  byId("episode").value = state.episode;
  say(byId("clock"), `${state.frame} / ${lengthOf() - 1}`);
}

function drawAdvice() {
  const answer = state.answers[state.view];
  say(byId("advice-words"), answer?.advice ?? "The camera is being found …");
  byId("problem").hidden = !answer?.problem;
  say(byId("problem"), answer?.problem ?? "");
  byId("advice").classList.toggle("done", answer?.advice.startsWith("Enough") ?? false);
  byId("advice").dataset.solved = Boolean(answer?.solved);
  say(byId("fit"), (answer?.lines?.[0] ?? "").split(", ").slice(1).join(", "));
}

function drawLinks() {
  const clicks = clicksHere();
  for (const [name, button] of buttons) {
    const count = clicks.filter((click) => click.link === name).length;
    say(button.querySelector("b"), count ? String(count) : "");
    button.setAttribute("aria-selected", name === state.link);
  }
  const other = byId("other");
  if (other) other.value = buttons.has(state.link) ? "" : state.link;
}

function drawTable() {
  const clicks = clicksHere();
  say(byId("count"), clicks.length === 1 ? "1 click" : `${clicks.length} clicks`);
  byId("clicks").hidden = !clicks.length;
  const rows = clicks.reverse().map((click) => {
    const remove = make("button", { type: "button", title: "Delete this click" }, "✕");
    remove.addEventListener("click", (event) => {
      event.stopPropagation();
      removeClick(click.number);
    });
    const several = state.about.episodes.length > 1;
    const frame = several ? `${click.episode}: ${click.frame}` : String(click.frame);
    const off = click.error === undefined ? "" : `${click.error.toFixed(1)} px`;
    const cells = [click.link, frame, off, remove].map((cell) => make("td", {}, cell));
    const row = make("tr", { class: click.outlier ? "outlier" : "" }, ...cells);
    row.addEventListener("click", async () => {
      if (click.episode !== state.episode) await openEpisode(click.episode);
      goTo(click.frame);
    });
    return row;
  });
  byId("clicks").querySelector("tbody").replaceChildren(...rows);
}

export function listenToPanel() {
  for (const draw of [drawHead, drawAdvice, drawLinks, drawPortrait]) onChange(draw);
  let before = "";
  onChange(() => {
    // Rows that are replaced under the pointer would lose a click on them.
    const now = JSON.stringify([state.view, clicksHere()]);
    if (now !== before) drawTable();
    before = now;
  });
}
