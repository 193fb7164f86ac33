"""The export of an account holds all that is stored of the person, and nothing of others."""

from tests.cast import Person, talk_of


def test_it_holds_what_was_said_reacted_and_reported(alice, bob):
    talk = talk_of(alice, bob)
    mine = talk.say(alice, "mine")["seq"]
    his = talk.say(bob, "a secret of bob")["seq"]
    alice.post(f"{talk.path}/messages/{his}/react", {"emoji": "👍", "op": "add"})
    alice.post(f"{talk.path}/messages/{his}/report", {"reason": "spam", "note": "again"})
    found = alice.get("accounts/export")
    [item] = [each for each in found["messages"] if each["conversation_id"] == talk.id]
    assert (item["seq"], item["text"]) == (mine, "mine")
    assert {"conversation_id": talk.id, "seq": his, "emoji": "👍"} in found["reactions"]
    [report] = [each for each in found["reports"] if each["conversation_id"] == talk.id]
    assert (report["seq"], report["reason"], report["note"]) == (his, "spam", "again")
    assert "a secret of bob" not in str(found)


def test_a_recalled_message_does_not_come_back(alice, bob):
    talk = talk_of(alice, bob)
    seq = talk.say(alice, "better not")["seq"]
    alice.post(f"{talk.path}/messages/{seq}/recall")
    found = alice.get("accounts/export")
    [item] = [each for each in found["messages"] if each["conversation_id"] == talk.id]
    assert "recalled_at" in item
    assert "better not" not in str(found)


def test_who_left_does_not_learn_the_new_title(alice, bob):
    talk = talk_of(alice, bob)
    bob.post(f"{talk.path}/leave")
    alice.post(f"{talk.path}/update", {"title": "Without Bob"})
    [seat] = bob.get("accounts/export")["memberships"]
    assert (seat["state"], seat["title"]) == ("left", None)


def test_a_request_to_join_is_told(alice):
    talk = talk_of(alice, join="approve")
    carol = Person.new("carol")
    carol.post(f"{talk.path}/join")
    [asked] = carol.get("accounts/export")["join_requests"]
    assert asked["conversation_id"] == talk.id
