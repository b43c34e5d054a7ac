"""One question over HTTP and its answer, with a limit and a deadline: nothing that the other side does takes longer."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx
from anyio.from_thread import start_blocking_portal

from vitcrypt.service.documents import Problem
from vitcrypt.service.limits import is_loopback
from vitcrypt.untrusted.documents import parse_document
from vitcrypt.untrusted.text import one_line, printable


class Exchange:
    """Ask a service. Redirects are not followed, and what is compressed is not unpacked.

    Args:
        url: Address of the service.
        token: Of the service, if it wants one.
        seconds: How long a question and its answer may take together.

    Raises:
        ValueError: The address is none, or others could read the token on its way.
    """

    def __init__(self, url: str, token: str | None, seconds: float) -> None:
        self.url, self.seconds = url.rstrip("/"), seconds
        try:
            parts, _ = urlsplit(self.url), httpx.URL(self.url).port
            plain = parts.scheme in ("http", "https") and not (parts.query or parts.fragment or "@" in parts.netloc)
            host = parts.hostname if plain else None
        except (ValueError, httpx.InvalidURL):
            host = None
        if host is None:
            raise ValueError(f"the address of a service is http://HOST:PORT or https://HOST; got {printable(url, 200)}")
        encrypted, here = parts.scheme == "https", is_loopback(host)
        if token and not encrypted and not here:
            raise ValueError(
                f"{self.url} is not encrypted on its way, and anyone who reads along has the token: use https://, or a "
                "tunnel (ssh -L 8000:127.0.0.1:8000 HOST) and --url http://127.0.0.1:8000"
            )
        self._headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._proxies = not here
        self._certificates = httpx.create_ssl_context() if encrypted else False

    def ask(
        self, method: str, path: str, most: int, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> bytes:
        """Send a request and return the body of its answer, of at most `most` bytes.

        Raises:
            ConnectionError: There is none, or not in time.
            PermissionError: The token is missing or wrong.
            ValueError: The service refuses, or answers at too great length.
        """
        try:
            with start_blocking_portal() as portal:  # also where an event loop runs already, as in a notebook
                status, body = portal.call(self._exchange, method, path, most, headers or {}, content)
        except TimeoutError:
            raise ConnectionError(f"no answer from {self.url} within {self.seconds:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            reason = printable(error, 200) or type(error).__name__
            raise ConnectionError(f"no answer from {self.url}: {reason}; is the service running there?") from error
        if status == 401:
            raise PermissionError(f"{self.url} wants its token: --token-file FILE, or VITCRYPT_TOKEN")
        if status != 200:
            try:
                detail = parse_document(body, Problem, "the answer").detail
            except ValueError:
                detail = body[:300].decode(errors="replace")
            raise ValueError(f"{self.url}{path} refused ({status}): {one_line(detail) or 'no reason given'}")
        return body

    async def _exchange(
        self, method: str, path: str, most: int, headers: dict[str, str], content: bytes | None
    ) -> tuple[int, bytes]:
        http = httpx.AsyncClient(timeout=self.seconds, trust_env=self._proxies, verify=self._certificates)
        async with asyncio.timeout(self.seconds), http:
            request = http.build_request(method, self.url + path, headers=self._headers | headers, content=content)
            answer = await http.send(request, stream=True)
            try:
                if answer.headers.get("content-encoding", "identity").lower() != "identity":
                    raise ValueError(f"{self.url}{path} answers in a form that was not asked for")
                body = bytearray()
                async for chunk in answer.aiter_raw(2**16):
                    body += chunk
                    if len(body) > most:
                        raise ValueError(f"{self.url}{path} answers with more than {most:,} bytes; no more are read")
                return answer.status_code, bytes(body)
            finally:
                await answer.aclose()
