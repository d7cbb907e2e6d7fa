// The review also works without this script. With it, the keyboard moves through the rows.
const links = () => [...document.querySelectorAll("tbody th a")];
const place = `review ${location.search}`;
const current = () => links().indexOf(document.activeElement?.closest("tr")?.querySelector("th a"));
const remember = (link) => sessionStorage.setItem(place, link.closest("tr").id);
const remembered = () =>
  document.getElementById(location.hash.slice(1) || sessionStorage.getItem(place))?.querySelector("th a");

const move = (step) => {
  const all = links();
  const from = current();
  const next = from < 0 ? (remembered() ?? all[0]) : all[Math.min(all.length - 1, Math.max(0, from + step))];
  next?.focus();
};
const help = () => {
  const keys = document.querySelector(".keys");
  keys.open = !keys.open;
  if (keys.open) keys.scrollIntoView({ block: "nearest" });
};
const filter = () => {
  const form = document.querySelector("form.filters");
  form.closest("details").open = true;
  form.querySelector("select").focus();
};
const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "/": filter,
  "?": help,
};

addEventListener("keydown", (event) => {
  const { target, key } = event;
  // Keys that write, choose or belong to the browser are left alone.
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
  // Without a row in focus, the arrows scroll the page.
  if (!Object.hasOwn(ACTIONS, key) || (key.startsWith("Arrow") && current() < 0)) return;
  if (!document.querySelector(".keys") && key !== "/") return;
  event.preventDefault();
  ACTIONS[key]();
});
addEventListener("focusin", (event) => {
  const link = event.target.closest?.("tbody th a");
  if (link) remember(link);
});
// Back from a scorecard, the row that was opened has the focus again.
addEventListener("pageshow", () => remembered()?.focus());
