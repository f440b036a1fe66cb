// Log in, and change the password.

import { post, rememberToken, say } from "./api.js";

const form = document.querySelector("form");
const fault = form.querySelector(".fault");
const button = form.querySelector("button");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  fault.hidden = true;
  button.disabled = true;
  try {
    if (form.id === "login") await logIn(fields);
    else await changePassword(fields);
  } catch (refusal) {
    fault.textContent = refusal.message;
    fault.hidden = false;
    form.querySelector('input[type="password"]').select();
  } finally {
    button.disabled = false;
  }
});

async function logIn(fields) {
  const person = await post("/api/login", fields);
  rememberToken(person.csrf_token);
  location.href = person.must_change_password ? "/password" : "/";
}

async function changePassword(fields) {
  if (fields.new !== fields.again) throw new Error(say("两次输入的新口令不一致。", "The two new passwords differ."));
  await post("/api/password", { old: fields.old, new: fields.new });
  location.href = "/";
}
