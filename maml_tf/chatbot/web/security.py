"""Who may ask the server, and what a browser may do with what it answers."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# No script, style or picture from anywhere else, none inside the page, and no string
# that a script could turn into HTML.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own.

    Example:

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0")]
    [True, True, True, False]
    """
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guarded:
    """An application that answers only those who may ask.

    Without a token it answers to this machine's own names alone, so that no other name
    can be pointed at it (DNS rebinding); with one, every call has to bring it. Calls
    that another site's page makes are refused either way.

    Args:
        app: what answers.
        token: what calls bring as `Authorization: Bearer TOKEN`, or None.
        calls: the path below which calls lie; all else is the page, no secret.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None = None, calls: str = "/api/"
    ) -> None:
        self.app = app
        self.token = token
        self.calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_call = scope["path"].startswith(self.calls)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["Cache-Control"] = "no-store" if is_call else "no-cache"
            await send(message)

        refusal = self.refusal(Headers(scope=scope), is_call)
        if refusal is None:
            await self.app(scope, receive, send_guarded)
            return
        status, sentence = refusal
        answer = JSONResponse({"error": sentence}, status)
        await answer(scope, receive, send_guarded)

    def refusal(self, headers: Headers, is_call: bool) -> tuple[int, str] | None:
        """Status and sentence for a request that is not answered, None for others."""
        host = headers.get("host", "")
        if self.token is None and not is_loopback(_name_of(host)):
            return 403, (
                "Without a token this server answers to localhost only, not to "
                f"{_name_of(host)[:80]!r}; start it with --token to reach it by "
                "another name."
            )
        if not is_call:
            return None
        if not _is_from_here(headers, host):
            return 403, "The page of another site asked for this, which is not allowed."
        if self.token is not None and not self._has_token(headers):
            return 401, (
                "The token is missing or wrong; open the address that the server "
                "printed when it started."
            )
        return None

    def _has_token(self, headers: Headers) -> bool:
        assert self.token is not None
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return same and kind.lower() == "bearer"


def _is_from_here(headers: Headers, host: str) -> bool:
    """Whether our own page asks, or a program that is no browser."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half an IPv6 address
        return ""
