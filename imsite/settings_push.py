"""The knobs of push providers; each is on when it is set up, and docs/push.md tells how."""

import base64
import json
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from imsite.env import env

PUSH_PROVIDERS = {
    "fcm": "push.providers.fcm.Fcm",
    "apns": "push.providers.apns.Apns",
    "webpush": "push.providers.webpush.WebPush",
    "webhook": "push.providers.webhook.Webhook",
    "console": "push.providers.console.Console",
}

# Seconds a call of a push provider may take as a whole. Short: slow answers are taken for failures and
# sent twice. Long: what a hanging provider owes is late beyond the promised minute.
IM_PUSH_TIMEOUT = env.float("IM_PUSH_TIMEOUT", default=10.0)
if not 1 <= IM_PUSH_TIMEOUT <= 30:
    raise ImproperlyConfigured("IM_PUSH_TIMEOUT is 1 to 30 seconds")
# Pushes that one task of a worker has under way at each provider. Few: slow; many: that many may be sent
# twice when the worker is killed.
IM_PUSH_THREADS = env.int("IM_PUSH_THREADS", default=8)
# What a phone shows by itself where somebody wants no previews; empty: nothing at all on iPhones.
IM_PUSH_HIDDEN = env.str("IM_PUSH_HIDDEN", default="New message")
# PEM file of authorities trusted besides the usual ones, for gateways of one's own.
IM_PUSH_CA = env.str("IM_PUSH_CA", default="")

# The service account's JSON; whoever has it can push to everybody.
IM_FCM_SERVICE_ACCOUNT: dict[str, Any] = {}
if _given := env.str("IM_FCM_SERVICE_ACCOUNT", default=""):
    try:
        IM_FCM_SERVICE_ACCOUNT = json.loads(_given)
    except ValueError:
        raise ImproperlyConfigured("IM_FCM_SERVICE_ACCOUNT is not JSON") from None
    if not isinstance(IM_FCM_SERVICE_ACCOUNT, dict):
        raise ImproperlyConfigured("IM_FCM_SERVICE_ACCOUNT is not an object")
    for _name in ("project_id", "client_email", "private_key", "token_uri"):
        if not isinstance(IM_FCM_SERVICE_ACCOUNT.get(_name), str):
            raise ImproperlyConfigured(f"IM_FCM_SERVICE_ACCOUNT lacks {_name}")
IM_FCM_URL = env.str("IM_FCM_URL", default="https://fcm.googleapis.com").rstrip("/")

# The .p8 key of an Apple developer team, its id, the team's, and the app for tokens that name none.
IM_APNS_KEY = env.str("IM_APNS_KEY", default="", multiline=True)
IM_APNS_KEY_ID = env.str("IM_APNS_KEY_ID", default="")
IM_APNS_TEAM_ID = env.str("IM_APNS_TEAM_ID", default="")
IM_APNS_TOPIC = env.str("IM_APNS_TOPIC", default="")
# Tokens of the one are dead to the other: production with a sandbox's URL forgets all tokens.
IM_APNS_URL = env.str("IM_APNS_URL", default="https://api.push.apple.com").rstrip("/")
if IM_APNS_KEY and not (IM_APNS_KEY_ID and IM_APNS_TEAM_ID):
    raise ImproperlyConfigured("IM_APNS_KEY needs IM_APNS_KEY_ID and IM_APNS_TEAM_ID")

# mailto: or https:, where a push service reaches whoever runs this; Apple's refuses localhost.
IM_VAPID_SUBJECT = env.str("IM_VAPID_SUBJECT", default="")
# Made in the data folder unless given; another key kills every subscription that exists.
IM_VAPID_PRIVATE_KEY = env.str("IM_VAPID_PRIVATE_KEY", default="", multiline=True)
# Whether subscriptions may name servers in private networks: clients could then knock at them.
IM_WEBPUSH_PRIVATE = env.bool("IM_WEBPUSH_PRIVATE", default=False)
if IM_VAPID_SUBJECT and not IM_VAPID_SUBJECT.startswith(("mailto:", "https://")):
    raise ImproperlyConfigured("IM_VAPID_SUBJECT begins with mailto: or https://")

# A server of one's own that takes pushes, and the secret it knows ours by.
IM_PUSH_WEBHOOK_URL = env.str("IM_PUSH_WEBHOOK_URL", default="")
IM_PUSH_WEBHOOK_SECRET = env.str("IM_PUSH_WEBHOOK_SECRET", default="")
if IM_PUSH_WEBHOOK_URL and len(IM_PUSH_WEBHOOK_SECRET) < 16:
    raise ImproperlyConfigured("IM_PUSH_WEBHOOK_URL needs IM_PUSH_WEBHOOK_SECRET, 16 or longer")
if IM_PUSH_WEBHOOK_SECRET.startswith("whsec_"):
    try:
        base64.b64decode(IM_PUSH_WEBHOOK_SECRET.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ImproperlyConfigured("IM_PUSH_WEBHOOK_SECRET is not base64 after whsec_") from None

# Who serves each: the provider itself if it is set up, else the console; or webhook, or console.
PUSH_ROUTES = {
    "fcm": env.str("IM_PUSH_FCM", default="fcm" if IM_FCM_SERVICE_ACCOUNT else "console"),
    "apns": env.str("IM_PUSH_APNS", default="apns" if IM_APNS_KEY else "console"),
    "webpush": env.str("IM_PUSH_WEBPUSH", default="webpush" if IM_VAPID_SUBJECT else "console"),
}
_READY = {
    "fcm": bool(IM_FCM_SERVICE_ACCOUNT),
    "apns": bool(IM_APNS_KEY),
    "webpush": bool(IM_VAPID_SUBJECT),
    "webhook": bool(IM_PUSH_WEBHOOK_URL),
    "console": True,
}
for _name, _route in PUSH_ROUTES.items():
    if _route not in (_name, "webhook", "console"):
        raise ImproperlyConfigured(f"IM_PUSH_{_name.upper()} is {_name}, webhook or console")
    if not _READY[_route]:
        raise ImproperlyConfigured(f"IM_PUSH_{_name.upper()} is {_route}, which is not set up")
