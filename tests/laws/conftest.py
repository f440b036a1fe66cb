"""An empty station for the laws: a real store, no sitting, nobody known."""

from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.clock import Clock
from station.services.saving import SaveRecorder
from station.store import open_store
from station.store.models import Base
from station.store.save_queue import SaveQueue
from station.web.edge import Edge
from station.web.identity import StationIdentity


@pytest.fixture
def edge(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'station.db'}", tmp_path)
    Base.metadata.create_all(store.engine)
    saves = SaveQueue(store, SaveRecorder().record)
    identity = StationIdentity.of(Ed25519PrivateKey.generate())
    yield Edge(store, Clock(), saves, b"secret", ZoneInfo("Asia/Shanghai"), "第一中学", identity=identity)
    saves.stop()
    store.close()
