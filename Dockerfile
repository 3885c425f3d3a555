# One image for web, workers and beat; docker-compose.yml and the Procfile say how each is started.
FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; e = p["optional-dependencies"]; \
        print(*p["dependencies"], *e["admin"], *e["service"], sep="\n")' > /tmp/requirements.txt \
    && pip install --constraint constraints.txt --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt \
    && useradd --system --uid 10001 --no-create-home webhooks

COPY . .
# Nothing is signed or encrypted here; the settings only want the variables set.
RUN DEBUG=false SECRET_KEY=unused WEBHOOKS_ENCRYPTION_KEYS=unused python manage.py collectstatic --noinput \
    && install --directory --owner webhooks --mode 700 var

USER webhooks
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "webhooks_project.server", "--host", "0.0.0.0", "--port", "8000", "--processes", "1", "--pages", "2", "--grace", "30"]
