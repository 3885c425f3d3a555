"""Notices to merchants: watching what fails, writing it down grouped, mailing it, publishing it to their webhooks.

The engine's hot path knows nothing of this: it commits dead letters, counters and webhooks. Every few seconds
`watch.look` reads what is new in one transaction, and `mail.send_due` mails what is due in others.

    watch.py       one look: dead letters, runs of failures, failure rates; pauses what fails for long
    book.py        the notices themselves: one open row a webhook and kind gathers occurrences
    operations.py  the same news as events (`webhook.paused`, `delivery.dead`) for webhooks that subscribe to them
    mail.py        notices due → e-mails, at most one an interval for a webhook and kind
    probe.py       a webhook that we paused is tried with one delivery at a time
"""
