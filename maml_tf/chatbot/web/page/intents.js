// The intents with their examples, the teach form, and what happened so far.

import { button, byId, el, lines, mark } from "./dom.js";
import { change, state, tried, watch } from "./state.js";

const opened = new Set();

export function start() {
  byId("teach").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = byId("teach-said");
    const intent = byId("teach-intent").value.trim();
    const examples = lines(byId("teach-examples").value);
    const responses = lines(byId("teach-responses").value);
    said.textContent = "";
    try {
      const taught = await change("teach", { intent, examples, responses }, "");
      said.className = "said good";
      said.textContent = [taughtWords(taught), ...taught.warnings].join(" ");
      for (const id of ["teach-intent", "teach-examples", "teach-responses"]) byId(id).value = "";
      byId("teach-intent").focus();
    } catch (error) {
      said.className = "said bad";
      said.textContent = error.message;
    }
  });
  watch(draw);
}

function taughtWords({ intent, added }) {
  const what = added === 1 ? "1 example" : `${added} examples`;
  return added ? `Learned ${what} of “${intent}”.` : `“${intent}” is known.`;
}

function draw() {
  byId("names").replaceChildren(
    ...state.intents.map(({ name }) => el("option", { value: name })),
  );
  byId("intents-count").textContent = state.intents.length || "";
  byId("intents").replaceChildren(
    ...state.intents.map(drawn),
    ...(state.negatives.length ? [drawnNegatives()] : []),
  );
  if (!state.intents.length && !state.negatives.length) {
    byId("intents").append(el("p", { class: "quiet" }, "None yet."));
  }
  byId("history").replaceChildren(
    ...[...state.history].reverse().map((event) =>
      el("li", { value: event.number }, event.summary, el("time", {}, when(event.when))),
    ),
  );
}

function when(written) {
  const moment = new Date(/^[\d.]+$/.test(written) ? Number(written) * 1000 : written);
  if (Number.isNaN(moment.getTime())) return written;
  const today = moment.toDateString() === new Date().toDateString();
  return today
    ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : moment.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function foldable(name, summary, ...content) {
  const node = el(
    "details",
    { class: "intent", open: opened.has(name) },
    el("summary", {}, summary),
    el("div", { class: "inside" }, content),
  );
  node.addEventListener("toggle", () => (node.open ? opened.add(name) : opened.delete(name)));
  return node;
}

function drawn(intent, place) {
  const { name, examples, responses } = intent;
  const adder = el("input", {
    "aria-label": `Another example of ${name}`,
    placeholder: "another example",
    autocomplete: "off",
  });
  const add = el("form", { class: "row" }, adder, el("button", { class: "plain" }, "Add"));
  add.addEventListener(
    "submit",
    tried(async () => {
      await change("teach", { intent: name, examples: lines(adder.value) }, taughtWords);
      byId("intents").querySelectorAll("details")[place]?.querySelector("input")?.focus();
    }),
  );
  return foldable(
    name,
    [mark(place), el("span", { class: "name", dir: "auto" }, name), el("span", { class: "number" }, examples.length)],
    el("ul", {}, examples.map((text) => removable(name, text))),
    responses.length
      ? [el("h3", {}, "Responses"), el("ul", {}, responses.map((text) => el("li", { dir: "auto" }, text)))]
      : "",
    add,
    button(
      "Forget this intent",
      tried(() => change("forget", { intent: name }, `Forgot “${name}”.`)),
      { class: "link danger" },
    ),
  );
}

function removable(intent, text) {
  const forget = tried(() =>
    change("forget_example", { intent, text }, `Forgot “${text.slice(0, 60)}”.`),
  );
  return el(
    "li",
    { dir: "auto" },
    text,
    button("×", forget, { class: "close", "aria-label": `Forget the example ${text.slice(0, 80)}` }),
  );
}

function drawnNegatives() {
  return foldable(
    "\u0000",
    [mark(-1), el("span", { class: "name quiet" }, "none of them"), el("span", { class: "number" }, state.negatives.length)],
    el("ul", {}, state.negatives.map((text) => el("li", { dir: "auto" }, text))),
  );
}
