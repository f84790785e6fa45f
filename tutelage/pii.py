"""Find personal data and secrets in text, offline, and take them out.

Found: e-mail addresses, telephone numbers, payment cards, IBANs, US social security numbers, public IP addresses,
street addresses with a house number, and secrets (keys, tokens, passwords in code). Patterns propose; checksums and
number plans decide where there are any. Names of people are not looked for: no pattern tells them from other words.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import phonenumbers
from detect_secrets.plugins import (
    aws,
    azure_storage_key,
    basic_auth,
    github_token,
    gitlab_token,
    jwt,
    keyword,
    mailchimp,
    npm,
    openai,
    private_key,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)
from stdnum import iban, luhn
from stdnum.us import ssn

PiiKind = Literal["secret", "iban", "card", "national_id", "email", "ip", "phone", "address"]
#: Where two kinds claim the same characters, the earlier one has them: the surer check first.
PRIORITY: tuple[PiiKind, ...] = ("secret", "iban", "card", "national_id", "email", "ip", "phone", "address")
#: Written on every finding; a change in what is found gets a new number.
VERSION = "1"
#: Countries whose telephone numbers are known without their +CODE.
REGIONS = ("US", "GB")

# The last name of a domain is letters, and no file's ending: logo@2x.png is a picture.
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w+'-]+(?:\.[\w+'-]+)*@[\w-]+(?:\.[\w-]+)*\.(?!(?:png|jpe?g|gif|svg|webp|js|css|txt)\b)"
    r"[^\W\d_]{2,24}(?![\w-])"
)
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?!\w)")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION_BEFORE = re.compile(r"(?:\bv|versions?|release|build|section|chapter)[ .:]*$", re.IGNORECASE)
_STREET = re.compile(
    r"(?<![\w.,-])\d{1,5}[A-Za-z]?,? (?:(?:North|South|East|West|[NSEW]\.?) )?(?:[A-Z][\w'’.-]* ){1,3}"
    r"(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Drive|Dr|Boulevard|Blvd|Court|Ct|Close|Crescent|Terrace|Square)\b"
)
_PERHAPS_SECRET = re.compile(r"[\w/+=.-]{16}|BEGIN|://|key|pass|pwd|secret|contrase", re.IGNORECASE)
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)
_SECRETS: tuple[tuple[str, Any], ...] = (
    ("aws", aws.AWSKeyDetector),
    ("azure", azure_storage_key.AzureStorageKeyDetector),
    ("basic-auth", basic_auth.BasicAuthDetector),
    ("github", github_token.GitHubTokenDetector),
    ("gitlab", gitlab_token.GitLabTokenDetector),
    ("jwt", jwt.JwtTokenDetector),
    ("mailchimp", mailchimp.MailchimpDetector),
    ("npm", npm.NpmDetector),
    ("openai", openai.OpenAIDetector),
    ("private-key", private_key.PrivateKeyDetector),
    ("pypi", pypi_token.PypiTokenDetector),
    ("sendgrid", sendgrid.SendGridDetector),
    ("slack", slack.SlackDetector),
    ("square", square_oauth.SquareOAuthDetector),
    ("stripe", stripe.StripeDetector),
    ("telegram", telegram_token.TelegramBotTokenDetector),
    ("twilio", twilio.TwilioKeyDetector),
    ("keyword", keyword.KeywordDetector),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Personal data at characters `start` to `end`; `detector` names what found it, with the version of the rules."""

    kind: PiiKind
    start: int
    end: int
    detector: str


def find(text: str, regions: Sequence[str] = REGIONS) -> list[Finding]:
    """Return all findings in the order of the text; no two overlap."""
    found = [
        *_secrets(text),
        *_ibans(text),
        *_cards(text),
        *_national_ids(text),
        *_matches("email", _EMAIL, text),
        *_addresses(text),
        *_phones(text, regions),
        *_matches("address", _STREET, text),
    ]
    found.sort(key=lambda one: (PRIORITY.index(one.kind), one.start - one.end, one.start))
    taken: list[Finding] = []
    for one in found:
        if all(one.end <= other.start or other.end <= one.start for other in taken):
            taken.append(one)
    return sorted(taken, key=lambda one: one.start)


def scrub(text: str, regions: Sequence[str] = REGIONS) -> str:
    """Return the text with every finding replaced by its kind in brackets, such as [email]."""
    for one in reversed(find(text, regions)):
        text = f"{text[: one.start]}[{one.kind}]{text[one.end :]}"
    return text


def _finding(kind: PiiKind, start: int, end: int, detector: str = "pattern") -> Finding:
    return Finding(kind=kind, start=start, end=end, detector=f"{detector}-{VERSION}")


def _matches(kind: PiiKind, pattern: re.Pattern[str], text: str) -> Iterator[Finding]:
    for match in pattern.finditer(text):
        yield _finding(kind, *match.span())


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        # One number in ten has a right check digit; the issuer's prefix and length must fit as well.
        if _ISSUERS.fullmatch(digits) and luhn.is_valid(digits):
            yield _finding("card", *match.span())


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        # The pattern runs on into following words; take them off again until the checksum fits.
        ends = [match.end(), *(match.start() + gap.start() for gap in reversed(list(re.finditer("[ -]", match[0]))))]
        for end in ends:
            if iban.is_valid(text[match.start() : end]):
                yield _finding("iban", match.start(), end)
                break


def _national_ids(text: str) -> Iterator[Finding]:
    for match in _SSN.finditer(text):
        if ssn.is_valid(match[0]):
            yield _finding("national_id", *match.span())


def _addresses(text: str) -> Iterator[Finding]:
    """Yield public IP addresses; private and documentation ranges point at nobody."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            if _VERSION_BEFORE.search(text, 0, match.start()):
                continue
            try:
                address = ipaddress.ip_address(match[0])
            except ValueError:
                continue
            if address.is_global:
                yield _finding("ip", *match.span())


def _phones(text: str, regions: Sequence[str]) -> Iterator[Finding]:
    if sum(character.isdigit() for character in text) < 7:
        return
    # With +CODE a valid number is enough. Without, its groups must be written as the country writes them, so that
    # order numbers and dates do not count.
    seen = set()
    plans = [
        (None, phonenumbers.Leniency.VALID),
        *((region, phonenumbers.Leniency.STRICT_GROUPING) for region in regions),
    ]
    for region, leniency in plans:
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency):
            # The matcher takes an opening bracket along, also when it closes outside the number.
            start = match.start + (match.raw_string.startswith("(") and ")" not in match.raw_string)
            bare = match.raw_string.isdecimal()
            if (start, match.end) not in seen and not bare:
                seen.add((start, match.end))
                yield _finding("phone", start, match.end, "phonenumbers")


def _secrets(text: str) -> Iterator[Finding]:
    start = 0
    for line in text.splitlines(keepends=True):
        # Most lines hold nothing that a secret could be made of: the detectors need not look at them.
        for name, detector in _detectors() if _PERHAPS_SECRET.search(line) else ():
            for place, end in _places(name, detector, line):
                yield _finding("secret", start + place, start + end, f"secrets.{name}")
        start += len(line)


def _places(name: str, detector: Any, line: str) -> Iterator[tuple[int, int]]:
    if name not in ("keyword", "basic-auth"):
        for pattern in detector.denylist:
            yield from (match.span() for match in pattern.finditer(line))
        return
    # These two see a secret by the words around it and say only what it is.
    for value in detector.analyze_string(line):
        place = line.find(value)
        if value and place >= 0:
            yield place, place + len(value)


@cache
def _detectors() -> tuple[tuple[str, Any], ...]:
    # The detectors are used one by one: their own scanner also offers to verify a secret by calling its service.
    return tuple((name, detector()) for name, detector in _SECRETS)
