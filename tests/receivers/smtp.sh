#!/usr/bin/env bash
# Runs a real SMTP server in the foreground, for the tests of mail.
#
# Usage: smtp.sh MODE FOLDER    serve on a free port with what certify has put there; see smtp.py for the modes
#        smtp.sh --certify FOLDER    make a CA and a certificate of it for localhost
#        smtp.sh --fetch            only install the server
#
# Needs python3 with venv, pip, openssl and flock.
set -euo pipefail

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
        "$venv.part/bin/python" -m pip install -q --disable-pip-version-check aiosmtpd==1.4.6 >&2
        mv "$venv.part" "$venv"
    ) 9>"$here/.venv.lock"
}

certify() {
    local folder=$1
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=the tests' own CA" \
        -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
        -keyout "$folder/server.key" -out "$folder/server.csr" 2>/dev/null
    openssl x509 -req -days 2 -in "$folder/server.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
        -extfile <(echo "subjectAltName=DNS:localhost") -out "$folder/server.pem" 2>/dev/null
}

case "${1:-}" in
    --fetch) fetch ;;
    --certify) certify "$2" ;;
    "") sed -n '4,7s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    *) fetch; exec "$venv/bin/python" "$here/smtp.py" "$@" ;;
esac
