// What cannot be sent waits in the browser.
const find = (css) => document.querySelector(css);
const { actor } = document.body.dataset;
let busy;

const opening = indexedDB.open("prospect-fit");
opening.onupgradeneeded = () => opening.result.createObjectStore("answers", { keyPath: ["url", "question"] });
const opened = new Promise((done, failed) => {
  opening.onsuccess = done;
  opening.onerror = failed;
});
const store = async (work, mode = "readwrite") => {
  await opened;
  const task = opening.result.transaction("answers", mode, { durability: "strict" });
  const request = work(task.objectStore("answers"));
  await new Promise((done, failed) => {
    task.oncomplete = done;
    task.onabort = failed;
  });
  return request.result;
};
const remove = ({ url, question }) => store((all) => all.delete([url, question]));
// Oldest first.
const waiting = async () =>
  (await store((all) => all.getAll(), "readonly"))
    .filter((entry) => entry.actor === actor)
    .sort((a, b) => a.at - b.at);
const show = async () => {
  const { length } = await waiting();
  find("#offline b")?.replaceChildren(length);
  find("#offline")?.toggleAttribute("hidden", !length);
};

// Null if the entry has to wait.
const send = async (entry) => {
  const body = new URLSearchParams(entry.body);
  body.set("token", find("[name=token]")?.value);
  const reply = await fetch(entry.url, { method: "POST", body }).catch(() => {});
  const status = reply?.status ?? 503;
  find("#signed-out")?.toggleAttribute("hidden", status !== 401);
  return status > 499 || [401, 403, 429].includes(status) ? null : reply;
};
const parse = async (reply) =>
  new DOMParser().parseFromString(await reply.text(), "text/html");
const replace = async (reply, question) => {
  const others = document.querySelectorAll(question === "facts-about" ? "textarea" : "#facts-about");
  find("main").replaceWith((await parse(reply)).querySelector("main"));
  for (const one of others)
    if (!one.form || one.value !== one.defaultValue) find("#" + one.id)?.replaceWith(one);
  if (reply.ok) history.pushState(null, "", reply.url);
  find("#now")?.scrollIntoView();
  (find("main [role=alert]") ?? find("#now"))?.focus();
};
const flush = () =>
  navigator.locks.request("prospect-fit", async () => {
    let sent;
    for (const entry of await waiting()) {
      const reply = await send(entry);
      if (!reply) break;
      await remove(entry);
      if (!reply.ok) return replace(reply, entry.question);
      sent = true;
      find("[data-session]")?.setAttribute("data-revision", 0);
      find("#" + entry.question)?.removeAttribute("data-waits");
    }
    await show();
    return sent;
  });

const openNext = (form) => {
  const chosen = form.querySelector("[name=answer]:checked");
  if (!chosen) return;
  const all = [...document.querySelectorAll("details.q")];
  const question = form.closest("details");
  question.querySelector("small").textContent = chosen.parentNode.innerText.slice(0, 40);
  question.dataset.waits = "";
  question.open = false;
  const next = all.slice(all.indexOf(question) + 1).find((one) => !one.querySelector("[name=answer]:checked"));
  if (next) next.closest(".step").open = next.open = true;
  next?.querySelector("summary").focus();
};

onsubmit = async (event) => {
  const form = event.target;
  const { question } = form.dataset;
  if (!question && navigator.onLine) return;
  event.preventDefault();
  if (!question) find("#unsent").hidden = false;
  if (!question || busy) return;
  busy = true;
  const entry = { url: form.action, question, actor, body: [...new FormData(form)], at: Date.now() };
  try {
    await store((all) => all.put(entry));
    const reply = (await waiting()).length === 1 ? await send(entry) : null;
    if (reply) {
      await remove(entry);
      await replace(reply, question);
    } else {
      form.elements.request_key.value = crypto.randomUUID();
      openNext(form);
    }
    await show();
  } catch {
    form.submit();
  } finally {
    busy = false;
  }
};

const poll = async () => {
  const now = find("[data-session]");
  if (!now || document.hidden || busy) return;
  const { revision } = await (await fetch(now.dataset.session)).json();
  if (revision === +now.dataset.revision) return;
  const page = await parse(await fetch(location));
  const fresh = page.querySelector("[data-session]");
  if (!fresh || !now.isConnected) return;
  now.dataset.revision = fresh.dataset.revision;
  now.querySelector(".state").replaceWith(fresh.querySelector(".state"));
  for (const old of now.querySelectorAll("details.q:not([open], [data-waits])")) {
    const its = page.getElementById(old.id) ?? old;
    const note = old.querySelector("textarea");
    its.open = false;
    if (note.value === note.defaultValue) old.replaceWith(its);
  }
};

onpopstate = () => location.reload();
flush().then((sent) => sent && find("[data-question]") && location.reload()).catch(() => {});
setInterval(() => flush().then(poll).catch(() => {}), 3000);
