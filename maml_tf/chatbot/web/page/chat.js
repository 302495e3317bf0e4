// The page: chooses the bot, puts the parts together and follows what others do.

import { get, setLimits } from "./api.js";
import * as conversation from "./conversation.js";
import { byId, el, toast } from "./dom.js";
import * as intents from "./intents.js";
import * as map from "./map.js";
import { follow, refresh, state, undo } from "./state.js";
import * as transfer from "./transfer.js";
import { explain } from "./why.js";

const THEMES = { "": "Auto", light: "Light", dark: "Dark" };
const NEW = "\u0000new";

function themes() {
  const button = byId("theme");
  const root = document.documentElement;
  const show = () => {
    const now = THEMES[root.dataset.theme ?? ""];
    button.replaceChildren(el("span", { class: "quiet wide" }, "Theme "), now);
    button.setAttribute("aria-label", `Theme: ${now}`);
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    localStorage.setItem("theme", next);
    show();
  });
  show();
}

function views() {
  const buttons = [...document.querySelectorAll(".views button")];
  const show = () => {
    for (const one of buttons) {
      one.setAttribute("aria-pressed", String(one.dataset.shows === document.body.dataset.view));
    }
  };
  for (const one of buttons) {
    one.addEventListener("click", () => (document.body.dataset.view = one.dataset.shows));
  }
  new MutationObserver(show).observe(document.body, { attributeFilter: ["data-view"] });
  show();
}

async function choose(bot) {
  state.bot = bot;
  document.title = `${bot} · chatbot`;
  const address = new URL(location.href);
  address.searchParams.set("bot", bot);
  history.replaceState(null, "", address);
  const select = byId("bot");
  if (![...select.options].some((option) => option.value === bot)) {
    select.prepend(el("option", { value: bot }, bot));
  }
  select.value = bot;
  await refresh();
  conversation.open();
}

async function bots() {
  const { bots: names, first, limits } = await get("bots");
  setLimits(limits);
  const select = byId("bot");
  select.replaceChildren(
    ...names.map((name) => el("option", { value: name }, name)),
    el("option", { value: NEW }, "New bot…"),
  );
  const dialog = byId("name-dialog");
  select.addEventListener("change", () => {
    if (select.value === NEW) {
      select.value = state.bot;
      byId("name").value = "";
      dialog.returnValue = "";
      dialog.showModal();
    } else chosen(select.value);
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close(""));
  dialog.addEventListener("close", () => {
    const name = byId("name").value.trim();
    if (dialog.returnValue === "open" && name) chosen(name);
  });
  await choose(new URLSearchParams(location.search).get("bot") || first);
}

async function chosen(name) {
  const before = state.bot;
  try {
    await choose(name);
  } catch (error) {
    toast(error.message);
    if (before !== name) await choose(before);
  }
}

themes();
views();
conversation.start(explain);
intents.start();
map.start();
transfer.start();
byId("undo").addEventListener("click", undo);
addEventListener("keydown", (event) => {
  const writes = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !writes) {
    event.preventDefault();
    document.body.dataset.view = "chat";
    byId("say").focus();
  }
  if (event.key === "Escape") byId("export").open = false;
});
try {
  await bots();
  document.body.dataset.ready = "";
} catch (error) {
  byId("banner").textContent = error.message;
  byId("banner").hidden = false;
}
follow();
