// What all parts of the page look at: the bot, its intents, and who wants to know.

import { call, get } from "./api.js";
import { byId, toast } from "./dom.js";

export const state = {
  bot: "",
  revision: -1,
  intents: [],
  negatives: [],
  history: [],
};
const watchers = [];

// Called whenever the bot has changed, or another one is looked at.
export const watch = (changed) => watchers.push(changed);

export const placeOf = (intent) => state.intents.findIndex((one) => one.name === intent);

export async function refresh() {
  const bot = state.bot;
  const all = await get("bot", { bot });
  if (bot !== state.bot) return; // another one was chosen meanwhile
  Object.assign(state, all);
  for (const changed of watchers) changed();
}

// Changes the bot, looks at it anew, and offers the way back.
export async function change(name, fields, said) {
  const answer = await call(name, { bot: state.bot, ...fields });
  await refresh();
  const text = typeof said === "function" ? said(answer) : said;
  if (text) {
    const warnings = (answer.warnings ?? []).join(" ");
    toast(`${text} ${warnings}`.trim(), { label: "Undo", run: undo });
  }
  return answer;
}

export async function undo() {
  try {
    const answer = await call("undo", { bot: state.bot });
    await refresh();
    toast(`Undone: ${answer.said}.`);
  } catch (error) {
    toast(error.message);
  }
}

// Runs what a button does, and shows what went wrong at the foot of the page.
export function tried(work) {
  return async (event) => {
    event?.preventDefault?.();
    const pressed = event?.currentTarget;
    if (pressed?.tagName === "BUTTON") pressed.disabled = true;
    try {
      await work(event);
    } catch (error) {
      toast(error.message);
    } finally {
      if (pressed?.tagName === "BUTTON") pressed.disabled = false;
    }
  };
}

// Others teach the same bot: every few seconds the page asks whether they did.
export function follow(seconds = 3) {
  const look = async () => {
    if (!document.hidden) {
      try {
        const { revision } = await get("revision", { bot: state.bot });
        if (!byId("banner").hidden) {
          byId("banner").hidden = true;
          await refresh();
        } else if (revision !== state.revision) await refresh();
      } catch (error) {
        byId("banner").textContent = error.away
          ? "The server cannot be reached. The page goes on as soon as it is back."
          : error.message;
        byId("banner").hidden = false;
      }
    }
    setTimeout(look, seconds * 1000);
  };
  setTimeout(look, seconds * 1000);
}
