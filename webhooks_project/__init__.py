"""The service: settings, Celery application, web process and health. Projects that install the apps need none of it."""
