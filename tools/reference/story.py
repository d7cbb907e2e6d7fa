"""The calls of the reference: one qualification from start to end, with every operation once."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make.

    `remember` maps a name to the field of the response whose value it stands for; later calls insert the
    value in `path` and `body` as `{name}`. A `body` that is a list is sent as lines of NDJSON.
    """

    operation: str
    method: str
    path: str
    body: Any = None
    remember: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """The media type of the body."""
        return "application/x-ndjson" if isinstance(self.body, list) else "application/json"


ACME = "/v1/prospects/by-external-id/salesforce.account/0015g00000XyZ"
BANT_FOR_RETAIL = {
    "extends": "bant@1",
    "title": "BANT for retail",
    "attributes": {"industry": "text", "shops": "number"},
    "for": {"industry": {"equals": "retail"}},
    "priority": 10,
    "omit": ["authority"],
    "add": [
        {
            "after": "need",
            "question": {
                "key": "shops_open",
                "text": "How many shops would use it?",
                "dimension": "need",
                "rate_from": {"attribute": "shops", "bands": [{"below": 5, "rating": 2}, {"rating": 5}]},
            },
        }
    ],
    "change": {"timeline": {"weight": 2, "stale_after_days": 90}},
}
FORM_MAPPING = {"source": "form", "external_id": "/email", "ratings": {"budget": "/money"}}
# The name of an account, what it buys in a year, and the ratings of the other questions.
KEY_ACCOUNTS = (
    ("Harbour Freight", 900000, {"future_potential": 4, "financial_security": 4, "current_profit": 4}),
    ("Old Town Clinics", 120000, {"future_potential": 2, "financial_security": 3, "current_profit": 2}),
    ("Falcon Energy", 60000, {"future_potential": 5}),
)
BANT_WITH_MUST_REACH = {"extends": "bant@1", "change": {"budget": {"must_reach": 5}}}
STORY = (
    Call("live", "GET", "/livez"),
    Call("ready", "GET", "/readyz"),
    Call("list_question_sets", "GET", "/v1/question-sets"),
    Call("get_question_set", "GET", "/v1/question-sets/bant"),
    Call("list_versions", "GET", "/v1/question-sets/bant/versions"),
    Call("get_version", "GET", "/v1/question-sets/purpose-before-self/versions/1"),
    Call("get_sql", "GET", "/v1/question-sets/bant/versions/1/sql?dialect=postgres&table=crm.accounts"),
    Call("get_schema", "GET", "/question-set.schema.json"),
    Call("save_draft", "PUT", "/v1/question-sets/bant-for-retail/draft", BANT_FOR_RETAIL),
    Call("get_draft", "GET", "/v1/question-sets/bant-for-retail/draft?diff=bant@1"),
    Call(
        "publish_draft",
        "POST",
        "/v1/question-sets/bant-for-retail/draft/publish",
        headers={"If-Match": '"1"'},
    ),
    Call(
        "score",
        "POST",
        "/v1/score",
        {
            "question_set": "bant",
            "ratings": {"budget": 4, "need": 5},
            "answers": [{"question": "timeline", "state": "unknown"}],
        },
    ),
    Call(
        "score_batch",
        "POST",
        "/v1/score/batch?question_set=bant",
        [{"ratings": {"budget": 1}}, {"ratings": {"budget": 9}}],
    ),
    Call(
        "qualify",
        "POST",
        "/v1/qualify",
        {
            "source": "salesforce.account",
            "external_id": "0015g00000XyZ",
            "name": "Acme Logistics",
            "attributes": {"industry": "logistics", "employees": 120},
            "question_set": "bant",
            "ratings": {"need": 4},
            "actor": "ana@example.com",
        },
        {"prospect": "prospect_id", "session": "session_id"},
    ),
    Call("set_source", "PUT", "/v1/sources/salesforce.account", {"id_rule": "salesforce"}),
    Call("get_source", "GET", "/v1/sources/salesforce.account"),
    Call("list_sources", "GET", "/v1/sources"),
    Call(
        "qualify_batch",
        "POST",
        "/v1/qualify/batch",
        [
            {
                "source": "salesforce.account",
                "external_id": "0015g00000GhI",
                "name": "Riverside Mills",
                "question_set": "bant",
                "opened_on": "2025-01-15",
                "ratings": {"budget": 2, "need": 4},
                "outcome": {"outcome": "lost", "closed_on": "2025-03-31", "reason": "too_expensive"},
                "idempotency_key": "0015g00000GhI-2025",
            },
            {"source": "salesforce.account", "external_id": "0015g00000JkL", "ratings": {"budget": 9}},
        ],
    ),
    Call(
        "replace_value_aliases",
        "PUT",
        "/v1/value-aliases/salesforce.account",
        {"aliases": [{"field": "shops_open", "sent": "All of them", "means": 5}]},
    ),
    Call("get_value_aliases", "GET", "/v1/value-aliases/salesforce.account"),
    Call(
        "qualify_by_form",
        "POST",
        "/v1/qualify/bant-for-retail",
        {
            "source": "salesforce.account",
            "external_id": "0015g00000AbC",
            "name": "Corner Shops",
            "shops": "12",
            "shops_open": "All of them",
            "budget": "4",
            "timeline": "",
            "unknown": "need",
            "region": "north",
        },
    ),
    Call(
        "import_prospects",
        "POST",
        "/v1/prospects/import?source=salesforce.account",
        [
            {"external_id": "0015g00000AbC", "attributes": {"shops": 14}},
            {
                "external_id": "0015g00000DeF",
                "name": "Harbour Freight",
                "attributes": {"industry": "logistics"},
            },
            {"name": "Nobody's"},
        ],
    ),
    Call("describe_form", "GET", "/v1/question-sets/bant-for-retail/openapi-3.0.json"),
    Call("describe_version_form", "GET", "/v1/question-sets/bant/versions/1/openapi-2.0.json"),
    Call(
        "answer",
        "PATCH",
        "/v1/sessions/{session}/answers",
        {
            "revision": 1,
            "answers": [
                {
                    "question": "budget",
                    "rating": 4,
                    "text": "80,000 set aside for this year.",
                    "evidence": "fact",
                },
                {"question": "timeline", "state": "unknown"},
            ],
        },
    ),
    Call("get_session", "GET", "/v1/sessions/{session}"),
    Call(
        "create_webhook",
        "POST",
        "/v1/webhooks",
        {
            "name": "fit channel",
            "url": "https://hooks.example.com/fit",
            "types": ["score.*", "decision.recorded"],
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        },
        {"webhook": "id"},
    ),
    Call("edit_draft", "PUT", "/v1/question-sets/bant/draft", BANT_WITH_MUST_REACH),
    Call("preview_draft", "POST", "/v1/question-sets/bant/draft/impact"),
    Call("publish_edited", "POST", "/v1/question-sets/bant/draft/publish", headers={"If-Match": '"1"'}),
    Call("move_session", "POST", "/v1/sessions/{session}/move", {"question_set": "bant@2"}),
    Call("retire_version", "POST", "/v1/question-sets/bant/versions/1/retire"),
    Call("draft_again", "PUT", "/v1/question-sets/bant/draft", {"extends": "bant@2"}),
    Call("discard_draft", "DELETE", "/v1/question-sets/bant/draft", headers={"If-Match": '"3"'}),
    Call(
        "decide",
        "POST",
        "/v1/sessions/{session}/decision",
        {
            "decision": "pursue",
            "match": "yes",
            "benefit": "unsure",
            "revision": 3,
            "actor": "ana@example.com",
        },
    ),
    Call("find_fit", "GET", ACME + "/fit?question_set=bant"),
    Call("get_fit", "GET", "/v1/prospects/{prospect}/fit?question_set=bant"),
    Call(
        "rate_as_another_assessor",
        "POST",
        "/v1/qualify",
        {
            "source": "salesforce.account",
            "external_id": "0015g00000XyZ",
            "question_set": "bant",
            "assessor": "ben@example.com",
            "ratings": {"need": 2, "budget": 4},
            "actor": "ben@example.com",
        },
    ),
    Call("compare_assessors", "GET", "/v1/prospects/{prospect}/comparison?question_set=bant"),
    Call(
        "get_fits",
        "POST",
        "/v1/fits",
        {
            "question_set": "bant",
            "prospects": [
                {"source": "salesforce.account", "external_id": "0015g00000XyZ"},
                {"source": "salesforce.account", "external_id": "nobody"},
            ],
        },
    ),
    Call(
        "record_outcome",
        "POST",
        "/v1/sessions/{session}/outcome",
        {"outcome": "won", "amount": 78000, "currency": "EUR", "closed_on": "2026-03-31"},
    ),
    Call("get_calibration", "GET", "/v1/insights/calibration?question_set=bant"),
    Call("get_calibration_table", "GET", "/v1/insights/calibration.csv?question_set=bant"),
    Call("get_calibration_picture", "GET", "/v1/insights/calibration.svg?question_set=bant&picture=bands"),
    Call("get_questions", "GET", "/v1/insights/questions?question_set=bant&hindsight=include"),
    Call("get_questions_table", "GET", "/v1/insights/questions.csv?question_set=bant"),
    Call("get_questions_picture", "GET", "/v1/insights/questions.svg?question_set=bant"),
    Call("get_assessors", "GET", "/v1/insights/assessors?question_set=bant"),
    Call("get_assessors_table", "GET", "/v1/insights/assessors.csv?question_set=bant"),
    Call("get_decisions", "GET", "/v1/insights/decisions"),
    Call("get_decisions_table", "GET", "/v1/insights/decisions.csv"),
    Call("get_point", "GET", "/v1/insights/outcomes/point?point=reason:none"),
    Call("get_outcomes", "GET", "/v1/insights/outcomes?by=reason&by=attribute:industry"),
    Call("get_outcomes_table", "GET", "/v1/insights/outcomes.csv?by=month"),
    Call("get_outcomes_picture", "GET", "/v1/insights/outcomes.svg?period=month"),
    Call(
        "rate_key_accounts",
        "POST",
        "/v1/qualify/batch",
        [
            {
                "source": "salesforce.account",
                "external_id": f"0015g00000Kx{number}",
                "name": name,
                "question_set": "key-account-selection",
                "attributes": {"existing_account": True, "annual_revenue_with_us": revenue},
                "ratings": ratings | {"strategic_coherence": 4, "cultural_fit": 3, "values_us": 4},
            }
            for number, (name, revenue, ratings) in enumerate(KEY_ACCOUNTS)
        ],
    ),
    Call(
        "get_portfolio",
        "GET",
        "/v1/insights/portfolio?question_set=key-account-selection&since=2026-01-01",
    ),
    Call("get_portfolio_table", "GET", "/v1/insights/portfolio.csv?question_set=key-account-selection"),
    Call(
        "get_portfolio_picture",
        "GET",
        "/v1/insights/portfolio.svg?question_set=key-account-selection&width=480",
    ),
    Call("get_concentration", "GET", "/v1/insights/concentration?attribute=annual_revenue_with_us"),
    Call("get_concentration_table", "GET", "/v1/insights/concentration.csv?by=amount&currency=EUR"),
    Call(
        "get_concentration_picture",
        "GET",
        "/v1/insights/concentration.svg?attribute=annual_revenue_with_us",
    ),
    Call("get_history", "GET", "/v1/sessions/{session}/history"),
    Call("list_sessions", "GET", "/v1/sessions?question_set=bant&has_blocker=false&sort=updated_at&limit=10"),
    Call("export_sessions", "GET", "/v1/sessions/export?format=ndjson&question_set=bant"),
    Call(
        "open_session",
        "POST",
        "/v1/sessions",
        {"prospect_id": "{prospect}", "question_set": "bant", "deal": "renewal 2027"},
    ),
    Call("find_prospect", "GET", ACME),
    Call("get_prospect", "GET", "/v1/prospects/{prospect}"),
    Call(
        "update_prospect",
        "PATCH",
        "/v1/prospects/{prospect}",
        {"attributes": {"employees": 140, "industry": None}},
    ),
    Call(
        "add_link",
        "POST",
        "/v1/prospects/{prospect}/links",
        {"source": "hubspot.company", "external_id": "17823"},
    ),
    Call("remove_link", "DELETE", "/v1/prospects/{prospect}/links/hubspot.company/17823"),
    Call(
        "upsert_prospect",
        "PUT",
        "/v1/prospects/by-external-id/hubspot.company/90210",
        {"name": "ACME Logistics Ltd"},
        {"twin": "id"},
    ),
    Call("merge_prospects", "POST", "/v1/prospects/{prospect}/merge", {"prospect_id": "{twin}"}),
    Call(
        "create_prospect",
        "POST",
        "/v1/prospects",
        {"name": "Globex", "links": [{"source": "odoo.partner", "external_id": "42"}]},
        {"other": "id"},
    ),
    Call("list_prospects", "GET", "/v1/prospects?q=acme&limit=10"),
    Call("export_prospects", "GET", "/v1/prospects/export?format=ndjson&q=acme"),
    Call("start_following", "GET", "/v1/events?after=0&limit=1&types=session.*", None, {"cursor": "cursor"}),
    Call("list_events", "GET", "/v1/events?after={cursor}&limit=2&types=score.*,decision.*&wait=5"),
    Call("latest_events", "GET", "/v1/events/latest?limit=1&types=prospect.*"),
    Call("sample_webhooks", "GET", "/v1/webhook-samples?types=decision.recorded&limit=1"),
    Call("list_webhook_templates", "GET", "/v1/webhook-templates"),
    Call("get_webhook", "GET", "/v1/webhooks/{webhook}"),
    Call("update_webhook", "PATCH", "/v1/webhooks/{webhook}", {"types": ["score.*"], "payload": "full"}),
    Call("rotate_secret", "POST", "/v1/webhooks/{webhook}/secret", {}),
    Call("test_webhook", "POST", "/v1/webhooks/{webhook}/test"),
    Call("list_deliveries", "GET", "/v1/webhooks/{webhook}/deliveries?limit=1"),
    Call("replay_deliveries", "POST", "/v1/webhooks/{webhook}/deliveries/replay", {}),
    Call("list_webhooks", "GET", "/v1/webhooks"),
    Call("remove_webhook", "DELETE", "/v1/webhooks/{webhook}"),
    Call("erase_prospect", "DELETE", "/v1/prospects/{other}"),
    Call("list_intake_templates", "GET", "/v1/intake-templates?question_set=bant"),
    Call(
        "dry_run_intake",
        "POST",
        "/v1/intake-dry-run",
        {
            "mapping": FORM_MAPPING,
            "question_set": "bant",
            "payload": {"email": "ana@example.com", "money": "4"},
        },
    ),
    Call(
        "create_intake",
        "POST",
        "/v1/intakes",
        {"name": "our web form", "mapping": FORM_MAPPING, "question_set": "bant"},
        {"intake": "id", "token": "token"},
    ),
    Call(
        "receive_payload",
        "POST",
        "/v1/intake/{token}",
        {"email": "ana@example.com", "money": "4"},
        {"receipt": "receipt_id"},
    ),
    Call("list_receipts", "GET", "/v1/intakes/{intake}/receipts?limit=10"),
    Call("get_receipt", "GET", "/v1/intakes/{intake}/receipts/{receipt}"),
    Call("replay_receipts", "POST", "/v1/intakes/{intake}/replay", {"ids": ["{receipt}"]}),
    Call("update_intake", "PATCH", "/v1/intakes/{intake}", {"keep_hours": 24}),
    Call("get_intake", "GET", "/v1/intakes/{intake}"),
    Call("list_intakes", "GET", "/v1/intakes"),
    Call("delete_intake", "DELETE", "/v1/intakes/{intake}"),
    Call(
        "create_key",
        "POST",
        "/v1/keys",
        {
            "name": "Ana's notebook",
            "scopes": ["read", "write"],
            "person": "ana@example.com",
            "expires_on": "2027-01-31",
        },
        {"key": "id"},
    ),
    Call("rotate_key", "POST", "/v1/keys/{key}/rotate", {"overlap_hours": 48}),
    Call("list_keys", "GET", "/v1/keys"),
    Call("revoke_key", "DELETE", "/v1/keys/{key}"),
)
FAILING_CALL = Call(
    "problem", "POST", "/v1/score", {"question_set": "bant", "ratings": {"budget": 9, "mood": 3}}
)
