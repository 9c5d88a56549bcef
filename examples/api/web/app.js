// The page asks the API who is signed in, and shows one of two parts. All that it knows of signing in stands in the
// API's problem JSON: login_url, and missing_scopes where the user is to grant more.

const $ = (id) => document.getElementById(id);

// What a window that signed in, and another tab of this page, have to say: that something changed.
const channel = new BroadcastChannel("sign-in");
channel.onmessage = () => load();

// api returns what a call answers. A problem is thrown, as the API put it.
async function api(path, options) {
  let resp, body;
  try {
    resp = await fetch(path, { headers: { Accept: "application/json" }, ...options });
    body = resp.status === 204 ? null : await resp.json();
  } catch {
    throw { detail: "The server does not answer. Try again in a moment." };
  }
  if (!resp.ok) throw body;
  return body;
}

// loginURL is where a problem says to go, with the page to end at.
function loginURL(problem, end) {
  const url = new URL(problem.login_url, location.origin);
  url.searchParams.set("return_to", end);
  return url.href;
}

// offer has a link go to GitHub and back, and a button do the same in a window, which ends at popup.html.
function offer(link, button, problem) {
  link.href = loginURL(problem, location.pathname);
  button.onclick = () => {
    const opened = open(loginURL(problem, "/popup.html"), "sign-in", "popup,width=600,height=720");
    if (opened) say("Go on in the other window.");
    else location.assign(link.href); // The browser lets no window open.
  };
}

function say(text) {
  $("status").textContent = text;
}

// show shows one of the two parts, and moves the keyboard there if it was the other one before.
function show(part) {
  const change = $(part).hidden && !($("signed-in").hidden && $("signed-out").hidden);
  $("signed-in").hidden = part !== "signed-in";
  $("signed-out").hidden = part !== "signed-out";
  if (change) $(part).querySelector("h1").focus();
}

// failed shows what a problem asks of the user.
function failed(problem) {
  say("");
  switch (problem.kind) {
    case "sign-in-required":
      $("said").textContent = `${problem.status} ${problem.title}`;
      offer($("sign-in"), $("sign-in-window"), problem);
      forget();
      return show("signed-out");
    case "scope-missing":
      $("missing").textContent = problem.missing_scopes.join(", ");
      offer($("grant"), $("grant-window"), problem);
      $("show-orgs").hidden = true;
      $("more").hidden = false;
      return $("grant").focus();
  }
  say(problem.detail ?? "Something went wrong. Try again in a moment.");
}

// forget leaves nothing of a user on the page.
function forget() {
  $("orgs").replaceChildren();
  for (const id of ["orgs", "orgs-none", "more"]) $(id).hidden = true;
  $("show-orgs").hidden = false;
  for (const id of ["name", "login", "initial"]) $(id).textContent = "";
}

let logoutURL;

// load shows who is signed in.
async function load() {
  try {
    const asked = !$("more").hidden; // They were just sent for what the list needs.
    const me = await api("/api/me");
    forget();
    logoutURL = me.logout_url;
    $("name").textContent = me.name || me.login;
    $("login").textContent = me.login;
    $("initial").textContent = [...(me.name || me.login)][0].toUpperCase();
    say("");
    show("signed-in");
    if (asked) await showOrgs();
  } catch (problem) {
    failed(problem);
  }
}

async function showOrgs() {
  try {
    const names = await api("/api/orgs");
    const items = names.map((name) => Object.assign(document.createElement("li"), { textContent: name }));
    $("orgs").replaceChildren(...items);
    $("orgs").hidden = names.length === 0;
    $("orgs-none").hidden = names.length > 0;
    $("show-orgs").hidden = true;
    $("more").hidden = true;
  } catch (problem) {
    failed(problem);
  }
}

$("show-orgs").onclick = showOrgs;

$("sign-out").onclick = async () => {
  try {
    await api(logoutURL, { method: "POST" });
    channel.postMessage("signed out");
    await load();
  } catch (problem) {
    failed(problem);
  }
};

load();
