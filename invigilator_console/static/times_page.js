// The report of working times: printing it.

document.getElementById("print").addEventListener("click", () => window.print());
