"""The LiveKit Token API: access tokens for LiveKit rooms, from a contract.

Imports point one way: tokens < operation < wire < handlers < main < __main__; the last two
read settings.
"""

import warnings

# Connexion imports Starlette's test client, which warns about a library that it would rather use.
# The filter must be set before anything imports Connexion, in every worker process.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
# The service says so itself, once, when it starts.
warnings.filterwarnings("ignore", message="The HMAC key is .* below the minimum recommended length")
