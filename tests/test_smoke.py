def test_qualify(client, link):
    r = client.post("/v1/qualify", json={**link, "ratings": {"budget": 4}})
    assert r.status_code == 200, r.text
    assert r.json()["score"]["rated"] == 1
