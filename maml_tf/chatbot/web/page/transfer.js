// Files in and out: by a button, by drag and drop, from one bot's page onto another's.

import { getText, sendFile } from "./api.js";
import { byId, toast } from "./dom.js";
import { refresh, state, tried, undo } from "./state.js";

const ENDINGS = { rasa: "yml", jsonl: "jsonl" };
const OURS = "application/x-maml-tf-bot";

export function start() {
  byId("import").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", tried(async () => {
    const files = [...byId("file").files];
    byId("file").value = "";
    await take(files);
  }));
  dropping();
  for (const link of byId("export").querySelectorAll("a")) exporting(link);
}

async function take(files) {
  for (const file of files) {
    const read = await sendFile(state.bot, file.name, file);
    await refresh();
    const counts = [`${read.intents} intents`, `${read.examples} examples`];
    if (read.responses) counts.push(`${read.responses} responses`);
    const left = read.skipped.length ? ` Left out: ${read.skipped.slice(0, 3).join("; ")}.` : "";
    toast(`${file.name}: ${counts.join(", ")}.${left}`, { label: "Undo", run: undo });
  }
}

function dropping() {
  const carries = (event) =>
    [...event.dataTransfer.types].some((type) => type === "Files" || type === OURS);
  let inside = 0;
  const show = (yes) => document.body.classList.toggle("dropping", yes);
  addEventListener("dragenter", (event) => carries(event) && show(++inside > 0));
  addEventListener("dragleave", (event) => carries(event) && show(--inside > 0));
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    inside = 0;
    show(false);
    const text = event.dataTransfer.getData(OURS);
    const files = text
      ? [new File([text], "dragged")]
      : [...event.dataTransfer.files];
    tried(() => take(files))();
  });
}

function exporting(link) {
  const kind = link.dataset.format;
  let ready;
  const fetched = async () => {
    const text = await getText("export", { bot: state.bot, format: kind });
    if (ready) URL.revokeObjectURL(ready.url);
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    ready = { url, text, name: `${fileName(state.bot)}.${ENDINGS[kind]}` };
    return ready;
  };
  // A drag has to have its text at hand when it begins.
  for (const event of ["pointerenter", "focus"]) {
    link.addEventListener(event, () => fetched().catch(() => {}));
  }
  link.addEventListener("click", tried(async () => {
    const { url, name } = await fetched();
    const saver = document.createElement("a");
    saver.href = url;
    saver.download = name;
    saver.click();
    byId("export").open = false;
  }));
  link.addEventListener("dragstart", (event) => {
    if (!ready) {
      event.preventDefault();
      return;
    }
    const address = new URL(ready.url).href;
    event.dataTransfer.setData("DownloadURL", `text/plain:${ready.name}:${address}`);
    event.dataTransfer.setData("text/plain", ready.text);
    event.dataTransfer.setData(OURS, ready.text);
    event.dataTransfer.effectAllowed = "copy";
  });
}

const fileName = (bot) => bot.replace(/[^\p{L}\p{N} _-]/gu, "_").trim() || "bot";
