"""What libcurl's end of a transfer without an answer means: a `Fault` in a merchant's words."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pycurl

from .answer import NOT_HTTP, Answer
from .exchange import Exchange
from .outcome import ErrorClass, Fault
from .tls import explain_refusal, explain_tls

if TYPE_CHECKING:
    from .connection import Connection

NOT_CONNECTED = frozenset((pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST))
_WEIRD_REPLY = pycurl.E_FTP_WEIRD_SERVER_REPLY  # libcurl's name for it is older than its use for HTTP
_BROKEN = frozenset(
    (pycurl.E_OK, pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_PARTIAL_FILE)
)
_TLS = frozenset(
    getattr(pycurl, f"E_{name}")
    for name in (
        "SSL_CONNECT_ERROR", "SSL_CACERT", "SSL_PEER_CERTIFICATE", "SSL_CIPHER",
        "SSL_CACERT_BADFILE", "SSL_CRL_BADFILE", "SSL_ISSUER_ERROR", "SSL_ENGINE_NOTFOUND", "SSL_ENGINE_SETFAILED",
    )
)  # fmt: skip
_UNUSABLE = frozenset((pycurl.E_SSL_CERTPROBLEM, pycurl.E_BAD_FUNCTION_ARGUMENT))
"""Of a request with a client certificate: libcurl could not read it, or its key is another's."""
_OURS = frozenset((pycurl.E_OUT_OF_MEMORY, pycurl.E_FAILED_INIT, pycurl.E_BAD_FUNCTION_ARGUMENT))
_NO_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

SPOILT = "The rest of its headers is malformed and was not read."
CUT = "Its body did not end in time and was cut."
BROKE_OFF = "Its body broke off or is malformed."
WITHOUT_ANSWER = Fault(ErrorClass.CONNECTION_RESET, "Your endpoint closed the connection without answering.")
BROKE_IN_ANSWER = Fault(ErrorClass.CONNECTION_RESET, "Your endpoint broke the connection in the middle of its answer.")


_SPOILT_LINES = ("nul byte in header", "header without colon", "unsolicited transfer-encoding")


def is_spoilt(answer: Answer, code: int, message: str) -> bool:
    """Tell whether libcurl gave up at a header, which leaves no doubt about the status that came before it."""
    if code not in (_WEIRD_REPLY, pycurl.E_BAD_CONTENT_ENCODING) or answer.fault or answer.status < 200:
        return False
    return message.lower().startswith(_SPOILT_LINES)


def no_answer(exchange: Exchange, connection: Connection, code: int, message: str) -> Fault:
    """Return what kept an answer from coming, of a transfer that reached its endpoint."""
    answer = connection.answer
    verify_code = int(connection.curl.getinfo(pycurl.SSL_VERIFYRESULT))
    shown = exchange.request.client_certificate is not None
    if shown and code in _UNUSABLE:
        return Fault(ErrorClass.CERTIFICATE_REFUSED, "The client certificate or its key can't be used. Give them anew.")
    if answer.fault is None and (refusal := explain_refusal(code, verify_code, message, shown=shown)):
        return Fault(ErrorClass.CERTIFICATE_REFUSED if shown else ErrorClass.TLS_FAILED, refusal)
    if answer.fault is None and code == pycurl.E_SEND_ERROR and not answer.begun:
        return WITHOUT_ANSWER
    if answer.fault is None and code in _BROKEN:
        return BROKE_IN_ANSWER if connection.answered_something else WITHOUT_ANSWER
    if answer.fault is None and code in _TLS:
        return Fault(ErrorClass.TLS_FAILED, explain_tls(verify_code, message, exchange.target.host))
    if code in _OURS:
        return Fault(ErrorClass.INTERNAL, "The sender failed; its log says why.")
    return Fault(ErrorClass.INVALID_RESPONSE, answer.fault or NOT_HTTP)


def out_of_time(exchange: Exchange, connection: Connection | None) -> Fault:
    """Say what was being waited for when the total deadline passed."""
    total = f"within {exchange.request.total_timeout:.3g} s"
    if connection is None:
        return Fault(ErrorClass.RESPONSE_TIMEOUT, f"Your endpoint was not done taking the request {total}.")
    ask = connection.curl.getinfo
    if not connection.is_connected:
        return no_connection(exchange, errno.ETIMEDOUT)
    if not connection.reused and exchange.target.scheme == "https" and not ask(pycurl.APPCONNECT_TIME):
        waiting = "with TLS"
    elif not ask(pycurl.REQUEST_SIZE) or ask(pycurl.SIZE_UPLOAD_T) < len(exchange.request.body):
        waiting = "taking the request"
    elif not connection.answered_something:
        waiting = "answering"
    else:
        waiting = "finishing its answer"
    return Fault(ErrorClass.RESPONSE_TIMEOUT, f"Your endpoint was not done {waiting} {total}.")


def no_connection(exchange: Exchange, failure: int | None) -> Fault:
    """Say why no TCP connection came about; `failure` is the errno of the address that told most."""
    target = exchange.target
    where = f"{target.host} port {target.port}"
    if failure in (errno.ETIMEDOUT, errno.EINPROGRESS):
        seconds = exchange.connect_by - exchange.started
        return Fault(ErrorClass.CONNECT_TIMEOUT, f"No connection to {where} within {seconds:.3g} s.")
    if failure == errno.ECONNREFUSED:
        return Fault(ErrorClass.CONNECT_REFUSED, f"Nothing accepts connections at {where}.")
    if failure in _NO_SOCKETS:
        return Fault(ErrorClass.INTERNAL, "The sending machine ran out of sockets.")
    return Fault(ErrorClass.UNREACHABLE, f"The network found no way to {where}.")


def note_failure(exchange: Exchange, failure: int) -> None:
    """Remember why an address could not be connected to, if it tells more than what is known."""
    if exchange.failure in (None, errno.ENETUNREACH, errno.EADDRNOTAVAIL):
        exchange.failure = failure  # "no IPv6 here" says less about the receiver than any other address' failure
