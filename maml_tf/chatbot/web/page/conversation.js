// The conversation of this browser: kept here, while the bot belongs to everybody.

import { call } from "./api.js";
import { button, byId, el, mark, percent, svg, toast } from "./dom.js";
import { change, placeOf, state, tried, watch } from "./state.js";

const MOST = 200; // messages kept
let messages = [];
let shown; // the answer that is explained beside the conversation
let explain = () => {};

const key = () => `conversation:${state.bot}`;

function keep() {
  messages = messages.slice(-MOST);
  try {
    localStorage.setItem(key(), JSON.stringify(messages));
  } catch {
    // No room in this browser: the conversation lasts as long as the page.
  }
}

export function open() {
  try {
    messages = JSON.parse(localStorage.getItem(key())) ?? [];
  } catch {
    messages = [];
  }
  shown = messages.findLast((message) => message.reply);
  render();
}

function render() {
  const log = byId("log");
  // Showing again is no news: only what is added is read aloud.
  log.setAttribute("aria-live", "off");
  log.replaceChildren(...(messages.length ? messages.map(drawn) : [welcome()]));
  markLast();
  log.scrollTop = log.scrollHeight;
  setTimeout(() => log.setAttribute("aria-live", "polite"), 100);
  explain(shown);
}

function welcome() {
  const tries = state.intents.flatMap((intent) => intent.examples.slice(0, 1)).slice(0, 3);
  return el(
    "div",
    { class: "welcome" },
    el("p", { class: "large" }, state.intents.length ? "Say something." : "Teach me something."),
    el(
      "p",
      {},
      state.intents.length
        ? `I know ${state.intents.length} intents. If I get you wrong, one click tells me better.`
        : "Give me an intent and a few example sentences, or drop a file here. " +
            "I learn at once.",
    ),
    tries.length
      ? el("p", { class: "chips" }, tries.map((text) => button(text, () => say(text), { class: "chip", dir: "auto" })))
      : "",
  );
}

function drawn(message) {
  return message.reply ? drawnReply(message) : drawnOwn(message);
}

function drawnOwn(message) {
  return el(
    "div",
    { class: `message own${message.lost ? " lost" : ""}` },
    el("span", { class: "hidden" }, "You: "),
    el("p", { class: "bubble", dir: "auto" }, shortened(message.text)),
    message.lost
      ? el(
          "p",
          { class: "note bad" },
          `${message.lost} `,
          message.refused
            ? ""
            : button("Try again", () => again(message), { class: "link" }),
        )
      : "",
  );
}

function drawnReply(message) {
  const { reply, asked } = message;
  const node = el("div", { class: `message theirs ${reply.kind}` });
  const explained = button(
    [
      mark(reply.kind === "answer" ? placeOf(reply.intent) : -1),
      reply.intent ? `${labelOf(reply)} · ${percent(reply.confidence)}` : labelOf(reply),
    ],
    () => {
      shown = message;
      explain(message);
      document.body.dataset.view = "answer";
    },
    { class: "why", title: "Why this answer" },
  );
  node.append(
    el("span", { class: "hidden" }, "Bot: "),
    el("p", { class: "bubble", dir: "auto" }, reply.text),
    el("div", { class: "foot" }, explained,
      reply.intent ? [thumb(message, true), thumb(message, false)] : "",
      button("Correct", () => {
        node.classList.toggle("fixing");
        node.querySelector(".fix button")?.focus();
      }, { class: "link correct" })),
    fixes(message),
    message.note ? note(message) : "",
  );
  return node;

  function note() {
    return el("p", { class: "note" }, `${message.note} `,
      button("Ask again", () => say(asked), { class: "link" }));
  }
}

function labelOf(reply) {
  if (reply.kind === "unsure") return "not sure";
  if (reply.kind === "untaught") return "nothing taught yet";
  if (reply.kind === "between") return "between two";
  if (reply.kind === "generated") return `${reply.intent ?? "free"}, generated`;
  return reply.intent;
}

function thumb(message, up) {
  const judge = tried(async () => {
    await change("thumbs", { ...judged(message), up }, 
      up ? "Thank you; noted as right." : "Thank you; noted as wrong.");
    message.judged = up;
    keep();
    render();
  });
  return button(hand(up), judge, {
    class: "thumb",
    "aria-label": up ? "Good answer" : "Bad answer",
    title: up ? "Good answer" : "Bad answer",
    "aria-pressed": String(message.judged === up),
  });
}

const HAND =
  "M5 8.5v9H2.8v-9ZM5 9l3.6-6.4c1.3 0 2.1 1 1.9 2.2L9.9 8h5.4c1.2 0 2 1 1.7 2.2l-1.4 6" +
  "c-.2.8-.9 1.3-1.7 1.3H5Z";

function hand(up) {
  const turned = up ? undefined : "rotate(180 10 10)";
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", { d: HAND, transform: turned }));
}

const judged = ({ asked, reply: { text, intent, kind } }) => ({ asked, text, intent, kind });

// One click says what it should have been.
function fixes(message) {
  const { reply, asked } = message;
  const near = reply.alternatives.map((one) => one.intent);
  const rest = state.intents.map((one) => one.name).filter((name) => !near.includes(name));
  const offered = [...near, ...rest].filter(
    (name) => reply.kind !== "answer" || name !== reply.intent,
  );
  const chips = reply.kind === "answer" ? 2 : 3;
  const correct = (intent) =>
    tried(async () => {
      await change("correct", { text: asked, intent }, "");
      learned(message, `Learned: this is “${intent}”.`);
    });
  const never = tried(async () => {
    await change("never", { text: asked }, "");
    learned(message, "Learned: this is none of the intents.");
  });
  const choice = el("select", { "aria-label": "Another intent" },
    el("option", { value: "" }, "another…"),
    offered.slice(chips).map((name) => el("option", { value: name }, name)));
  choice.addEventListener("change", (event) => choice.value && correct(choice.value)(event));
  return el("div", { class: "fix" },
    el("span", { class: "quiet" }, reply.kind === "answer" ? "Not that?" : "Which is it?"),
    offered.slice(0, chips).map((name) =>
      button([mark(placeOf(name)), name], correct(name), { class: "chip" })),
    button("none of them", never, { class: "chip" }),
    button("a new intent", () => teachWith(asked), { class: "chip" }),
    offered.length > chips ? choice : "");
}

function teachWith(text) {
  document.body.dataset.view = "intents";
  byId("teach-examples").value = text;
  byId("teach-intent").value = "";
  byId("teach-intent").focus();
}

function learned(message, text) {
  message.note = text;
  keep();
  render();
  toast(text);
}

const shortened = (text) => (text.length > 2000 ? `${text.slice(0, 2000)}…` : text);

function markLast() {
  const nodes = [...document.querySelectorAll("#log .message")];
  nodes.forEach((node, i) => node.classList.toggle("last", i === nodes.length - 1));
}

function add(message) {
  const log = byId("log");
  log.querySelector(".welcome")?.remove();
  messages.push(message);
  log.append(drawn(message));
  markLast();
  log.scrollTop = log.scrollHeight;
  keep();
}

function again(message) {
  messages = messages.filter((one) => one !== message);
  render();
  say(message.text);
}

// Asks the bot; what could not be asked stays, with the reason below it.
export async function say(text) {
  const own = { text };
  add(own);
  const waiting = el("div", { class: "message theirs waiting", "aria-hidden": "true" },
    el("p", { class: "bubble" }, el("i"), el("i"), el("i")));
  const bot = state.bot;
  byId("log").append(waiting);
  byId("log").scrollTop = byId("log").scrollHeight;
  try {
    const reply = await call("reply", { bot, text });
    waiting.remove();
    if (bot !== state.bot) return;
    shown = { asked: text, reply };
    add(shown);
    explain(shown);
  } catch (error) {
    waiting.remove();
    own.lost = error.message;
    own.refused = !error.away;
    // What was refused is to be mended, not to be written once more.
    if (own.refused && !byId("say").value) byId("say").value = text;
    keep();
    render();
    toast(error.message);
  }
}

export function start(explains) {
  explain = explains;
  const box = byId("say");
  const grow = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight + 2, 160)}px`;
  };
  const send = (event) => {
    event?.preventDefault();
    if (!box.value.trim()) {
      toast("Write something first.");
      box.focus();
      return;
    }
    const text = box.value.trim();
    box.value = "";
    grow();
    say(text);
    box.focus();
  };
  byId("ask").addEventListener("submit", send);
  box.addEventListener("input", grow);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  });
  byId("clear").addEventListener("click", () => {
    messages = [];
    shown = undefined;
    keep();
    render();
    box.focus();
  });
  watch(() => {
    if (!messages.length) render();
    else explain(shown);
  });
}
