// Keeps the page of an experiment up to date while it is looked at. Without this the page says the same when it is loaded again.
"use strict";
(() => {
  const place = document.getElementById("updates");
  const note = document.getElementById("updates-note");
  let stream = null;
  let stale = false;

  async function refresh() {
    const answer = await fetch(location.pathname, { redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    stale = false;
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now === null || now.innerHTML === old.innerHTML) continue;
      // Somebody may be writing in it, or be about to press a button.
      if (old.contains(document.activeElement)) stale = true;
      else old.innerHTML = now.innerHTML;
    }
    place.dataset.version = fresh.getElementById("updates").dataset.version;
  }

  function listen() {
    if (stream !== null || document.hidden || place.dataset.stream === undefined) return;
    stream = new EventSource(`${place.dataset.stream}?version=${place.dataset.version}`);
    stream.addEventListener("open", () => { note.hidden = false; });
    stream.addEventListener("changed", () => { refresh().catch(() => location.reload()); });
    stream.addEventListener("end", () => { stop(); delete place.dataset.stream; });
    stream.addEventListener("error", () => { note.hidden = true; });
  }

  function stop() {
    if (stream !== null) stream.close();
    stream = null;
    note.hidden = true;
  }

  if (place !== null) {
    document.addEventListener("focusout", () => { if (stale) setTimeout(() => refresh().catch(() => {}), 0); });
    // A page that nobody looks at holds no connection: a browser has six for one address.
    document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else listen(); });
    addEventListener("pagehide", stop);
    addEventListener("pageshow", listen);
    listen();
  }

  const copy = document.getElementById("copy");
  if (copy !== null && navigator.clipboard !== undefined) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById("command").textContent);
      copy.textContent = "Copied";
    });
  }
})();
