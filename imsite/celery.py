"""The Celery app, and every periodic task on one page."""

import os
import warnings
from datetime import timedelta
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")

from django.conf import settings

from imsite import deafness  # noqa: F401 - connects itself to the worker's signals

# Root is the usual user of a container, and a newcomer's first screen is for the addresses.
warnings.filterwarnings("ignore", message="You're running the worker with superuser")
# Seconds after which a task that nobody acknowledged is handed out again; longer than any runs.
LONGEST_TASK = 600
# Seconds after which a bell that nobody heard is not heard any more: what rang for days need not be
# made up for, yet a worker whose clock is an hour ahead must hear.
BELL = 7200


def broker_url(redis_url: str) -> str:
    """Return our Redis URL as kombu spells it."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def bell(task: str, **every: float) -> dict[str, Any]:
    """Return the entry of the schedule that rings for a task again and again."""
    return {"task": task, "schedule": timedelta(**every), "options": {"expires": BELL}}


app = Celery("imsite")
app.conf.update(
    broker_url=broker_url(settings.IM_REDIS_URL),
    broker_transport_options={
        "visibility_timeout": LONGEST_TASK + 300,
        "global_keyprefix": "im:celery:",
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    # Work owed is a row; a task only rings the bell, so nothing waits for its result.
    task_ignore_result=True,
    # A worker that dies gives its task back: each task can be run twice.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=LONGEST_TASK,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    accept_content=["json"],
    timezone="UTC",
    enable_utc=True,
    beat_scheduler="imsite.bells:Steady",
    beat_schedule={
        # Without a time at which a bell expires: a worker whose clock is ahead would hear none. Those
        # that rang while nobody listened find nothing left to do.
        **{
            f"chore: {name}": {
                "task": "conversations.tasks.run_chore",
                "schedule": timedelta(hours=1),
                "kwargs": {"name": name},
            }
            for name in ("devices", "log", "pushes", "requests")
        },
        "push what is owed": bell("push.tasks.push", seconds=5),
        "clear what was read": bell("push.tasks.clear_read", minutes=5),
        "look for conversations that nobody looked at": bell("push.tasks.find_missed", hours=1),
        "look for pushes that wait by a wrong clock": bell("push.tasks.rouse_strays", minutes=1),
        "send letters, open cases, resume orders": bell(
            "messages.tasks.tend_moderation", minutes=1
        ),
        "take a sample for the dashboard": bell("imsite.desk.tasks.take_sample", minutes=5),
    },
)
app.autodiscover_tasks()


def ring(task: str, *args: Any) -> None:
    """Ring for a task from any process, once and without patience."""
    app.send_task(task, args=args, expires=BELL, retry=False)
