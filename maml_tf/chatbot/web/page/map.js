// The map: every example where its meaning lies, on two axes.

import { get } from "./api.js";
import { byId, el, markPath, svg } from "./dom.js";
import { placeOf, state, watch } from "./state.js";

const WIDE = 340;
const HIGH = 250;
const EDGE = 18;
const MOST_NAMES = 12;
// Where a name may stand from the middle of its marks, the nearest first.
const MOVES = [0, -30, 30, -60, 60, -90, 90]
  .flatMap((aside) => [-12, 20, 4, -24, 32, -36, 44, -48, 56, -60, 68].map((move) => [aside, move]))
  .sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
let drawnFor = "";

export function start() {
  watch(() => {
    if (drawnFor !== `${state.bot}\n${state.revision}`) look();
  });

  async function look() {
    const wanted = `${state.bot}\n${state.revision}`;
    drawnFor = wanted;
    try {
      const { places, revision } = await get("map", { bot: state.bot });
      if (wanted !== drawnFor) return;
      draw(places);
      // While many teach, the server gives everybody a map of a moment ago.
      if (revision < state.revision) setTimeout(look, 2500);
    } catch (error) {
      byId("map").replaceChildren(el("p", { class: "quiet" }, error.message));
    }
  }
}

function draw(places) {
  if (places.length < 2) {
    byId("map").replaceChildren(
      el("p", { class: "quiet" }, "Two examples or more make a map."),
    );
    return;
  }
  const scale = (values, from, to) => {
    const least = Math.min(...values);
    const most = Math.max(...values);
    return (value) =>
      most > least ? from + ((value - least) / (most - least)) * (to - from) : (from + to) / 2;
  };
  const right = scale(places.map((one) => one.x), EDGE, WIDE - EDGE);
  const down = scale(places.map((one) => one.y), HIGH - EDGE, EDGE);
  const dots = places.map((one) => ({
    ...one,
    place: placeOf(one.intent),
    left: right(one.x),
    top: down(one.y),
  }));
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDE} ${HIGH}`,
      role: "img",
      "aria-label": `${places.length} examples of ${state.intents.length} intents; those of like meaning lie together.`,
    },
    dots.map(drawnDot),
    drawnNames(dots),
  );
  byId("map").replaceChildren(
    picture,
    el("p", { class: "quiet small" }, "Each mark is an example; near means alike."),
  );
}

function drawnDot(dot) {
  const mark = dot.place < 0 ? { d: "M4 4 12 12M12 4 4 12", class: "cross" } : markPath(dot.place);
  return svg(
    "g",
    { transform: `translate(${dot.left - 6} ${dot.top - 6}) scale(0.75)` },
    svg("title", {}, `${dot.text}${dot.intent ? ` (${dot.intent})` : ""}`),
    svg("path", mark),
  );
}

// Names near the middle of their marks, moved where they would cover something.
function drawnNames(dots) {
  const taken = dots.map((dot) => box(dot.left, dot.top + 4, 12));
  const named = [];
  for (const { name } of state.intents) {
    const own = dots.filter((dot) => dot.intent === name);
    if (!own.length) continue;
    const text = name.length > 22 ? `${name.slice(0, 21)}…` : name;
    const half = text.length * 3 + 4;
    const middle = own.reduce((sum, dot) => sum + dot.left, 0) / own.length;
    const left = Math.min(Math.max(middle, half), WIDE - half);
    const top = own.reduce((sum, dot) => sum + dot.top, 0) / own.length;
    const tries = MOVES.map(([aside, move]) =>
      box(
        Math.min(Math.max(left + aside, half), WIDE - half),
        Math.min(Math.max(top + move, 11), HIGH - 5),
        half * 2,
      ),
    );
    // The first of the nearest places where it covers least.
    const cost = (one) => taken.filter((other) => meets(one, other)).length;
    const best = tries.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    // Thrice, so that a name is kept off another name rather than off a mark.
    taken.push(best, best, best);
    named.push(svg("text", { x: best.x, y: best.y, class: markPath(own[0].place).class }, text));
    if (named.length === MOST_NAMES) break;
  }
  return named;
}

const box = (x, y, wide) => ({ x, y, wide });
const meets = (a, b) =>
  Math.abs(a.x - b.x) * 2 < a.wide + b.wide && Math.abs(a.y - b.y) < 12;
