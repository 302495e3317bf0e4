// Why the last answer: how likely each intent was, and which examples spoke for it.

import { byId, el, mark, meter, percent } from "./dom.js";
import { placeOf } from "./state.js";

const BARS = 5;
const REASONS = 5;
const SAID = {
  answer: "",
  unsure: "It is like nothing that was taught, so no intent was chosen.",
  between: "Two intents are about as likely, so it asked back.",
  generated: "A language model wrote the answer.",
  untaught: "Nothing was taught yet.",
};

export function explain(message) {
  const place = byId("why");
  if (!message) {
    place.replaceChildren(
      el("p", { class: "quiet" }, "Ask something; the reasons are shown here."),
    );
    return;
  }
  const { reply, asked } = message;
  const quoted = asked.length > 300 ? `${asked.slice(0, 300)}…` : asked;
  const parts = [
    el("blockquote", { dir: "auto" }, quoted),
    SAID[reply.kind] ? el("p", { class: "quiet" }, SAID[reply.kind]) : "",
    bars(reply),
    reasons(reply),
  ];
  place.replaceChildren(...parts.flat().filter(Boolean));
}

function bars(reply) {
  const rows = reply.alternatives.map((one) => [one.intent, one.probability]);
  if (reply.intent && !rows.some(([intent]) => intent === reply.intent)) {
    rows.push([reply.intent, reply.confidence]);
  }
  rows.sort((a, b) => b[1] - a[1]);
  if (!rows.length) return "";
  return el(
    "ul",
    { class: "bars", "aria-label": "Confidence" },
    rows.slice(0, BARS).map(([intent, share]) =>
      el(
        "li",
        { class: intent === reply.intent ? "chosen" : "" },
        el("span", { class: "name" }, mark(placeOf(intent)), intent),
        el("span", { class: "number" }, percent(share)),
        meter(share),
      ),
    ),
  );
}

function reasons(reply) {
  if (!reply.because.length) return "";
  const strongest = [...reply.because].sort((a, b) => b.weight - a.weight).slice(0, REASONS);
  return [
    el("h3", {}, reply.intent ? "Because it was taught" : "Nearest of what was taught",
      el("span", { class: "beside" }, "weight")),
    el(
      "ul",
      { class: "because" },
      strongest.map((one) =>
        el(
          "li",
          {},
          mark(placeOf(one.intent)),
          el("span", { dir: "auto" }, one.text, one.intent === reply.intent ? "" : el("small", {}, one.intent)),
          el("span", { class: "number" }, one.weight.toFixed(2)),
        ),
      ),
    ),
  ];
}
