// What the pages do beyond links and forms: follow the log, step through time, load rows as they
// come into view. Everything put into a page was escaped by the server.
"use strict";

// Whether somebody is in the middle of an answer: then nothing is taken from under their hands.
function writes(part) {
  const fields = [...part.querySelectorAll("input:not([type=hidden]), textarea")];
  return part.querySelector("details.confirm[open]") !== null || fields.some((i) => i.value || i === document.activeElement);
}

addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
});

const small = matchMedia("(max-width: 860px)"); // there a record is a page of its own
const list = document.getElementById("list");
const records = document.getElementById("records");

if (list && list.dataset.live) {
  const source = new EventSource(list.dataset.live);
  source.addEventListener("runs", (event) => { list.innerHTML = event.data; });
  addEventListener("pagehide", () => source.close());
}

const whole = document.querySelector("main[data-live]");

if (whole) {
  const source = new EventSource(whole.dataset.live);
  const busy = () => writes(whole);
  source.addEventListener("changed", async () => {
    if (busy()) return; // somebody writes a reason
    const answer = await fetch(location.href);
    if (!answer.ok || busy()) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    whole.innerHTML = fresh.querySelector("main").innerHTML;
  });
  addEventListener("pagehide", () => source.close());
}

if (records) {
  const run = "/runs/" + encodeURIComponent(records.dataset.run);
  const size = Number(records.dataset.chunk);
  const scroll = document.getElementById("scroll");
  const stateAt = document.getElementById("state-at");
  const follow = document.getElementById("follow");
  const ROW = small.matches ? 44 : 29;
  let total = Number(records.dataset.total);
  let at = Number(records.dataset.at);
  let asked = 0;

  const chunks = new Map();
  const first = scroll.querySelector(".chunk");
  chunks.set(Number(first.dataset.from), first);

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) load(entry.target);
  }, { root: small.matches ? null : scroll, rootMargin: "1200px" });

  function place(from) {
    const chunk = document.createElement("div");
    chunk.className = "chunk";
    chunk.dataset.from = String(from);
    chunk.dataset.empty = "";
    chunk.style.height = Math.min(size, total - from + 1) * ROW + "px";
    const after = [...chunks.keys()].filter((n) => n > from).sort((a, b) => a - b)[0];
    scroll.insertBefore(chunk, after ? chunks.get(after) : null);
    chunks.set(from, chunk);
    seen.observe(chunk);
  }

  async function load(chunk) {
    if (!("empty" in chunk.dataset)) return;
    delete chunk.dataset.empty;
    const answer = await fetch(run + "/rows?from=" + chunk.dataset.from);
    if (!answer.ok) { chunk.dataset.empty = ""; return; }
    chunk.innerHTML = await answer.text();
    chunk.style.height = "";
    seen.unobserve(chunk);
    mark();
  }

  function room() {
    for (let from = 1; from <= total; from += size) if (!chunks.has(from)) place(from);
  }

  function mark() {
    for (const row of scroll.querySelectorAll(".row.on")) row.classList.remove("on");
    const row = document.getElementById("r" + at);
    if (row) row.classList.add("on");
  }

  async function show(row) {
    const chunk = chunks.get(Math.floor((row - 1) / size) * size + 1);
    if (chunk && "empty" in chunk.dataset) await load(chunk);
    const found = document.getElementById("r" + row);
    if (!found) return;
    if (small.matches) return;
    const top = found.offsetTop, space = scroll.clientHeight;
    if (top < scroll.scrollTop + ROW) scroll.scrollTop = top - 2 * ROW;
    else if (top > scroll.scrollTop + space - 2 * ROW) scroll.scrollTop = top - space + 3 * ROW;
  }

  async function go(seq) {
    at = Math.min(Math.max(1, seq), total);
    const mine = ++asked;
    mark();
    show(at);
    history.replaceState(null, "", "?at=" + at);
    if (small.matches) return;
    const answer = await fetch(run + "/at/" + at);
    if (answer.ok && mine === asked) stateAt.innerHTML = await answer.text();
  }

  function steer(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const steps = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, PageDown: at + 20, PageUp: at - 20, Home: 1, End: total };
    if (!(event.key in steps)) return;
    event.preventDefault();
    if (follow) follow.checked = event.key === "End";
    go(steps[event.key]);
  }

  addEventListener("keydown", steer);
  records.addEventListener("click", (event) => {
    const link = event.target.closest("[data-seq].row, [data-go]");
    if (!link || small.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (follow) follow.checked = false;
    go(Number(link.dataset.go || link.dataset.seq));
  });

  function put(html) {
    const page = document.createElement("template");
    page.innerHTML = html;
    for (const row of [...page.content.querySelectorAll(".row")]) {
      const seq = Number(row.dataset.seq);
      const old = document.getElementById(row.id);
      if (old) { old.replaceWith(row); continue; }
      total = Math.max(total, seq);
      const from = Math.floor((seq - 1) / size) * size + 1;
      if (!chunks.has(from)) {
        place(from);
        delete chunks.get(from).dataset.empty;
        chunks.get(from).style.height = "";
      }
      if (!("empty" in chunks.get(from).dataset)) chunks.get(from).append(row);
    }
    if (follow && follow.checked) go(total); else mark();
  }

  if (records.dataset.live) {
    const source = new EventSource(records.dataset.live);
    source.addEventListener("rows", (event) => put(event.data));
    source.addEventListener("head", (event) => {
      const head = document.getElementById("head");
      if (!writes(head)) head.innerHTML = event.data;
    });
    source.addEventListener("ended", () => { source.close(); records.dataset.ended = ""; });
    addEventListener("pagehide", () => source.close());
  }

  room();
  show(at);
}
