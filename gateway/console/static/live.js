// Reads a page again when a payment on it has changed. Every page works without it.
"use strict";

const main = document.querySelector("main[data-live]");
const status = document.getElementById("live");
// However much changes, a page rests so long after each reading, and four times as long as that took.
const PAUSE_MILLISECONDS = 400;
const REST = 4;
const SCROLLING = "[tabindex='0']";
let source = null;
let isReading = false;
let isAgain = false;

function concerns(change) {
  const wanted = main.dataset.live;
  const ids = change.payments || [];
  return Boolean(change.all) || (wanted === "all" ? ids.length > 0 : ids.includes(wanted));
}

function isBusy() {
  // A person who writes, copies, or has opened a part, is not disturbed.
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && main.contains(chosen.anchorNode)) return true;
  return main.querySelector("input:focus, select:focus, textarea:focus, details[open]") !== null;
}

function nameOf(one) {
  return one.getAttribute("href") || one.getAttribute("aria-labelledby");
}

function named(selector, name) {
  return [...main.querySelectorAll(selector)].find((one) => nameOf(one) === name);
}

function end(text) {
  if (source) source.close();
  source = null;
  status.textContent = text;
}

function replace(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const next = page.querySelector("main[data-live]");
  if (!next) return end("This page can no longer be read. Load it again.");
  const focused = main.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const scrolled = [...main.querySelectorAll(SCROLLING)].filter((one) => one.scrollLeft > 0);
  const places = scrolled.map((one) => [nameOf(one), one.scrollLeft]);
  main.replaceChildren(...next.childNodes);
  for (const [name, left] of places) {
    const same = named(SCROLLING, name);
    if (same) same.scrollLeft = left;
  }
  if (focused) (named(`a[href], ${SCROLLING}`, focused) || main).focus({ preventScroll: true });
  status.textContent = "Live: read again at " + new Date().toISOString().slice(11, 19) + " UTC";
}

async function read() {
  if (isReading) { isAgain = true; return; }
  isReading = true;
  const begun = performance.now();
  try {
    const answer = await fetch(location.href, { headers: { "x-live": "1" }, redirect: "error" });
    const text = answer.ok ? await answer.text() : "";
    if (isBusy()) status.textContent = "Something has changed. Load the page again to see it.";
    else replace(text);
  } catch (error) {
    end("The live view has ended. Load the page again.");
  }
  setTimeout(() => {
    isReading = false;
    if (isAgain) { isAgain = false; read(); }
  }, Math.max(PAUSE_MILLISECONDS, REST * (performance.now() - begun)));
}

function begin() {
  if (source) return;
  source = new EventSource("/live");
  source.onopen = () => { if (!status.textContent) status.textContent = "Live"; };
  source.onmessage = (event) => { if (concerns(JSON.parse(event.data))) read(); };
  source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) end("The live view has ended. Load the page again."); };
}

if (main && status) {
  // A page that nobody sees asks for nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) end("");
    else begin();
  });
  if (!document.hidden) begin();
}
