// Answers that cannot be sent wait in the browser.
const find = (css) => document.querySelector(css);
const view = () => find("[data-session]");
const actor = document.body.dataset.actor;
let busy = false;

const database = new Promise((resolve, reject) => {
  const request = indexedDB.open("prospect-fit");
  request.onupgradeneeded = () => request.result.createObjectStore("answers", { keyPath: "key" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = reject;
});
const store = async (mode, work) => {
  const task = (await database).transaction("answers", mode, { durability: "strict" });
  const request = work(task.objectStore("answers"));
  return new Promise((resolve, reject) => {
    task.oncomplete = () => resolve(request.result);
    task.onabort = reject;
  });
};
const remove = (answer) => store("readwrite", (answers) => answers.delete(answer.key));
// The answers of this person, oldest first.
const waiting = async () =>
  (await store("readonly", (answers) => answers.getAll()))
    .filter((answer) => answer.actor === actor)
    .sort((a, b) => a.at - b.at);
const show = async () => {
  const count = (await waiting()).length;
  const note = find("#offline");
  if (!note) return;
  note.hidden = !count;
  find("#offline b").textContent = count;
};

// Null if the answer has to wait.
const send = async (answer) => {
  const body = new URLSearchParams(answer.body);
  body.set("token", find("[name=token]")?.value);
  const response = await fetch(answer.url, { method: "POST", body }).catch(() => null);
  const status = response?.status ?? 503;
  if (view()) find("#signed-out").hidden = status !== 401;
  return status > 499 || [401, 403, 429].includes(status) ? null : response;
};
const parse = async (response) =>
  new DOMParser().parseFromString(await response.text(), "text/html");
const replace = async (response) => {
  const facts = find(".facts");
  find("main").replaceWith((await parse(response)).querySelector("main"));
  // Keep unsaved facts.
  if (facts) find(".facts")?.replaceWith(facts);
  if (response.ok) history.pushState(null, "", response.url);
  find("#now")?.scrollIntoView();
  (find("main [role=alert]") ?? find("#now"))?.focus();
  await show();
};
const flush = () =>
  navigator.locks.request("prospect-fit", async () => {
    let sent = 0;
    for (const answer of await waiting()) {
      const response = await send(answer);
      if (!response) break;
      await remove(answer);
      sent++;
      if (!response.ok) await replace(response);
      else if (view()) {
        view().dataset.revision = 0;
        document.getElementById(answer.question)?.removeAttribute("data-waits");
      }
    }
    await show();
    return sent;
  });

const openNext = (form, chosen) => {
  const all = [...document.querySelectorAll("details.q")];
  const question = form.closest("details");
  question.querySelector("small").textContent = chosen.closest("label").innerText.slice(0, 40);
  question.dataset.waits = "";
  question.open = false;
  const next = all.slice(all.indexOf(question) + 1).find((one) => !one.querySelector("[name=answer]:checked"));
  if (!next) return;
  next.closest(".step").open = next.open = true;
  next.querySelector("summary").focus();
};

addEventListener("submit", async (event) => {
  const form = event.target;
  const question = form.dataset.question;
  const chosen = question && form.querySelector("[name=answer]:checked");
  if (!chosen) return;
  event.preventDefault();
  if (busy) return;
  busy = true;
  const url = form.action;
  const answer = { key: `${url} ${question}`, question, actor, url, body: [...new FormData(form)], at: Date.now() };
  try {
    await store("readwrite", (answers) => answers.put(answer));
    const response = (await waiting()).length === 1 ? await send(answer) : null;
    if (response) {
      await remove(answer);
      await replace(response);
    } else {
      form.elements.request_key.value = crypto.randomUUID();
      openNext(form, chosen);
      await show();
    }
  } catch {
    form.submit();
  } finally {
    busy = false;
  }
});

const poll = async () => {
  const now = view();
  if (!now || document.hidden || busy) return;
  const session = await (await fetch(now.dataset.session)).json();
  if (session.revision === +now.dataset.revision) return;
  const page = await parse(await fetch(location));
  const fresh = page.querySelector("[data-session]");
  if (!fresh || now !== view()) return;
  now.dataset.revision = fresh.dataset.revision;
  now.querySelector(".state").replaceWith(fresh.querySelector(".state"));
  for (const old of now.querySelectorAll("details.q:not([open], [data-waits])")) {
    const its = page.getElementById(old.id);
    its?.removeAttribute("open");
    if (its) old.replaceWith(its);
  }
};

addEventListener("popstate", () => location.reload());
flush().then((sent) => sent && view() && location.reload()).catch(() => {});
setInterval(() => flush().then(poll).catch(() => {}), 3000);
