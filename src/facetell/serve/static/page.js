// Uploads with progress, live updates, deletion without leaving the page.
"use strict";
const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}"); // of another language than English
const say = (text, values) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
const UNREACHABLE = say("the server cannot be reached");
const root = document.body.dataset.root; // the path of the server behind a reverse proxy, else empty
const asked = `?language=${document.documentElement.lang}`; // of messages
const list = document.getElementById("jobs");
const first = list && "first" in list.dataset; // whether the page shows the newest videos
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// --- times in the time zone of the reader

const localise = (root) => {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
};
localise(document);

// --- updates from the server

// The current version of a page, as a document; null if it cannot be had.
const fetchPage = async (address) => {
  const answer = await fetch(address, { cache: "no-store" });
  if (answer.redirected) {
    location.reload(); // the session has ended
    return null;
  }
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  localise(page);
  return page;
};

const element = (id) => document.getElementById(`job-${id}`);
const noteEmpty = () => {
  const empty = document.getElementById("empty");
  if (empty) empty.hidden = list.children.length > 0;
};

// Show the current state of everything on the page; returns whether the server has answered.
const renewNow = async () => {
  const page = await fetchPage(location.href);
  if (!page) return false;
  keepFocus(() => {
    if (list) list.replaceChildren(...page.getElementById("jobs").children);
    else document.querySelector(".detail").replaceWith(page.querySelector(".detail"));
  });
  const news = document.getElementById("news");
  if (news) news.textContent = document.querySelector(".verdict h2, .verdict .state").textContent;
  if (list) noteEmpty();
  return true;
};

// One renewal after the other, so that the last one shows the newest state; at most one waits.
let waiting = null;
let last = Promise.resolve();
const renew = () => {
  if (!waiting) {
    last = waiting = last.catch(() => {}).then(() => {
      waiting = null;
      return renewNow();
    });
  }
  return waiting;
};

// Replace rows without losing the keyboard focus.
const keepFocus = (change) => {
  const focused = document.activeElement;
  const job = focused.closest(".job, .detail");
  change();
  if (!job || focused.isConnected) return;
  const now = element(job.dataset.id);
  const same = focused.matches("button") ? "button" : `a[href="${focused.getAttribute("href")}"]`;
  const again = now && now.querySelector(same);
  if (again) again.focus();
};

const drop = (id) => {
  const old = element(id);
  if (!old) return;
  if (old.matches(".detail")) location.assign(`${root}/`);
  else old.remove();
  if (!list) return;
  noteEmpty();
  renew().catch(() => {}); // one that began before may show it again
};

const update = (job) => {
  const old = element(job.id);
  const newest = first && list.firstElementChild ? Number(list.firstElementChild.dataset.number) : 0;
  if (old ? old.dataset.state !== job.state : first && job.number > newest) {
    renew().catch(() => {});
    return;
  }
  const bar = old && old.querySelector("progress");
  if (!bar || job.progress === null) return;
  bar.value = job.progress;
  old.querySelector(".state").textContent = say("Scoring, {percent} % done", { percent: Math.round(100 * job.progress) });
};

// --- events

const lost = document.getElementById("lost");
const follow = () => {
  const stream = new EventSource(`${root}/v1/events`);
  stream.addEventListener("job", (event) => update(JSON.parse(event.data)));
  stream.addEventListener("deleted", (event) => drop(JSON.parse(event.data).id));
  stream.onopen = () => {
    lost.hidden = true;
    renew().catch(() => {}); // changes while no stream was open
  };
  stream.onerror = async () => {
    if (leaving) return;
    // A refused stream stays closed: the session has ended, or too many streams are open. Otherwise the browser tries
    // again by itself.
    const closed = stream.readyState === EventSource.CLOSED;
    lost.hidden = closed && (await renew().catch(() => false));
    if (closed) setTimeout(follow, 5000);
  };
};

let leaving = false;
addEventListener("pagehide", () => { leaving = true; });
if (list || document.querySelector(".detail")) follow();

// --- deleting

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".delete")) return;
  event.preventDefault();
  if (!confirm(say("Delete {name}, its result and its report?", form.dataset))) return;
  let message = UNREACHABLE;
  try {
    const answer = await fetch(`${root}/v1/jobs/${form.dataset.id}${asked}`, { method: "DELETE" });
    if (answer.ok || answer.status === 404) {
      drop(form.dataset.id);
      return;
    }
    message = (await answer.json()).message;
  } catch { /* reported below */ }
  alert(say("It could not be deleted: {message}", { message }));
});

// --- uploads, one after the other: the first is scored while the next is sent

const upload = document.getElementById("upload");
const sending = document.getElementById("sending");
const queue = [];
let busy = false;

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (x) => x.toString(16).padStart(2, "0")).join("");

const show = (item, message) => {
  item.text.textContent = message;
};

const send = (item) => new Promise((done) => {
  const request = new XMLHttpRequest();
  request.open("POST", `${root}/v1/jobs${asked}`);
  request.setRequestHeader("Idempotency-Key", item.key); // a repeated upload gives no second job
  request.upload.onprogress = (event) => {
    item.bar.value = event.loaded / event.total;
    const percent = Math.round((100 * event.loaded) / event.total);
    show(item, say("{name}: {percent} % uploaded", { name: item.file.name, percent }));
  };
  request.upload.onload = () => {
    item.bar.removeAttribute("value");
    show(item, say("{name}: uploaded, validating", item.file));
  };
  request.onload = () => done(request);
  request.onerror = () => done(null);
  const form = new FormData();
  form.append("file", item.file);
  request.send(form);
});

// Remove an entry of the list of uploads.
const clear = (entry) => {
  entry.remove();
  sending.hidden = !document.querySelector("#uploading li");
};

// A button that does something and removes its entry.
const addButton = (entry, name, action = () => {}) => {
  const button = document.createElement("button");
  button.className = "plain";
  button.textContent = name;
  button.addEventListener("click", () => {
    clear(entry);
    action();
  });
  entry.append(button);
};

const fail = (entry) => {
  entry.classList.add("problem");
  addButton(entry, say("Dismiss"));
};

const ended = (item, message, problem = true) => {
  item.bar.remove();
  show(item, message);
  if (problem) fail(item.entry);
};

const handle = async (item) => {
  for (;;) {
    const request = await send(item);
    if (request === null) {
      ended(item, `${item.file.name}: ${UNREACHABLE}.`);
      addButton(item.entry, say("Try again"), () => enqueue(item.file, item.key));
      return;
    }
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page */ }
    if (request.status === 401) { // shows the login; no question whether to leave the page
      queue.length = 0;
      busy = false;
      location.reload();
      return;
    }
    if (request.status === 429) {
      const seconds = Number(request.getResponseHeader("Retry-After")) || 5;
      show(item, say("{name}: the server is busy, trying again in {seconds} s", { name: item.file.name, seconds }));
      await sleep(seconds);
      continue;
    }
    if (request.status !== 201 && request.status !== 200) {
      ended(item, `${item.file.name}: ${answer.message || request.status}`);
      return;
    }
    ended(item, say("{name}: uploaded", item.file), false);
    setTimeout(clear, 4000, item.entry);
    await renew().catch(() => {});
    return;
  }
};

const work = async () => {
  if (busy) return;
  busy = true;
  while (queue.length) await handle(queue.shift());
  busy = false;
};

const addEntry = (...parts) => {
  const entry = document.createElement("li");
  entry.append(...parts);
  sending.hidden = false;
  document.getElementById("uploading").append(entry);
  return entry;
};

// Report in the list of uploads that what was dropped is not a file.
const refuse = (message) => {
  const text = document.createElement("p");
  text.textContent = message;
  fail(addEntry(text));
};

const enqueue = (file, key) => {
  const text = document.createElement("p");
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  const item = { file, key, entry: addEntry(text, bar), text, bar };
  const { most, mostWords } = document.body.dataset;
  if (file.size > Number(most)) {
    ended(item, say("{name} is larger than {most}: upload a shorter segment.", { name: file.name, most: mostWords }));
    return;
  }
  show(item, say("{name}: waiting", file));
  queue.push(item);
  work();
};

if (upload) {
  const input = document.getElementById("files");
  const take = () => {
    for (const file of input.files) enqueue(file, newKey());
    upload.reset();
  };
  input.addEventListener("change", take);
  take(); // what was chosen before this script was loaded
  upload.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => { event.preventDefault(); upload.classList.add("over"); });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) upload.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    upload.classList.remove("over");
    const dropped = Array.from(event.dataTransfer.items).filter((item) => item.kind === "file");
    if (!dropped.length) refuse(say("That is not a file: download the video, then drop the file here."));
    for (const item of dropped) {
      const entry = item.webkitGetAsEntry(); // null in a drop that a script has made
      if (entry && entry.isDirectory) refuse(say("{name} is a folder: drop the video files in it.", entry));
      else enqueue(item.getAsFile(), newKey());
    }
  });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
  upload.dataset.ready = "";
}
