import pytest
from tests import factories as f
def test_page(client_as, snapshot_stored):
    snapshot_stored(f.snapshot())
    r = client_as("viewer").get("/")
    open("/tmp/summary/page.html","wb").write(r.content)
    assert r.status_code==200
