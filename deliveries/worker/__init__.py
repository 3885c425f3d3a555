"""The worker process: Celery tasks, the dispatcher, the scheduler, start and stop."""
