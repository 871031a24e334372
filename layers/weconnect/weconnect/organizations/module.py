"""The manifest of the organizations."""

from weconnect.manifest import Module, PlanQuota

_BILLING = ("open_billing_portal", "receive_stripe_event", "start_checkout")

MODULE = Module(
    permissions={"organization": ("invite", "manage", "billing")},
    rows=("weconnect.organizations.rows",),
    trash={"ORG": "weconnect.organizations.purge:purge"},
    quotas={
        "executions": PlanQuota(limit_field="max_executions_per_month", noun="executions this month"),
        "teamMembers": PlanQuota(limit_field="max_team_members", noun="members and open invitations"),
    },
    tags={
        "Organizations": "Organizations, their settings, usage and export.",
        "Members": "Members of an organization and their permissions.",
        "Roles": "Built-in and custom roles.",
        "Invitations": "Invitations to an organization.",
        "Mail domains": "Mail domains that an organization proved by DNS.",
        "Billing": "Plans and payments.",
    },
    tags_rank=60,
    role="OrganizationsRole",
    reading_role="ReadingRole",
    roles_by_route={"export_organization": "ExportRole", **dict.fromkeys(_BILLING, "BillingRole")},
    layers_by_route=dict.fromkeys(_BILLING, ("StripeLayer",)),
)
