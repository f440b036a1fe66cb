"""The save path: acknowledged once, in order, never lost, one bad batch never fails its neighbours."""

from __future__ import annotations

import threading

from sqlalchemy import func, select

from station.errors import Missing
from station.services import answering, due_work, saving
from station.store.models import Revision, SaveConflict
from tests.building import BuiltRoom, SetClock

A, B = '{"base":{"identifier":"A"}}', '{"base":{"identifier":"B"}}'


def batch(room: BuiltRoom, attempt_id: int, place: int, *saves: saving.Save) -> saving.SaveBatch:
    return saving.SaveBatch(attempt_id, place, saves, None, room.clock.now())


def test_one_bad_batch_never_fails_its_group(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    batches = [
        batch(room, attempt.id, place, saving.Save(1, "q1", A, True)),
        batch(room, attempt.id, place + 999, saving.Save(1, "q1", A, True)),
        batch(room, 4711, place, saving.Save(1, "q1", A, True)),
        batch(room, attempt.id, place, saving.Save(2, "q2", B, True)),
    ]
    with room.changing() as db:
        outcomes = saving.SaveRecorder().record(db, batches)
    assert isinstance(outcomes[1], Missing)
    assert isinstance(outcomes[2], Missing)
    assert [one.acknowledged[0].number for one in (outcomes[0], outcomes[3])] == [1, 2]
    with room.store.reading() as db:
        assert answering.check_chain(db, attempt.id) is None


def test_a_place_of_another_attempt_is_unknown_to_this_one(room: BuiltRoom):
    room.start()
    mine, _ = room.enter(room.tickets[0])
    _, other_place = room.enter(room.tickets[1])
    with room.changing() as db:
        (outcome,) = saving.SaveRecorder().record(
            db, [batch(room, mine.id, other_place, saving.Save(1, "q1", A, True))]
        )
    assert isinstance(outcome, Missing)


def test_the_newest_place_and_sequence_is_the_current_answer_whatever_comes_when(room: BuiltRoom):
    room.start()
    attempt, old_place = room.enter(room.tickets[0])
    room.save(attempt.id, old_place, 1, "q1", A)
    _, new_place = room.enter(room.tickets[0])
    room.save(attempt.id, new_place, 1, "q1", B)
    room.save(attempt.id, old_place, 2, "q1", A)
    room.save(attempt.id, old_place, 3, "q2", A)
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {"q1": B, "q2": A}
    assert room.attempt(room.tickets[0]).answered_count == 2


def test_within_one_group_the_same_item_twice_counts_once_and_the_last_holds(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    saves = (
        saving.Save(1, "q1", A, True),
        saving.Save(2, "q1", '{"base":null}', False),
        saving.Save(3, "q2", A, True),
        saving.Save(3, "q2", A, True),
    )
    with room.changing() as db:
        (outcome,) = saving.SaveRecorder().record(db, [batch(room, attempt.id, place, *saves)])
    assert isinstance(outcome, saving.BatchOutcome)
    assert [one.number for one in outcome.acknowledged] == [1, 2, 3, 3]
    stored = room.attempt(room.tickets[0])
    assert (stored.answered_count, stored.revision_count) == (1, 3)


def test_conflicting_bodies_are_both_kept_and_the_first_stays_current(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", A)
    assert room.save(attempt.id, place, 1, "q1", B).conflicts == (1,)
    with room.store.reading() as db:
        assert db.scalars(select(SaveConflict.response)).all() == [B]
        assert answering.current_answers(db, attempt.id) == {"q1": A}


def test_forty_threads_save_at_once_and_every_acknowledged_answer_is_in_an_unbroken_chain(room: BuiltRoom):
    room.start()
    entered = [room.enter(ticket) for ticket in room.tickets]
    wanted = 40
    failures: list[BaseException] = []

    def write(which: int) -> None:
        attempt, place = entered[which % len(entered)]
        try:
            for round_number in range(5):
                sequence = which * 10 + round_number + 1
                room.save(attempt.id, place, sequence, f"q{which % 6 + 1}", f'{{"base":{{"string":"{sequence}"}}}}')
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with room.store.reading() as db:
        assert db.scalar(select(func.count()).select_from(Revision)) == wanted * 5
        for attempt, _ in entered:
            assert answering.check_chain(db, attempt.id) is None


def test_a_changed_revision_breaks_the_chain_and_is_named(room: BuiltRoom):
    room.start()
    attempt, place = room.enter(room.tickets[0])
    for sequence in (1, 2, 3):
        room.save(attempt.id, place, sequence, "q1", A if sequence % 2 else B)
    with room.changing() as db:
        revision = db.scalars(select(Revision).where(Revision.number == 2)).one()
        revision.response = A
    with room.store.reading() as db:
        assert answering.check_chain(db, attempt.id) == 2


def test_what_was_typed_before_a_suspension_is_in_time_and_what_comes_after_the_deadline_is_late(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.clock.pass_time(minutes=60, seconds=1)
    late = room.save(attempt.id, place, 1, "q1", A)
    assert late.acknowledged[0].is_late
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {}
    assert room.attempt(room.tickets[0]).late_count == 1


def test_what_arrived_in_time_is_in_time_even_if_the_station_collected_before_it_was_written(room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.clock.pass_time(minutes=59, seconds=59.9)
    waiting = batch(room, attempt.id, place, saving.Save(1, "q1", A, True))
    room.clock.pass_time(seconds=0.1)
    due_work.tick(room.store, room.clock.now(), sign=lambda text: "")
    with room.changing() as db:
        (outcome,) = saving.SaveRecorder().record(db, [waiting])
    assert isinstance(outcome, saving.BatchOutcome)
    assert (outcome.state, outcome.acknowledged[0].is_late) == ("collected", False)
    with room.store.reading() as db:
        assert answering.current_answers(db, attempt.id) == {"q1": A}
