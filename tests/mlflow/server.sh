#!/usr/bin/env bash
# Runs a real MLflow server in the foreground, for the tests of what is registered there.
#
# Usage: server.sh FOLDER PORT    serve on this port of the loopback what is in the folder, in SQLite and files
#        server.sh --log-model URL NAME REFERENCE    log a model to it and register that; see log_model.py
#        server.sh --fetch        only install the server
#
# Needs python3 with venv, pip and flock.
set -euo pipefail

version=3.17.2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
# What a server with SQLite, a model that is a function, and a project that reads Kafka need of all that MLflow asks for,
# within the bounds that it sets. The rest, which is for training, is three times as large.
packages=("mlflow-skinny==$version" "Flask<4" "Flask-CORS<7" "aiohttp<4" "alembic<2" "cryptography<51" "graphene<4"
    "pandas<4" "sqlalchemy<3" "confluent-kafka<3")

is_complete() { [ "$(cat "$venv/complete" 2>/dev/null)" = "${packages[*]}" ]; }

# Its scripts name their interpreter by its path, so it is made in its place, and says when it is complete and what it
# has; the lock lets several tests ask for it at once. What is never imported is never compiled.
fetch() {
    is_complete && return
    (
        flock 9
        is_complete && exit
        rm -rf "$venv"
        python3 -m venv "$venv" >&2
        local pip=("$venv/bin/python" -m pip install -q --disable-pip-version-check --no-compile)
        "${pip[@]}" "${packages[@]}" >&2
        "${pip[@]}" --no-deps "mlflow==$version" >&2
        echo "${packages[*]}" > "$venv/complete"
    ) 9>"$here/.venv.lock"
}

# Webhooks go to public addresses only, and only a minute after they were made, unless it is told otherwise.
serve() {
    cd "$1"
    export PATH="$venv/bin:$PATH"
    export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
    export MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true MLFLOW_WEBHOOK_CACHE_TTL=0
    exec "$venv/bin/mlflow" server --host 127.0.0.1 --port "$2" --workers 1 \
        --backend-store-uri "sqlite:///$1/mlflow.db" --serve-artifacts --artifacts-destination "$1/artifacts"
}

export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
case "${1:-}" in
    --fetch) fetch ;;
    --log-model) fetch; shift; exec "$venv/bin/python" "$here/log_model.py" "$@" ;;
    "") sed -n '4,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) fetch; serve "$@" ;;
esac
