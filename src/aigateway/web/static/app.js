// What pages can do besides: they work without it.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function reveal(root = document) {
  all("[data-copy], [data-needs-script]", root).forEach((element) => { element.hidden = false; });
}

async function copy(button) {
  const source = button.closest(".code")?.querySelector("code") ?? button.parentElement.querySelector("[data-copied]");
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Browsers keep the clipboard from pages without TLS: select, so that the keyboard can copy.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// Relative times stay true while the page is open.
function span(seconds) {
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= unit) return `${Math.floor(seconds / unit)} ${name}`;
  }
  return `${Math.floor(seconds)} s`;
}
function tick() {
  for (const time of all("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const text = Math.abs(seconds) < 10 ? "just now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
    if (time.textContent !== text) time.textContent = text;
  }
}

// Lists renew themselves, unless somebody is at work in them or has scrolled on.
const LIVE_EVERY = 5000;
async function renew() {
  const old = document.querySelector("[data-live]");
  if (!old || document.hidden || scrollY > 80 || !getSelection().isCollapsed) return;
  if (old.contains(document.activeElement) || old.querySelector(".here")) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  if (fresh && fresh.innerHTML !== old.dataset.was) {
    const was = fresh.innerHTML;
    old.replaceWith(fresh);
    fresh.dataset.was = was;
    reveal(fresh);
  }
}

// Connect: from "waiting" to "received".
async function awaitRequest(notice) {
  try {
    const answer = await fetch(notice.dataset.await, { headers: { Accept: "application/json" } });
    const found = answer.ok ? await answer.json() : { received: false };
    if (found.received) {
      const link = document.createElement("a");
      link.href = `/ai-gateway/interceptions/${encodeURIComponent(found.id)}`;
      link.textContent = "Look at it";
      notice.className = `notice ${found.failed ? "bad" : "good"}`;
      const told = found.failed ? `, and it failed (${found.status_code ?? "no answer"}). ` : ". ";
      notice.replaceChildren(`Received your first request: ${found.client}, ${found.model}${told}`, link);
      return;
    }
  } catch {
    // The server is away; ask again.
  }
  setTimeout(awaitRequest, 1500, notice);
}

// Find in a session: marks, opens what is collapsed, and counts.
function clearMarks() {
  for (const mark of all("mark")) {
    const parent = mark.parentNode;
    mark.replaceWith(mark.textContent);
    parent.normalize();
  }
}
function find(text) {
  clearMarks();
  const told = document.querySelector("[data-found]");
  const wanted = text.trim().toLowerCase();
  if (wanted.length < 2) { told.textContent = ""; return; }
  let count = 0;
  for (const thread of all(".thread")) {
    const walker = document.createTreeWalker(thread, NodeFilter.SHOW_TEXT);
    const nodes = [];
    while (walker.nextNode()) if (walker.currentNode.data.toLowerCase().includes(wanted)) nodes.push(walker.currentNode);
    for (let node of nodes) {
      for (let at; (at = node.data.toLowerCase().indexOf(wanted)) >= 0 && count < 1000; count += 1) {
        const hit = node.splitText(at);
        node = hit.splitText(wanted.length);
        const mark = document.createElement("mark");
        hit.replaceWith(mark);
        mark.append(hit);
        for (let box = mark.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
      }
    }
  }
  told.textContent = count === 1 ? "1 match" : `${count} matches`;
  document.querySelector("mark")?.scrollIntoView({ block: "center" });
}

function move(step) {
  const rows = all("[data-row]");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("here"));
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  rows[at]?.classList.remove("here");
  next.classList.add("here");
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const target = event.target;
  const button = target.closest("button");
  if (button?.matches("[data-copy]")) copy(button);
  else if (button?.matches("[data-expand], [data-collapse]")) {
    all(".thread details").forEach((box) => { box.open = button.matches("[data-expand]"); });
  } else if (button?.matches("[data-print]")) {
    all(".thread details").forEach((box) => { box.open = true; });
    print();
  } else if (!target.closest("a, button, input, label, summary, details") && getSelection().isCollapsed) {
    target.closest("tr[data-row]")?.querySelector("[data-open]")?.click();
  }
  all("details.menu[open]").forEach((menu) => { if (!menu.contains(target)) menu.open = false; });
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    all("details.menu[open]").forEach((menu) => { menu.open = false; });
    document.activeElement?.blur();
    return;
  }
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    document.querySelector("[data-search], [data-find]")?.focus();
  } else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "Enter" && !event.target.closest("a, button, summary")) {
    document.querySelector(".here [data-open]")?.click();
  }
});

let pause;
document.querySelector("[data-find]")?.addEventListener("input", (event) => {
  clearTimeout(pause);
  pause = setTimeout(find, 300, event.target.value);
});

reveal();
document.querySelector(".bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
setInterval(tick, 10000);
if (document.querySelector("[data-live]")) setInterval(() => renew().catch(() => {}), LIVE_EVERY);
all("[data-await]").forEach(awaitRequest);
