"""What a message costs to keep: bytes, and CPU whatever the size of the group."""

from bench.load import Contestant
from bench.stage import Stage

_SIZES = (10, 1_000, 100_000)
# The smallest group has no more members to send.
_CLIENTS = 10
_WEIGHED = 20_000


async def members(stage: Stage) -> None:
    """Measure sends into groups of 10, 1,000 and 100,000 members."""
    people = stage.rig.seed("people", count=_CLIENTS)
    ids = [user_id for user_id, _ in people]
    contestants: dict[str, Contestant] = {}
    for size in _SIZES:
        talk = stage.rig.seed("large_group", members=ids, size=size)
        contestants[f"{size:,}"] = stage.crowd(stage.senders(people, [[talk]] * _CLIENTS))
    stage.rig.seed("settle")
    found = await stage.contest(contestants)
    for size in _SIZES:
        sample = found[f"{size:,}"]
        stage.put_rate(f"{size:,} members", sample, "/s", curve="members", x=size)
    few = found["10"].cpu_us
    for size in _SIZES[1:]:
        cpu = found[f"{size:,}"].cpu_us
        stage.put(f"CPU, {size:,} beside 10", cpu, "µs", ceiling=few, beside="with 10")


async def weight(stage: Stage) -> None:
    """Weigh messages of 58 code points of real chat."""
    people = stage.rig.seed("people", count=20)
    ids = [user_id for user_id, _ in people]
    [talk] = stage.rig.seed("groups", seats=[ids])
    found = stage.rig.seed("weigh", conversation_id=talk, senders=ids, count=_WEIGHED)
    stage.put("log and its indexes", found["log"], "bytes", note="a message of 58 bytes of text")
    stage.put("everything, search included", found["all"], "bytes")
    stage.put("imported, 1,000 a commit", found["rate"], "messages/s")
