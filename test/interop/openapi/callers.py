# Who calls the server for Schemathesis: CALLER is admin, user or anonymous. The others log in with a password, and again once
# their session has ended, because the requests that are made up end sessions too.
import json
import os

import requests
import schemathesis

issuer = os.environ["ISSUER"]
caller = os.environ["CALLER"]
rules_in_words = json.loads(os.environ["RULES_IN_WORDS"])
own = {"client_id": os.environ["CLIENT_ID"], "id": os.environ["USER_ID"]}
tokens = []


def log_in():
    answer = requests.post(
        f"{issuer}/token",
        data={
            "grant_type": "password",
            "client_id": own["client_id"],
            "username": os.environ["USERNAME"],
            "password": os.environ["PASSWORD"],
            "device_id": "laptop",
            "scope": os.environ["SCOPE"],
        },
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


if caller != "anonymous":

    @schemathesis.auth(refresh_interval=None).apply_to(path_regex="^/(api|userinfo)")
    class Login:
        def get(self, case, context):
            if not tokens:
                tokens.append(log_in())
            return tokens[0]

        def set(self, case, data, context):
            case.headers["Authorization"] = f"Bearer {data}"

    @schemathesis.hook
    def after_call(context, case, response):
        if response.status_code == 401:
            tokens.clear()


# Without its client or its user the caller could not go on.
@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in own.items():
        if case.method != "GET" and (case.path_parameters or {}).get(name) == value:
            case.path_parameters[name] = "00000000-0000-4000-8000-000000000000"


# What the schemas cannot say, and the document or the standard says in words: the refusals of well-formed requests.
def is_known_refusal(case, error, description):
    # Of grants, clients, tokens and redirect URIs that do not exist (RFC 6749, 5.2).
    if not case.path.startswith("/api/"):
        return True
    # Which members of a client go together, and which APIs are registered (RFC 7591, 3.2.2); which passwords are common; which
    # languages and time zones exist, and how large a profile becomes; which codes were sent.
    if error in ("invalid_client_metadata", "weak_password", "invalid_claims", "invalid_code"):
        return True
    return all(is_known_rule(sentence) for sentence in description.split("; "))


def is_known_rule(sentence):
    # What the schemas of the server demand in words: `member: sentence`, or the sentence alone.
    if sentence.split(": ", 1)[-1] in rules_in_words or sentence in rules_in_words:
        return True
    return sentence.startswith(
        (
            # The origin as a browser sends it: 127.1 and non-ASCII hosts are written in another way.
            "allowed_origins.",
            # Only a user without a password deletes the own account without one.
            "current_password: is required",
            "cursor: must be one that this server issued",
            # What a user has decides what a change may take away.
            "username: a user needs a username or an e-mail address",
            "email_verified: the user has no e-mail address",
            # Lengths without the blanks around, and those of the parts of an address; which labels of a domain are Punycode.
            "email: must be a plain local@domain",
            "username: must be 2 to 64 letters",
            "expires_at: must be in the future",
            "The client does not authenticate with a secret",
        )
    )


@schemathesis.check
def refusal_is_known(ctx, response, case):
    if response.status_code != 400 or not case.meta or not case.meta.generation.mode.is_positive:
        return
    if "json" not in response.headers.get("content-type", [""])[0]:
        return
    answer = response.json()
    assert is_known_refusal(case, answer["error"], answer["error_description"]), answer["error_description"]
