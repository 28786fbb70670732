// Uploads with progress, rows that stay fresh, deleting without leaving the page. Without it the forms do the same.
"use strict";
const words = JSON.parse(document.body.dataset.words);
const root = document.body.dataset.root; // the path of the server behind a reverse proxy, else empty
const say = (name, values) => words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
const list = document.getElementById("jobs");
const one = document.querySelector(".detail");
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// --- times in the reader's own zone

const localise = (root) => {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
};
localise(document);

// --- parts of the page that the server renders anew

const fetchPart = async (address) => {
  const answer = await fetch(address, { cache: "no-store" });
  if (answer.redirected) {
    location.reload(); // logged out meanwhile
    return null;
  }
  if (!answer.ok) return null;
  const part = document.createElement("template");
  part.innerHTML = await answer.text(); // our own page, escaped by the server
  localise(part.content);
  return part.content;
};

const element = (id) => document.getElementById(`job-${id}`);
const noteEmpty = () => {
  const empty = document.getElementById("empty");
  if (empty) empty.hidden = list.children.length > 0;
};

const refresh = async (id) => {
  const old = element(id);
  const place = old || (list && list.dataset.first ? list : null);
  if (!place) return false;
  const part = await fetchPart(old ? old.dataset.part : `${list.dataset.first}/${id}`);
  const fresh = part && part.firstElementChild;
  if (!fresh) return false;
  keepFocus(() => put(fresh, element(id))); // another refresh may have been quicker
  if (one) document.getElementById("news").textContent = fresh.querySelector(".verdict h2, .verdict .state").textContent;
  noteEmpty();
  return true;
};

// In place of the old one, or where it belongs among the newest; what is older than these stands on another page.
const put = (fresh, old) => {
  if (old) {
    old.replaceWith(fresh);
    return;
  }
  const number = (row) => Number(row.dataset.number);
  const next = Array.from(list.children).find((row) => number(row) < number(fresh));
  if (next) next.before(fresh);
  else if (!document.querySelector(".pages .older")) list.append(fresh);
};

// A row that is renewed keeps the keyboard where it was.
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
  if (old === one || old.classList.contains("detail")) location.assign(`${root}/`);
  else old.remove();
  if (list) noteEmpty();
};

const update = (job) => {
  const old = element(job.id);
  if (!old || old.dataset.state !== job.state) {
    refresh(job.id).catch(() => {});
    return;
  }
  const bar = old.querySelector("progress");
  if (!bar || job.progress === null) return;
  bar.value = job.progress;
  old.querySelector(".state").textContent = say("scoring", { percent: Math.round(100 * job.progress) });
};

// --- live

const lost = document.getElementById("lost");
const follow = () => {
  const stream = new EventSource(`${root}/v1/events`);
  stream.addEventListener("job", (event) => update(JSON.parse(event.data)));
  stream.addEventListener("deleted", (event) => drop(JSON.parse(event.data).id));
  stream.onopen = () => {
    lost.hidden = true;
    renew().catch(() => {}); // what happened before the stream was open, or while it was not
  };
  stream.onerror = async () => {
    if (leaving) return;
    // Refused, the stream is closed: one has to log in again, or too many listen and one asks now and then. Otherwise
    // the browser tries again by itself.
    const closed = stream.readyState === EventSource.CLOSED;
    lost.hidden = closed && (await renew().catch(() => false));
    if (closed) setTimeout(follow, 5000);
  };
};

// All that is shown, as it is now; whether the server has answered.
const renew = async () => {
  if (one) return refresh(one.dataset.id);
  const part = await fetchPart(list.dataset.first || location.href);
  if (part && list.dataset.first) keepFocus(() => list.replaceChildren(...part.children));
  noteEmpty();
  return part !== null;
};
let leaving = false;
addEventListener("pagehide", () => { leaving = true; });
if (list || one) follow();

// --- deleting

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".delete")) return;
  event.preventDefault();
  if (!confirm(say("confirm", form.dataset))) return;
  let message = words.unreachable;
  try {
    const answer = await fetch(`${root}/v1/jobs/${form.dataset.id}`, { method: "DELETE" });
    if (answer.ok || answer.status === 404) {
      drop(form.dataset.id);
      return;
    }
    message = (await answer.json()).message;
  } catch { /* said below */ }
  alert(say("undeleted", { message }));
});

// --- uploading: one after the other, so that the first is scored while the next is sent

const upload = document.getElementById("upload");
const sending = document.getElementById("sending");
const queue = [];
let busy = false;

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (x) => x.toString(16).padStart(2, "0")).join("");

const show = (item, name, values = {}) => {
  item.text.textContent = say(name, { name: item.file.name, ...values });
};

const send = (item) => new Promise((done) => {
  const request = new XMLHttpRequest();
  request.open("POST", `${root}/v1/jobs`);
  request.setRequestHeader("Idempotency-Key", item.key); // a second try is never a second job
  request.upload.onprogress = (event) => {
    item.bar.value = event.loaded / event.total;
    show(item, "sending", { percent: Math.round((100 * event.loaded) / event.total) });
  };
  request.upload.onload = () => {
    item.bar.removeAttribute("value");
    show(item, "checking");
  };
  request.onload = () => done(request);
  request.onerror = () => done(null);
  const form = new FormData();
  form.append("file", item.file);
  request.send(form);
});

const ended = (item, name, values) => {
  item.bar.remove();
  show(item, name, values);
  item.entry.classList.toggle("problem", name !== "sent");
};

const handle = async (item) => {
  for (;;) {
    const request = await send(item);
    if (request === null) {
      ended(item, "offline");
      const again = document.createElement("button");
      again.className = "again";
      again.textContent = words.again;
      again.addEventListener("click", () => {
        item.entry.remove();
        enqueue(item.file, item.key);
      });
      item.entry.append(again);
      return;
    }
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page */ }
    if (request.status === 401) { // the page leads to the login, unless it is asked whether it may be left
      queue.length = 0;
      busy = false;
      location.reload();
      return;
    }
    if (request.status === 429) {
      const seconds = Number(request.getResponseHeader("Retry-After")) || 5;
      show(item, "busy", { seconds });
      await sleep(seconds);
      continue;
    }
    if (request.status !== 201 && request.status !== 200) {
      ended(item, "fault", { message: answer.message || `${request.status}` });
      return;
    }
    ended(item, "sent");
    setTimeout(() => {
      item.entry.remove();
      sending.hidden = !document.querySelector("#uploading li");
    }, 4000);
    await refresh(answer.id).catch(() => {});
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

// What was dropped is not a file: say so in the list of uploads.
const refuse = (name, values = {}) => {
  const text = document.createElement("p");
  text.textContent = say(name, values);
  addEntry(text).classList.add("problem");
};

const enqueue = (file, key) => {
  const text = document.createElement("p");
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  const item = { file, key, entry: addEntry(text, bar), text, bar };
  if (file.size > Number(document.body.dataset.most)) {
    ended(item, "large", { size: document.body.dataset.mostWords });
    return;
  }
  show(item, "waiting");
  queue.push(item);
  work();
};

if (upload) {
  const input = document.getElementById("files");
  input.multiple = true; // without the script, one at a time
  document.getElementById("send").hidden = true;
  input.addEventListener("change", () => {
    for (const file of input.files) enqueue(file, newKey());
    upload.reset();
  });
  upload.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => { event.preventDefault(); upload.classList.add("over"); });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) upload.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    upload.classList.remove("over");
    const dropped = Array.from(event.dataTransfer.items).filter((item) => item.kind === "file");
    if (!dropped.length) refuse("notFile");
    for (const item of dropped) {
      const entry = item.webkitGetAsEntry(); // null where a script has made the drop
      if (entry && entry.isDirectory) refuse("folder", { name: entry.name });
      else enqueue(item.getAsFile(), newKey());
    }
  });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
}
