"""The command line's way to a running gateway: its management API, shown as tables or JSON.

`commands` is the table of what can be asked, `parsing` makes options of it, `asking` runs one,
`connection` speaks HTTP over the private socket or the dashboard's port, `tables` prints. Standard
library only, and nothing of the gateway but where its files lie: it starts in milliseconds.
"""
