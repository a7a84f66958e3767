// Answers of the server, or of the page itself where everything is within it.

import { change } from "view/store.js";

const inlined = JSON.parse(document.getElementById("inlined")?.textContent ?? "null");
const asked = new Map();

function unpacked(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

export async function fetchPath(path) {
  const binary = !path.endsWith(".json");
  if (inlined) {
    if (!(path in inlined)) throw new Error("this page holds one episode alone");
    if (inlined[path].problem) throw new Error(inlined[path].problem);
    return binary ? unpacked(inlined[path]) : inlined[path];
  }
  let response;
  try {
    response = await fetch(`api/${path}`);
  } catch {
    throw new Error("the server has ended: start python -m align.view again");
  }
  if (!response.ok) throw new Error((await response.json()).problem);
  return binary ? response.arrayBuffer() : response.json();
}

// The answer if it is there, asked for otherwise: {value} or {problem} or {}.
export function ask(path, decode = (answer) => answer) {
  if (!asked.has(path)) {
    const entry = {};
    asked.set(path, entry);
    fetchPath(path)
      .then((answer) => (entry.value = decode(answer)))
      .catch((error) => (entry.problem = error.message))
      .finally(() => change());
  }
  return asked.get(path);
}

// Bytes behind their shape and unit, as `pack_array` writes them.
export function asArray(buffer) {
  const header = new DataView(buffer);
  const axes = header.getUint32(0, true);
  const shape = Array.from({ length: axes }, (_, k) => header.getUint32(4 * (k + 1), true));
  const unit = header.getFloat32(4 * (axes + 1), true);
  return { shape, unit, bytes: new Uint8Array(buffer, 4 * (axes + 2)) };
}

// Parts behind their number and lengths, as `pack_parts` writes them.
export function asParts(buffer) {
  const header = new DataView(buffer);
  const count = header.getUint32(0, true);
  let start = 4 * (count + 1);
  return Array.from({ length: count }, (_, k) => {
    const length = header.getUint32(4 * (k + 1), true);
    start += length;
    return new Uint8Array(buffer, start - length, length);
  });
}
