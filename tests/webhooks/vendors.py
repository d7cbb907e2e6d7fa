"""The ready-made record updates as somebody fills them in, and a stand-in for each."""

import json
from urllib.parse import urlsplit
from uuid import uuid4

from app.webhooks.queries import webhook_templates
from tests.webhooks.crms import (
    Dataverse,
    EspoCrm,
    HubSpot,
    Odoo,
    Pipedrive,
    Salesforce,
    Tokens,
    Twenty,
    Zoho,
)

TEMPLATES = {one.name: one.webhook for one in webhook_templates().items}
TOKEN, SECRET, REFRESH = "tok-3f1b77", "sec-90aa12", "ref-55c0de"
PIPEDRIVE_KEYS = {
    name: f"{number:x}" * 40
    for number, name in enumerate(("SCORE", "INDICATION", "SUMMARY", "NEXT_QUESTION", "UPDATE_ID"), 10)
}


def id_for(name):
    """A new id, as the records of a template have it."""
    return VENDORS[name.partition("-")[0]][2]()


def stand_in(name, record_id=None):
    """The CRM of a template, with one record, or with none."""
    make, its_fields, _, more = VENDORS[name.partition("-")[0]]
    records = {(KINDS[name], record_id): {"Name": "Acme"}} if record_id else {}
    secrets = {"token": TOKEN, "database": "yourcompany"}
    return make(records, its_fields, secrets, **{key: made() for key, made in more.items()})


def fields(prefix, join, *, summary, text):
    """The fields that a template asks for; `join` makes their names."""
    words = {"score": float, "indication": text, "summary": summary, "next question": text, "update id": text}
    return {prefix + join(f"fit {name}"): kind for name, kind in words.items()}


def snake(words):
    return words.replace(" ", "_")


def capitals(words):
    return "_".join(word.capitalize() for word in words.split())


def camel(words):
    first, *others = words.split()
    return first + "".join(word.capitalize() for word in others)


def squeezed(words):
    return words.replace(" ", "")


SALESFORCE = {f"{name}__c": kind for name, kind in fields("", capitals, summary=32768, text=255).items()}
PIPEDRIVE = {
    PIPEDRIVE_KEYS["SCORE"]: float,
    PIPEDRIVE_KEYS["SUMMARY"]: 65536,
    **{PIPEDRIVE_KEYS[name]: 255 for name in ("INDICATION", "NEXT_QUESTION", "UPDATE_ID")},
}
BY_CREDENTIALS = {"grant_type": "client_credentials", "client_id": "key", "client_secret": SECRET}
# Of each template: its stand-in, the fields there, what an id looks like, and the secrets to fill in.
VENDORS = {
    "hubspot": (HubSpot, fields("", snake, summary=65536, text=65536), lambda: str(uuid4().int % 10**11), {}),
    "salesforce": (
        Salesforce,
        SALESFORCE,
        lambda: f"001{uuid4().int % 10**12:012}AAA",
        {"tokens": lambda: Tokens("/services/oauth2/token", BY_CREDENTIALS)},
    ),
    "dataverse": (
        Dataverse,
        fields("new_", squeezed, summary=1000, text=1000),
        lambda: str(uuid4()),
        {
            "tokens": lambda: Tokens(
                "/TENANT/oauth2/v2.0/token",
                {**BY_CREDENTIALS, "scope": "https://YOURORG.crm.dynamics.com/.default"},
                3599,
            )
        },
    ),
    "odoo": (
        Odoo,
        fields("x_studio_", snake, summary=10**6, text=10**6),
        lambda: str(uuid4().int % 10**8),
        {},
    ),
    "pipedrive": (Pipedrive, PIPEDRIVE, lambda: str(uuid4().int % 10**8), {}),
    "zoho": (
        Zoho,
        fields("", capitals, summary=2000, text=255),
        lambda: str(5725767 * 10**12 + uuid4().int % 10**12),
        {
            "tokens": lambda: Tokens(
                "/oauth/v2/token",
                {**BY_CREDENTIALS, "grant_type": "refresh_token", "refresh_token": REFRESH},
                3600,
            )
        },
    ),
    "twenty": (Twenty, fields("", camel, summary=10**6, text=10**6), lambda: str(uuid4()), {}),
    "espocrm": (
        EspoCrm,
        {
            f"c{name[0].upper()}{name[1:]}": k
            for name, k in fields("", camel, summary=65536, text=255).items()
        },
        lambda: uuid4().hex[:17],
        {},
    ),
}
# Where the records of a template are in its stand-in.
KINDS = {
    "hubspot-company": "companies",
    "hubspot-deal": "deals",
    "salesforce-account": "Account",
    "salesforce-opportunity": "Opportunity",
    "dataverse-account": "accounts",
    "dataverse-opportunity": "opportunities",
    "odoo-lead": "crm.lead",
    "pipedrive-organization": "organizations",
    "pipedrive-deal": "deals",
    "zoho-account": "Accounts",
    "zoho-deal": "Deals",
    "twenty-company": "companies",
    "twenty-opportunity": "opportunities",
    "espocrm-account": "Account",
    "espocrm-opportunity": "Opportunity",
}


def on_host(url, host):
    """The same URL at another host."""
    return url.replace("{0.scheme}://{0.netloc}".format(urlsplit(url)), host)


def filled(name, host):
    """A template as somebody fills it in, for a stand-in at a host."""
    text = json.dumps(TEMPLATES[name])
    for key, hexadecimal in PIPEDRIVE_KEYS.items():
        text = text.replace(f"KEY_OF_FIT_{key}", hexadecimal)
    webhook = json.loads(text) | {"question_set": "bant"}
    webhook["url"] = on_host(webhook["url"], host)
    update = webhook["record_update"]
    if "token" in update:
        update["token"] = {"token": TOKEN}
    else:
        credentials = update["client_credentials"]
        credentials |= {"client_id": "key", "client_secret": SECRET}
        credentials["token_url"] = on_host(credentials["token_url"], host)
        credentials |= {"refresh_token": REFRESH} if "refresh_token" in credentials else {}
    return webhook
