// What pages can do besides: they work without it.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function reveal(root = document) {
  all("[data-copy], [data-needs-script]", root).forEach((element) => { element.hidden = false; });
  all("[data-brush]", root).forEach(brush);
  [root, ...all("[data-more]", root)].filter((part) => part.matches?.("[data-more]")).forEach((more) => nearing.observe(more));
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

// Lists renew themselves. Nothing moves under somebody who reads: then they are told how much is new, and choose.
const LIVE_EVERY = 5000;
let coming;
let pointed = 0;
addEventListener("pointermove", (event) => { if (event.target.closest?.("[data-live]")) pointed = Date.now(); });
function isRead(list) {
  return scrollY > 80 || !getSelection().isCollapsed || list.contains(document.activeElement)
    || Date.now() - pointed < 3000 || list.querySelector(".here") !== null;
}
async function lookAgain() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  const list = document.querySelector("[data-live]");
  if (!fresh || !list) return;
  const known = new Set(all("[data-key]", list).map((row) => row.dataset.key));
  const added = all("[data-key]", fresh).filter((row) => !known.has(row.dataset.key));
  if (!isRead(list)) show(list, fresh, added);
  else if (added.length) announce(list, fresh, added);
}
function show(list, fresh, added) {
  const was = fresh.innerHTML;
  if (was === list.dataset.was) return;
  for (const row of added) row.classList.add("new");
  fresh.dataset.was = was;
  list.replaceWith(fresh);
  reveal(fresh);
}
function announce(list, fresh, added) {
  let told = document.querySelector(".fresh");
  if (!told) {
    told = document.createElement("button");
    told.type = "button";
    told.className = "fresh main";
    told.setAttribute("aria-live", "polite");
    list.before(told);
  }
  const text = `${added.length} new`;
  if (told.textContent !== text) told.textContent = text;
  told.onclick = () => {
    told.remove();
    show(document.querySelector("[data-live]"), fresh, added);
    scrollTo({ top: 0 });
  };
}
function live() {
  clearInterval(coming);
  if (document.hidden || !document.querySelector("[data-live]")) return;
  coming = setInterval(() => lookAgain().catch(() => {}), LIVE_EVERY);
}

// The bars of a time: several are chosen by dragging, or with the arrow keys and Shift.
function brush(chart) {
  const bars = [...chart.children];
  const links = bars.filter((bar) => bar.matches("a"));
  links.forEach((link, place) => { link.setAttribute("tabindex", place ? "-1" : "0"); });
  let first = null;
  let anchor = bars.indexOf(links[0]);
  const choose = (from, to) => bars.forEach((bar, place) => {
    bar.classList.toggle("in", from !== null && place >= Math.min(from, to) && place <= Math.max(from, to));
  });
  const go = () => {
    const chosen = all(".in", chart);
    const url = new URL(chart.dataset.url, location.href);
    const search = url.searchParams.get("q").replace(/ ?started_(after|before):"[^"]*"/g, "");
    const times = `started_after:"${chosen[0].dataset.from}" started_before:"${chosen.at(-1).dataset.to}"`;
    url.searchParams.set("q", `${search} ${times}`.trim());
    location.assign(url);
  };
  const barAt = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(Math.max(Math.floor((event.clientX - box.left) / box.width * bars.length), 0), bars.length - 1);
  };
  chart.addEventListener("dragstart", (event) => event.preventDefault());
  chart.addEventListener("pointerdown", (event) => { if (!event.button) first = barAt(event); });
  chart.addEventListener("pointermove", (event) => {
    if (first === null || (barAt(event) === first && !chart.hasPointerCapture(event.pointerId))) return;
    chart.setPointerCapture(event.pointerId);
    choose(first, barAt(event));
  });
  chart.addEventListener("pointerup", () => {
    if (all(".in", chart).length > 1) go();
    else choose(null, null);
    first = null;
  });
  chart.addEventListener("pointercancel", () => { choose(null, null); first = null; });
  chart.addEventListener("keydown", (event) => {
    const at = links.indexOf(event.target);
    const next = links[at + { ArrowLeft: -1, ArrowRight: 1 }[event.key]];
    if (next) {
      event.preventDefault();
      if (!event.shiftKey) anchor = bars.indexOf(next);
      choose(event.shiftKey ? anchor : null, bars.indexOf(next));
      links[at].setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    } else if (event.key === "Enter" && all(".in", chart).length > 1) {
      event.preventDefault();
      event.stopPropagation();
      go();
    }
  });
  chart.addEventListener("focusin", (event) => { if (!all(".in", chart).length) anchor = bars.indexOf(event.target); });
  chart.addEventListener("focusout", (event) => { if (!chart.contains(event.relatedTarget)) choose(null, null); });
}

// Long sessions go on as they are scrolled: the link to the rest is replaced by the rest.
const nearing = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) goOn(target).catch(() => {});
}, { rootMargin: "600px" });
async function goOn(more) {
  if (more.dataset.asked) return;
  more.dataset.asked = "1";
  nearing.unobserve(more);
  const answer = await fetch(more.querySelector("a").href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const whole = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rest = whole.getElementById(more.dataset.more);
  if (!rest) return;
  const arrived = [...rest.children].filter((part) => !part.matches(".more:not([data-more])"));
  more.replaceWith(...arrived);
  arrived.forEach((part) => reveal(part));
}
async function goOnToTheEnd() {
  for (let more; (more = document.querySelector("[data-more]:not([data-asked])"));) await goOn(more);
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
async function find(text) {
  clearMarks();
  const told = document.querySelector("[data-found]");
  const wanted = text.trim().toLowerCase();
  if (wanted.length < 2) { told.textContent = ""; return; }
  if (document.querySelector("[data-more]")) {
    told.textContent = "Reading the rest…";
    await goOnToTheEnd();
    if (document.querySelector("[data-find]").value !== text) return;
  }
  let count = 0;
  for (const thread of all(".thread")) {
    const walker = document.createTreeWalker(thread, NodeFilter.SHOW_TEXT);
    const nodes = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.data.toLowerCase().includes(wanted) && !node.parentElement.closest("[data-preview]")) nodes.push(node);
    }
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

// The colours change at once, and the server hears of it for the next page.
document.querySelector("[data-theme-form]")?.addEventListener("submit", (event) => {
  const theme = event.submitter?.value;
  if (!theme) return;
  event.preventDefault();
  const form = new URLSearchParams(new FormData(event.target, event.submitter));
  fetch(event.target.action, { method: "POST", body: form, redirect: "manual" }).catch(() => {});
  document.documentElement.dataset.theme = theme;
  document.querySelector("meta[name=color-scheme]").content = theme === "auto" ? "light dark" : theme;
  all("button", event.target).forEach((button) => button.setAttribute("aria-pressed", String(button.value === theme)));
});

// A menu shows what has the letters that were typed.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-narrow]")) return;
  const wanted = event.target.value.trim().toLowerCase();
  all("li", event.target.closest(".choices")).forEach((choice) => { choice.hidden = !choice.textContent.toLowerCase().includes(wanted); });
});

reveal();
document.querySelector(".bar [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
setInterval(tick, 10000);
document.addEventListener("visibilitychange", live);
live();
all("[data-await]").forEach(awaitRequest);
