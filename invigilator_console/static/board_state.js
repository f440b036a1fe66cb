// What the board knows: the station's last answer, what has happened, and which seats are chosen.
// `render` and `refresh` are put in by board.js, `recordIncident` by seat_acts.js.

const root = document.getElementById("board");

export const board = {
  sittingId: Number(root.dataset.sitting),
  words: JSON.parse(root.dataset.words),
  state: null,
  events: [],
  chosen: new Set(),
  asList: localStorage.getItem("board.list") === "yes",
};

export function chosenSeats() {
  return board.state ? board.state.seats.filter((seat) => board.chosen.has(seat.entry_id)) : [];
}

export function choose(entryIds) {
  board.chosen = new Set(entryIds);
  board.render();
}
