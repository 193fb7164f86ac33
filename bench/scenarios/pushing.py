"""Pushes: what a look at a large group costs, and how fast what is owed goes out."""

from bench.stage import Stage
from tests.standins.running import standing

_LARGE = 100_000
_ABSENT = 1_000
_MEMBERS, _TALKS = 2_000, 10


async def owing(stage: Stage) -> None:
    """Measure looks at a group of 100,000 who can be woken, 1 % of them absent."""
    seed = stage.rig.seed
    [owner] = seed("users", count=1)
    talk = seed("large_group", members=[owner], size=_LARGE)
    users = seed("members", conversation_id=talk, notify="mentions")
    devices = seed("woken", user_ids=users)
    seed("connect", device_ids=devices[_ABSENT:])
    seed("settle")
    seed("look")
    place = [(talk, owner)]
    plain, called = [], []
    for _ in range(stage.rounds):
        seed("say", places=place, count=20)
        plain.append(seed("look")["seconds"])
        seed("call_all", conversation_id=talk, sender_id=owner)
        found = seed("look")
        called.append(found["seconds"])
        if found["owed"] != _ABSENT - 1:
            raise AssertionError(f"{found['owed']} debts for {_ABSENT - 1} absent members")
        seed("settle_all")
    stage.put("100,000 members, mentions only", sorted(plain)[len(plain) // 2], "s")
    stage.put("100,000 members, @all", sorted(called)[len(called) // 2], "s")


async def draining(stage: Stage) -> None:
    """Measure how long 20,000 debts take through an FCM stand-in, by one process."""
    seed = stage.rig.seed
    with standing("fcm") as fcm:
        seed("send_to", environment=fcm.environment, route=fcm.route)
        [owner, *others] = seed("users", count=_MEMBERS + 1)
        seed("woken", user_ids=others)
        talks = seed("groups", seats=[[owner, *others]] * _TALKS)
        seed("settle")
        # More than one each: they collapse.
        seed("say", places=[(talk, owner) for talk in talks], count=3)
        looked = seed("look")
        drained = seed("drain")
        told = seed("pushes")
        taken = len(fcm.accepted())
    wanted = _MEMBERS * _TALKS
    if not taken == told["pushed"] == told["pairs"] == wanted:
        raise AssertionError(f"{taken} taken, {told} written down, of {wanted}")
    stage.put("20,000 debts noted", looked["seconds"], "s")
    stage.put("20,000 debts drained", drained["seconds"], "s", note=f"CPU {drained['cpu']:.1f} s")
