"""What can be asked of a running gateway, as data: a test holds all of it against the API.

`parsing` makes options of the arguments, `asking` does the rest.
"""

from typing import Final

from omniroute.client.keeping import BACKUP
from omniroute.client.managing import BUDGETS, COMBOS, KEYS, PROVIDERS
from omniroute.client.watching import ADMIN_KEYS, LOGS, PASSWORD, SESSIONS, STATUS

GROUPS: Final = (KEYS, PROVIDERS, COMBOS, BUDGETS, LOGS, BACKUP, ADMIN_KEYS, SESSIONS)

SINGLE: Final = (STATUS, PASSWORD)
"""Commands that stand alone."""
