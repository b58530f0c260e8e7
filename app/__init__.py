"""The LiveKit Token API: access tokens for LiveKit rooms, from a contract.

Imports point one way:
tokens, callers < operation < wire < handlers < main < server < serving, doctor < command_line < __main__
functions stands beside server. All from main to command_line read settings.
"""

import importlib
import warnings

from app.packages import hidden, run_when_needed

# Two test clients, three HTTP clients, Flask and two command lines are half of the start and 17 MB of every
# process, for nothing that a request needs. This must come before anything imports one of them.
run_when_needed("uvicorn", Config="config")
run_when_needed("werkzeug", Request="wrappers")
for _package in (
    "connexion", "connexion.decorators", "httpx", "livekit.api", "requests", "uvicorn.supervisors",
):  # fmt: skip
    run_when_needed(_package)
# livekit-api signs with HMAC only, and PyJWT would take nine megabytes for what it never does here.
with hidden("cryptography"):
    importlib.import_module("jwt")
# The service says so itself, once, when it starts.
warnings.filterwarnings("ignore", message="The HMAC key is .* below the minimum recommended length")
