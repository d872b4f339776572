// Comforts of the report: a filter and a sort of classes, a reading of the overview, paths of pictures on a strip, a
// button that copies the command, and a mark in the navigation. The page is complete without them.
"use strict";

function setUpClasses() {
  const tools = document.querySelector(".tools");
  const list = document.querySelector(".list");
  const index = document.querySelector("ol.index, table.index tbody");
  if (!tools || !index) return;

  const number = (element) => Number(element.textContent.replace(/\D/g, ""));
  const lines = Array.from(index.children);
  const classes = Array.from(list.children, (entry, place) => ({
    entry,
    line: lines[place],
    name: entry.querySelector("h4 bdi").textContent,
    rows: number(entry.querySelector("p b")),
    // Rows without a class have none, and come last.
    id: entry.querySelector("p i").textContent === "" ? Infinity : number(entry.querySelector("p i")),
  }));

  const names = new Intl.Collator("en", { numeric: true });
  const orders = {
    most: (a, b) => b.rows - a.rows || a.id - b.id,
    fewest: (a, b) => a.rows - b.rows || a.id - b.id,
    name: (a, b) => names.compare(a.name, b.name) || a.id - b.id,
    id: (a, b) => a.id - b.id,
  };
  const search = tools.querySelector("input");
  const order = tools.querySelector("select");
  const status = tools.querySelector("output");
  const all = status.textContent;

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const { entry, line, name } of classes) {
      const isShown = name.toLowerCase().includes(wanted);
      entry.hidden = line.hidden = !isShown;
      shown += isShown;
    }
    status.textContent = wanted ? `${shown.toLocaleString("en-US")} of ${all}` : all;
  }

  function sort() {
    const sorted = classes.slice().sort(orders[order.value]);
    list.append(...sorted.map(({ entry }) => entry));
    index.append(...sorted.map(({ line }) => line));
  }

  tools.hidden = classes.length < 8;
  search.addEventListener("input", filter);
  order.addEventListener("change", sort);
  tools.addEventListener("submit", (event) => event.preventDefault());
  filter(); // A browser may have kept the words and the order over a reload.
  if (order.value !== "most") sort();
  setUpReading(classes, () => {
    search.value = "";
    filter();
  });
}

// The class under the pointer, below the bars of the overview. A click goes to it.
function setUpReading(classes, showAll) {
  const plot = document.querySelector(".plot");
  if (!plot) return;
  const reading = document.querySelector(".reading");
  const about = reading.textContent;
  const mark = document.createElementNS(plot.namespaceURI, "rect");
  mark.setAttribute("class", "mark");
  mark.setAttribute("width", 1);

  function classUnder(event) {
    const box = plot.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * classes.length);
    return Math.min(Math.max(place, 0), classes.length - 1);
  }

  plot.addEventListener("pointermove", (event) => {
    const place = classUnder(event);
    const { name, entry } = classes[place];
    const label = document.createElement("bdi");
    const rows = document.createElement("b");
    label.className = "cut";
    label.textContent = name;
    rows.textContent = entry.querySelector("p b").textContent;
    reading.replaceChildren(label, rows);
    mark.setAttribute("x", place);
    plot.append(mark);
  });
  plot.addEventListener("pointerleave", () => {
    reading.textContent = about;
    mark.remove();
  });
  plot.addEventListener("click", (event) => {
    const { entry } = classes[classUnder(event)];
    if (entry.hidden) showAll();
    location.hash = entry.id;
  });
}

// A strip gets the place and path of the picture under the pointer as its title, a name that is cut gets itself.
function setUpTitles() {
  document.querySelector("#classes").addEventListener("pointermove", ({ target, offsetX }) => {
    if (target.matches(".strip img")) {
      const paths = target.parentElement.querySelectorAll("ol li");
      const place = Math.floor((offsetX / target.clientWidth) * paths.length);
      if (paths[place]) target.title = paths[place].textContent;
    } else if (target.matches("bdi") && !target.title) {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = target.parentElement;
      if (scrollWidth > clientWidth || scrollHeight > clientHeight) target.title = target.textContent;
    }
  });
}

function setUpCopy() {
  const button = document.querySelector(".command button");
  if (!button) return;
  const command = document.querySelector(".command code");

  async function copy() {
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      getSelection().selectAllChildren(command);
      if (!document.execCommand("copy")) return;
      getSelection().removeAllRanges();
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  button.hidden = false;
  button.addEventListener("click", copy);
}

function setUpNavigation() {
  const links = new Map(Array.from(document.querySelectorAll("nav a"), (link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) links.get(target.id).setAttribute("aria-current", "true");
        else links.get(target.id).removeAttribute("aria-current");
      }
    },
    { rootMargin: "-25% 0px -74% 0px" },
  );
  for (const id of links.keys()) observer.observe(document.getElementById(id));
}

setUpClasses();
setUpTitles();
setUpCopy();
setUpNavigation();
