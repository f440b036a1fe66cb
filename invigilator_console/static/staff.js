// Accounts: add one, reset a password; a first password is shown once.

import { get, post, say } from "./api.js";
import { ask } from "./dialog.js";
import { keyed, make, setText } from "./dom.js";

const roles = JSON.parse(document.getElementById("staff").dataset.roles);
document.getElementById("add").addEventListener("click", add);

async function refresh() {
  const away = document.getElementById("away");
  try {
    show(await get("/api/staff"));
    away.hidden = true;
  } catch (refusal) {
    setText(away, refusal.message);
    away.hidden = false;
  }
}

function show(accounts) {
  keyed(document.getElementById("accounts"), accounts, (one) => one.username, newRow, (row, one) => {
    row.account = one;
    setText(row.children[0], one.username);
    setText(row.children[1], one.name);
    setText(row.children[2], one.role_name);
    setText(row.children[3], one.must_change_password ? say("待修改首次口令", "first password not changed yet") : say("可用", "ready"));
  });
}

function newRow() {
  const row = make("tr", {}, make("td", { class: "mono" }), make("td"), make("td"), make("td"), make("td"));
  row.children[4].append(make("button", { type: "button", class: "small", text: say("重置口令", "Reset password"), onclick: () => reset(row.account) }));
  return row;
}

async function add() {
  const added = await ask({
    title: say("新增账号", "Add an account"),
    fields: [
      { name: "username", label: say("账号（字母、数字、. _ -）", "User name (letters, digits, . _ -)") },
      { name: "name", label: say("姓名", "Name") },
      { name: "role", label: say("角色", "Role"), kind: "select", options: roles, value: "invigilator" },
    ],
    confirm: say("新增账号", "Add"),
    act: (values) => post("/api/staff", values),
  });
  if (added) await tell(added);
}

async function reset(account) {
  const changed = await ask({
    title: say("重置口令", "Reset the password"),
    effects: [`${account.name}（${account.username}，${account.role_name}）`, say("原口令立即失效，已登录的页面退出。", "The old password ends at once, and open log-ins too.")],
    confirm: say("重置口令", "Reset"), danger: true,
    act: () => post(`/api/staff/${encodeURIComponent(account.username)}/reset`),
  });
  if (changed) await tell(changed);
}

async function tell(one) {
  await refresh();
  await ask({
    title: say("首次口令（只显示这一次）", "First password (shown only now)"),
    effects: [`${one.username}　${one.password}`, say("请当面告知本人；首次登录后须修改。", "Tell the person; it is changed at the first log-in.")],
    confirm: say("我已告知本人", "I have told the person"),
    canLeave: false,
    act: async () => ({}),
  });
}

refresh();
