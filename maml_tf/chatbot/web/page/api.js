// The one way to the server. What it refuses becomes an Error with its sentence.

import { byId } from "./dom.js";

const TOKEN = "token";
export let limits = { call: 2 ** 20, file: 10 * 2 ** 20 };
export const setLimits = (given) => (limits = given);

// The printed address carries the token behind `#`, which no server and no log sees.
const given = new URLSearchParams(location.hash.slice(1)).get(TOKEN);
if (given) {
  sessionStorage.setItem(TOKEN, given);
  history.replaceState(null, "", location.pathname + location.search);
}

let asking;

function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token-dialog");
    const entered = () => {
      asking = undefined;
      sessionStorage.setItem(TOKEN, byId("token").value.trim());
      resolve();
    };
    dialog.addEventListener("close", entered, { once: true });
    if (!dialog.open) dialog.showModal();
  });
  return asking;
}

async function ask(path, options) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, headers });
  } catch {
    throw Object.assign(new Error("The server cannot be reached."), { away: true });
  }
  if (response.status === 401) {
    await askForToken();
    return ask(path, options);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.error ?? `The server answered ${response.status}.`);
}

export async function get(path, query = {}) {
  const response = await ask(`${path}?${new URLSearchParams(query)}`, {});
  return response.json();
}

export async function getText(path, query = {}) {
  const response = await ask(`${path}?${new URLSearchParams(query)}`, {});
  return response.text();
}

export async function call(name, fields) {
  const body = JSON.stringify(fields);
  if (body.length > limits.call) {
    throw new Error("That is too large to send: up to 1 MB at once.");
  }
  const headers = { "Content-Type": "application/json" };
  const response = await ask(name, { method: "POST", headers, body });
  return response.json();
}

export async function sendFile(bot, name, content) {
  if (content.size > limits.file) {
    const most = Math.round(limits.file / 2 ** 20);
    throw new Error(`${name} is too large: files of up to ${most} MB can be imported.`);
  }
  const query = new URLSearchParams({ bot, name });
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await ask(`import?${query}`, {
    method: "POST",
    headers,
    body: content,
  });
  return response.json();
}
