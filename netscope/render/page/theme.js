/** The parts of every page: sections, their links, and the switch between light and dark. */
const main = document.getElementById("main");
const contents = document.getElementById("contents");

function section(id, title, text = "") {
  const about = el("p", { class: "about", text });
  const host = el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title`, text: title }), about);
  main.append(host);
  contents.append(el("a", { href: `#${id}`, text: title }));
  return { host, about };
}

function themeButton() {
  const button = document.getElementById("theme");
  const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Change to the light theme" : "Change to the dark theme");
  };
  button.addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; show(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
  button.hidden = false;
}

themeButton();
