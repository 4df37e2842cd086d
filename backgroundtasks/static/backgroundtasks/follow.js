// Show the run's page anew while the run is unfinished. Without scripts the page reloads itself.
"use strict";

const EVERY = 2000; // milliseconds

async function look() {
  let page;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) {
      location.reload();
      return;
    }
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    setTimeout(look, EVERY); // the server is away for a moment
    return;
  }
  const selection = getSelection();
  const busy = selection && !selection.isCollapsed; // somebody is copying a text
  const content = page.querySelector("#content");
  if (content && !busy) {
    document.querySelector("#content").replaceWith(content);
  }
  if (busy || document.querySelector("[data-unfinished]")) {
    setTimeout(look, EVERY);
  }
}

setTimeout(look, EVERY);
