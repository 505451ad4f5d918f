"""Passwords in storage URLs: found wherever they stand, and kept out of everything that people see.

A URL is cut up by its text. A parser would refuse one that is written wrongly, whose password must not be shown either,
or take a part of the password for the host.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
SHOWN_OPTIONS = {
    "application_name", "cache", "channel_binding", "charset", "connect_timeout", "dbname", "gssencmode", "host",
    "hostaddr", "immutable", "keepalives", "mode", "passfile", "port", "sslcert", "sslkey", "sslmode", "sslrootcert",
    "target_session_attrs", "timeout", "uri", "user", "vfs",
}  # fmt: skip
"""Options of a URL whose values may be seen; a driver has others, and some of them are secret."""
SECRET_OPTION = re.compile("pass|pwd|secret|token|credential", re.IGNORECASE)
SHORTEST = 4
"""Characters of a secret that is looked for in other texts: a shorter one is a part of many words."""
_seen: set[str] = set()
"""Secrets of the URLs that this process has met, in every spelling."""


class _Parts(NamedTuple):
    shown: str
    """The URL as it may be seen."""
    secrets: list[str]
    """What is hidden in it because it is a password, or stands where one may stand."""
    written_wrongly: bool
    """Whether the user's part has a character in it that must be written otherwise."""


def redact(url: str) -> str:
    """The URL without its passwords, for people's eyes; whatever may be one is hidden."""
    return _parts(url).shown


def holds_password(url: str) -> bool:
    """Whether a URL has a password in it, or what may be one."""
    return bool(_parts(url).secrets)


def is_ambiguous(url: str) -> bool:
    """Whether the ``@`` that ends the password is not the only one, or has none of a user before it."""
    return _parts(url).written_wrongly


def remember(url: str) -> None:
    """Has ``without_secrets`` hide this URL's passwords from now on."""
    for secret in _parts(url).secrets:
        for one in (secret, unquote(secret), unquote_plus(secret), quote(secret, safe=""), quote_plus(secret)):
            _seen.update(part for part in (one, *re.split("[@:/?#]", one)) if len(part) >= SHORTEST)


def without_secrets(text: str) -> str:
    """A text, a driver's message, say, without the passwords of the URLs that were remembered."""
    for secret in sorted(_seen, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _parts(url: str) -> _Parts:
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[\w.+-]+", scheme):
        return _Parts("...", [url], False)  # it may hold a password, wherever that is
    shown, secrets = f"{scheme}://", []
    is_file = scheme.lower().startswith("sqlite") and rest.startswith("/")
    if "@" in rest and not is_file:
        user_part, _, rest = rest.rpartition("@")
        user, colon, password = user_part.partition(":")
        if "@" in user_part or re.search("[/?#&=]", user):  # nobody can tell what is what
            user = re.split("[@:/?#&=]", user_part)[0]
            return _Parts(f"{shown}{user}:{HIDDEN}", [f"{user_part}@{rest}".removeprefix(user)], True)
        if password:
            secrets.append(password)
        shown += f"{user}{colon and f':{HIDDEN}'}@"
    place, question, query = rest.partition("?")
    if not is_file:
        place = _without_bad_ports(place, secrets)
    options = []
    for option in query.split("&") if question else []:
        name, equals, value = option.partition("=")
        if SECRET_OPTION.search(name) and name.lower() != "passfile":
            secrets.append(value)
        known = equals and name.lower() in SHOWN_OPTIONS
        options.append(option if known else f"{name}={HIDDEN}" if equals else HIDDEN)
    return _Parts(shown + place + question + "&".join(options), secrets, False)


def _without_bad_ports(place: str, secrets: list[str]) -> str:
    """Hosts, ports and the database; what stands in the place of a port and is no number is hidden."""
    host, colon, port_and_path = place.partition("]:" if place.startswith("[") else ":")
    if not colon:
        return place
    port = port_and_path.partition("/")[0]
    if port.isdecimal() or not port:
        return place
    secrets.append(port_and_path)  # a password may have a slash in it
    return f"{host}{colon}{HIDDEN}"
