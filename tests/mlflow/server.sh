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

# Made under another name and renamed when complete, so that a broken installation is never used; the lock lets several
# tests ask for it at once.
fetch() {
    [ -d "$venv" ] && return
    (
        flock 9
        [ -d "$venv" ] && exit
        rm -rf "$venv.part"
        python3 -m venv "$venv.part" >&2
        "$venv.part/bin/python" -m pip install -q --disable-pip-version-check "mlflow==$version" >&2
        mv "$venv.part" "$venv"
    ) 9>"$here/.venv.lock"
}

# By module, because the scripts of a folder that was renamed name their interpreter by its old path. Webhooks go to
# public addresses only, and only a minute after they were made, unless it is told otherwise.
serve() {
    cd "$1"
    export PATH="$venv/bin:$PATH"
    export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
    export MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true MLFLOW_WEBHOOK_CACHE_TTL=0
    exec "$venv/bin/python" -m mlflow server --host 127.0.0.1 --port "$2" --workers 1 \
        --backend-store-uri "sqlite:///$1/mlflow.db" --serve-artifacts --artifacts-destination "$1/artifacts"
}

export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
case "${1:-}" in
    --fetch) fetch ;;
    --log-model) fetch; shift; exec "$venv/bin/python" "$here/log_model.py" "$@" ;;
    "") sed -n '4,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) fetch; serve "$@" ;;
esac
