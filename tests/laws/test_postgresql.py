"""The PostgreSQL that the tests get is real, empty and durable."""

import psycopg
import pytest

pytestmark = pytest.mark.postgresql


def test_a_test_gets_an_empty_database_of_a_server_that_flushes(postgresql_database):
    with psycopg.connect(postgresql_database.replace("+psycopg", "")) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(tables).fetchone() == (0,)
        connection.execute("CREATE TABLE left_behind (id int)")


def test_the_next_test_sees_nothing_of_it(postgresql_database):
    with psycopg.connect(postgresql_database.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT to_regclass('left_behind')").fetchone()
        assert found == (None,)
