// The editor also works without this script. With it, the errors and the simulator are updated while the author types.
const find = (selector, root = document) => root.querySelector(selector);
const [form, area, rows] = ["form.editor", "#text", ".rows"].map((one) => find(one));
const element = (name, text) => {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
};
let timer;
let running;
let leaving = false;
const saved = form.hasAttribute("data-unsaved") ? null : area.value;

// The rows lie behind the text: the line numbers, and the errors at the ends of their lines.
const draw = () => {
  const errors = {};
  for (const link of document.querySelectorAll("#errors [data-line]"))
    (errors[link.dataset.line] ??= []).push(link.nextElementSibling.textContent);
  rows.replaceChildren(
    ...area.value.split("\n").map((line, index) => {
      const row = document.createElement("div");
      const details = errors[index + 1];
      row.append(element("span", line));
      if (details) row.append(element("b", details.join(" · ")));
      row.classList.toggle("bad", !!details);
      return row;
    }),
  );
  scroll();
};
const scroll = () => {
  rows.scrollTop = area.scrollTop;
  rows.scrollLeft = area.scrollLeft;
};

const parse = async (response) =>
  new DOMParser().parseFromString(await response.text(), "text/html");
// Returns null if the service did not answer with the editor. The text stays where it is.
const post = async (url, signal) => {
  const body = () => new URLSearchParams(new FormData(form));
  const send = () => fetch(url, { method: "POST", body: body(), signal });
  let response = await send().catch(() => signal?.throwIfAborted());
  if (response?.status === 403) {
    // After another sign-in, forms need its token.
    const token = find("form.editor [name=token]", await parse(await fetch(location.pathname)));
    if (token) form.elements.token.value = token.value;
    response = await send();
  }
  const page = response && (await parse(response));
  const isSent = !!page && !!find("#errors", page);
  find("#lost").hidden = isSent;
  find("#lost b").textContent = (page && find("h1 + p:not(.hint)", page)?.textContent) ?? "";
  return isSent ? { response, page } : null;
};

const check = async () => {
  running?.abort();
  const { signal } = (running = new AbortController());
  const sent = await post(find("#check").formAction, signal).catch(() => null);
  if (!sent || signal.aborted) return;
  find("#errors").replaceWith(find("#errors", sent.page));
  draw();
  const fresh = find("#inputs", sent.page);
  // While the text has errors, the last result stays.
  form.classList.toggle("old", !fresh.dataset.shape);
  if (!fresh.dataset.shape) return;
  const opened = find("#reasons details")?.open;
  for (const one of ["#result", "#reasons"]) find(one).replaceWith(find(one, sent.page));
  find("#reasons details")?.toggleAttribute("open", !!opened);
  if (fresh.dataset.shape !== find("#inputs").dataset.shape) {
    const focused = document.activeElement.id;
    find("#inputs").replaceWith(fresh);
    if (focused !== "text") document.getElementById(focused)?.focus();
  }
};
const later = (pause) => {
  clearTimeout(timer);
  running?.abort();
  timer = setTimeout(check, pause);
};

// A column counts characters, and an index counts UTF-16 code units.
const go = (line, column) => {
  const lines = area.value.split("\n");
  const before = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  const index = before + [...lines[line - 1]].slice(0, column - 1).join("").length;
  area.focus();
  area.setSelectionRange(index, index);
  area.scrollTop = Math.max(0, (area.scrollHeight * (line - 4)) / lines.length);
  scroll();
};

form.classList.add("live");
area.addEventListener("scroll", scroll);
area.addEventListener("input", draw);
form.addEventListener("input", (event) => later(event.target === area ? 350 : 0));
form.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  go(+link.dataset.line, +link.dataset.column);
});
// A new line starts below the text above.
area.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  const line = area.value.slice(0, area.selectionStart).split("\n").pop();
  event.preventDefault();
  document.execCommand("insertText", false, "\n" + /^ *(- )?/.exec(line)[0].replace("-", " "));
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (event.submitter?.id === "check") return check();
  running?.abort();
  const sent = await post(form.action);
  if (!sent) return;
  leaving = true;
  // The page that says why it is not saved is loaded as usual.
  if (sent.response.ok) location.assign(sent.response.url);
  else form.submit();
});
addEventListener("beforeunload", (event) => {
  if (!leaving && area.value !== saved) event.preventDefault();
});
draw();
