// Reads a page again when a payment on it has changed. Every page works without it.
"use strict";

const main = document.querySelector("main[data-live]");
const status = document.getElementById("live");
// At most one reading a second, however much changes.
const PAUSE_MILLISECONDS = 1000;
let source = null;
let isReading = false;
let isAgain = false;

function concerns(change) {
  const wanted = main.dataset.live;
  const ids = change.payments || [];
  return Boolean(change.all) || (wanted === "all" ? ids.length > 0 : ids.includes(wanted));
}

function isBusy() {
  // A person who writes, or has opened a part, is not disturbed.
  return main.querySelector("input:focus, select:focus, textarea:focus, details[open]") !== null;
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
  const focused = document.activeElement;
  const address = main.contains(focused) ? focused.getAttribute("href") : null;
  main.replaceChildren(...next.childNodes);
  if (address) {
    const same = [...main.querySelectorAll("a[href]")].find((one) => one.getAttribute("href") === address);
    (same || main).focus({ preventScroll: true });
  }
  status.textContent = "Live: read again at " + new Date().toISOString().slice(11, 19) + " UTC";
}

async function read() {
  if (isReading) { isAgain = true; return; }
  isReading = true;
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
  }, PAUSE_MILLISECONDS);
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
