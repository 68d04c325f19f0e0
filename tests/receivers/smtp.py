"""Receives mail as real servers do, and tells what it was sent, one JSON object a line.

    smtp.py starttls|tls|none FOLDER

With starttls or tls it wants a login, and has the certificate that is in the folder. It refuses whatever is for an
address that begins with `refused`, and says "later" for one that begins with `later`, the first time. Mails are taken
apart by Python's own library, which had no part in making them.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

MODE, FOLDER = sys.argv[1:]
# Clients that hang up are what some tests are about.
logging.disable()
# The library wants TLS to begin with a command, and does not know that there is one already.
warnings.filterwarnings("ignore", "Requiring AUTH")


def tell(**what):
    print(json.dumps(what), flush=True)


class Handler:
    asked = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 nobody of this name"
        if address.startswith("later"):
            Handler.asked += 1
            if Handler.asked == 1:
                return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        leaves = [part for part in mail.walk() if not part.is_multipart()]
        parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in leaves}
        tell(
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            helo=session.host_name,
            encrypted=MODE == "tls" or session.ssl is not None,
            login=session.auth_data.login.decode() if session.authenticated else None,
            headers={name.lower(): value for name, value in mail.items()},
            defects=[str(defect) for part in mail.walk() for defect in part.defects],
            longest=max(len(line) for line in envelope.content.split(b"\r\n")),
            text=parts.get("text/plain"),
            html=parts.get("text/html"),
        )
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    if (data.login, data.password) != (b"tidegauge", b"s3cret"):
        return AuthResult(success=False, handled=False)
    return AuthResult(success=True, auth_data=data)


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if MODE != "none":
        context.load_cert_chain(f"{FOLDER}/server.pem", f"{FOLDER}/server.key")
    wants = {"authenticator": login, "auth_required": True} if MODE != "none" else {}
    if MODE == "starttls":
        wants |= {"tls_context": context, "require_starttls": True}
    else:
        wants |= {"auth_require_tls": False}
    handler = Handler()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, **wants), "127.0.0.1", 0, ssl=context if MODE == "tls" else None
    )
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
