"""Passwords in storage URLs: found anywhere in a URL, and hidden in all output.

A URL is split as text. A parser would refuse an invalid URL, whose password must be hidden too, or take a part of the
password for the host.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
"""Written instead of a secret."""
SHOWN_OPTIONS = {
    "application_name", "cache", "channel_binding", "charset", "connect_timeout", "dbname", "gssencmode", "host",
    "hostaddr", "immutable", "keepalives", "mode", "passfile", "port", "sslcert", "sslkey", "sslmode", "sslrootcert",
    "target_session_attrs", "timeout", "uri", "user", "vfs",
}  # fmt: skip
"""Options of a URL whose values are shown. Drivers have others, and some of those are secret."""
SECRET_OPTION = re.compile("pass|pwd|secret|token|credential", re.IGNORECASE)
"""Names of options that hold a secret."""
SHORTEST = 4
"""Least number of characters of a secret that is replaced in other texts. A shorter one is a part of many words."""
_seen: set[str] = set()
"""Secrets of the URLs that this process has read, in all spellings."""


class _Parts(NamedTuple):
    shown: str
    """The URL without secrets."""
    secrets: list[str]
    """Parts of the URL that are hidden: passwords, and what may be one."""
    ambiguous: bool
    """Whether the part before the host has a character that must be percent-encoded."""


def redact(url: str) -> str:
    """The URL for output: passwords, and what may be one, are hidden."""
    return _parts(url).shown


def holds_password(url: str) -> bool:
    """Whether a URL contains a password, or what may be one."""
    return bool(_parts(url).secrets)


def is_ambiguous(url: str) -> bool:
    """Whether it is unclear which ``@`` ends the password, or where the user ends."""
    return _parts(url).ambiguous


def remember(url: str) -> None:
    """Makes ``without_secrets`` hide the passwords of this URL from now on."""
    for secret in _parts(url).secrets:
        for one in (secret, unquote(secret), unquote_plus(secret), quote(secret, safe=""), quote_plus(secret)):
            _seen.update(part for part in (one, *re.split("[@:/?#]", one)) if len(part) >= SHORTEST)


def without_secrets(text: str) -> str:
    """A text, such as a driver's message, without the passwords of the remembered URLs."""
    for secret in sorted(_seen, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _parts(url: str) -> _Parts:
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[\w.+-]+", scheme):
        return _Parts("...", [url], False)  # it may contain a password anywhere
    shown, secrets = f"{scheme}://", []
    is_file = scheme.lower().startswith("sqlite") and rest.startswith("/")
    if "@" in rest and not is_file:
        user_part, _, rest = rest.rpartition("@")
        user, colon, password = user_part.partition(":")
        if "@" in user_part or re.search("[/?#&=]", user):  # ambiguous
            user = re.split("[@:/?#&=]", user_part)[0]
            return _Parts(f"{shown}{user}:{HIDDEN}", [f"{user_part}@{rest}".removeprefix(user)], True)
        if password:
            secrets.append(password)
        shown += f"{user}{colon and f':{HIDDEN}'}@"
    location, question, query = rest.partition("?")
    if not is_file:
        location = _without_bad_ports(location, secrets)
    options = []
    for option in query.split("&") if question else []:
        name, equals, value = option.partition("=")
        if SECRET_OPTION.search(name) and name.lower() != "passfile":
            secrets.append(value)
        known = equals and name.lower() in SHOWN_OPTIONS
        options.append(option if known else f"{name}={HIDDEN}" if equals else HIDDEN)
    return _Parts(shown + location + question + "&".join(options), secrets, False)


def _without_bad_ports(location: str, secrets: list[str]) -> str:
    """Hosts, ports and the database. A port that is not a number is hidden."""
    host, colon, port_and_path = location.partition("]:" if location.startswith("[") else ":")
    if not colon:
        return location
    port = port_and_path.partition("/")[0]
    if port.isdecimal() or not port:
        return location
    secrets.append(port_and_path)  # a password may contain a slash
    return f"{host}{colon}{HIDDEN}"
