// Elements made of text alone: nothing here, or elsewhere on the page, reads HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return node;
}

// An element with attributes, listeners ("onclick") and children, strings as text.
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

export function button(label, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, label);
}

// Neither certain nor impossible by rounding alone.
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  if (share < 1 && share > 0.99) return "> 99 %";
  return `${Math.round(share * 100)} %`;
}

export const lines = (text) =>
  text.split("\n").map((line) => line.trim()).filter(Boolean);

// A bar of a share; the number beside it says the same to those who do not see it.
export function meter(share, kind = "") {
  const part = el("span", { class: kind });
  part.style.width = `${Math.max(0, Math.min(100, share * 100))}%`;
  return el("span", { class: "meter", "aria-hidden": "true" }, part);
}

// The marks of the intents: eight colours, and a shape for each eight of them.
const SHAPES = [
  "M8 2.5a5.5 5.5 0 1 0 .01 0Z",
  "M3 3h10v10H3Z",
  "M8 2 14 13H2Z",
  "M8 1.5 14.5 8 8 14.5 1.5 8Z",
];

export function markPath(place) {
  return { d: SHAPES[Math.floor(place / 8) % SHAPES.length], class: `hue${place % 8}` };
}

export function mark(place) {
  const path = place < 0 ? { d: SHAPES[0], class: "hue-none" } : markPath(place);
  return svg(
    "svg",
    { class: "mark", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", path),
  );
}

let fading;

// A few words at the foot of the page, with one action at most.
export function toast(text, action) {
  const box = byId("toast");
  clearTimeout(fading);
  box.replaceChildren(
    el("p", {}, text),
    action ? button(action.label, action.run, { class: "link" }) : "",
    button("×", () => box.replaceChildren(), { class: "close", "aria-label": "Close" }),
  );
  const hide = () => {
    // Not from under the hands of somebody who is about to press it.
    if (box.matches(":hover, :focus-within")) fading = setTimeout(hide, 2000);
    else box.replaceChildren();
  };
  fading = setTimeout(hide, 8000);
}
