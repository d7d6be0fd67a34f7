"use strict";

const element = (id) => document.getElementById(id);

// Posts JSON; gives the answer's body, or throws with a message for a person.
async function post(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server can't be reached. Is Netra still running?");
  }
  const answer = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail || `The server answered ${response.status}.`);
  return answer;
}

function show(user) {
  element("problem").textContent = "";
  element("sign-in").hidden = user !== null;
  element("done").hidden = user === null;
  if (user !== null) {
    element("who").textContent = user.email;
    element("account").textContent = user.email;
    document.title = "You are signed in to Netra";
  }
}

async function attempt(path, body) {
  element("problem").textContent = "";
  element("submit").disabled = true;
  try {
    show((await post(path, body)).user);
  } catch (error) {
    element("problem").textContent = error.message;
  } finally {
    element("submit").disabled = false;
  }
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt("/api/auth/login", { email: element("email").value, password: element("password").value });
});

element("sign-out").addEventListener("click", async () => {
  try {
    await post("/api/auth/logout", {});
    show(null);
    element("password").value = "";
  } catch (error) {
    element("problem").textContent = error.message;
  }
});

function redeemFragment() {
  const code = location.hash.slice(1);
  if (!code) return false;
  // The code works once; it needn't stay in the address bar or the history.
  history.replaceState(null, "", location.pathname);
  attempt("/api/auth/redeem", { code: decodeURIComponent(code) });
  return true;
}

window.addEventListener("hashchange", redeemFragment);

if (!redeemFragment()) {
  fetch("/api/auth/me").then(async (response) => {
    if (response.ok) show((await response.json()).user);
  }, () => {});
}
