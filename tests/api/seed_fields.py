"""The fields of the entities in the data model that the project was given, by their JSON names.

A field is (type, default, max length); `MUST` has no default, a default of None means optional. An enumeration is the
tuple of its values, a structure is a dict of its fields. Own additions to `limits` and `permissions` are not listed.
"""

from typing import Any

MUST: Any = object()
TIME, ID, TEXT, INT, FLAG, TEXTS = "date-time", "uuid", "string", "integer", "boolean", "array"
FLOAT, OBJECT = "number", "object"

BASE = {
    "id": (ID, MUST, None),
    "createdAt": (TIME, MUST, None),
    "updatedAt": (TIME, MUST, None),
    "deletedAt": (TIME, None, None),
    "version": (INT, 1, None),
}


def optional(kind: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, (kind, None, None))


LIMIT_TYPES = ("hourly", "daily", "monthly", "yearly")
USER_ROLES = ("admin", "user", "readonly", "guest")
PLANS = ("free", "starter", "pro", "enterprise")
ROLES = ("owner", "admin", "member", "viewer")

MEMORY_TYPES = ("conversation", "episodic", "semantic", "procedural")
STATUSES = (
    "pending",
    "running",
    "waiting",
    "completed",
    "failed",
    "timeout",
    "cancelled",
)  # the last is ours

SEED: dict[str, dict[str, Any]] = {
    "AIAgent": {
        **BASE,
        "name": (TEXT, MUST, 255),
        "description": (TEXT, MUST, None),
        "provider": (TEXT, MUST, 50),
        "model": (TEXT, MUST, 100),
        "configuration": {
            **optional(TEXT, "systemPrompt"),
            **optional(FLOAT, "temperature", "topP", "frequencyPenalty", "presencePenalty"),
            **optional(INT, "maxTokens"),
            **optional(TEXTS, "stopSequences"),
            "memoryType": (MEMORY_TYPES, None, None),
            "memoryConfig": {"windowSize": (INT, 10, None), "maxTokens": (INT, 2_000, None)},
        },
        "totalExecutions": (INT, 0, None),
        "averageResponseTime": (FLOAT, 0, None),
        "successRate": (FLOAT, 0, None),
        "lastExecutedAt": (TIME, None, None),
    },
    "AIAgentExecution": {
        **BASE,
        "agentId": (ID, MUST, None),
        "status": (STATUSES, "pending", None),
        "input": (TEXT, MUST, None),
        "output": (TEXT, None, None),
        "inputTokens": (INT, MUST, None),
        "outputTokens": (INT, None, None),
        "executionTime": (INT, MUST, None),
        "cost": (FLOAT, None, None),
        "error": (TEXT, None, None),
        "metadata": {
            **optional(TEXT, "provider", "model", "sessionId"),
            **optional(FLOAT, "temperature"),
            **optional(INT, "maxTokens"),
            **optional(ID, "userId"),
            "toolsUsed": (TEXTS, [], None),
        },
    },
    "AIAgentTool": {
        **BASE,
        "agentId": (ID, MUST, None),
        "toolName": (TEXT, MUST, 100),
        "displayName": (TEXT, MUST, 255),
        "description": (TEXT, None, None),
        "configuration": {
            **optional(TEXT, "apiEndpoint", "apiKey"),
            **optional(OBJECT, "parameters"),
            **optional(INT, "timeout", "retryCount"),
        },
        "isActive": (FLAG, True, None),
        "usageCount": (INT, 0, None),
        "lastUsedAt": (TIME, None, None),
    },
    "AIAgentMemory": {
        **BASE,
        "agentId": (ID, MUST, None),
        "sessionId": (TEXT, None, 100),
        "memoryType": (MEMORY_TYPES, "conversation", None),
        "key": (TEXT, MUST, 255),
        "content": (TEXT, MUST, None),
        "metadata": {
            **optional(FLOAT, "importance"),
            "tags": (TEXTS, [], None),
            **optional(TIME, "expires"),
            **optional(TEXT, "source"),
        },
    },
    "User": {
        **BASE,
        "email": (TEXT, MUST, 255),
        "password": (TEXT, MUST, 255),
        "firstName": (TEXT, MUST, 100),
        "lastName": (TEXT, MUST, 100),
        "role": (USER_ROLES, "user", None),
        "isActive": (FLAG, True, None),
        "emailVerified": (FLAG, False, None),
        "currentOrganizationId": (ID, None, None),
        "lastLoginAt": (TIME, None, None),
        "passwordChangedAt": (TIME, None, None),
        "avatar": (TEXT, None, 500),
        "preferences": {
            "theme": (("light", "dark"), None, None),
            **optional(TEXT, "language", "timezone"),
            "notifications": optional(FLAG, "email", "push", "workflow"),
        },
        "metadata": {
            **optional(INT, "loginCount"),
            **optional(TEXT, "lastIpAddress", "userAgent", "signupSource"),
        },
    },
    "ApiKey": {
        **BASE,
        "userId": (ID, MUST, None),
        "name": (TEXT, MUST, 255),
        "keyHash": (TEXT, MUST, 64),
        "keyPrefix": (TEXT, MUST, 8),
        "scopes": (TEXTS, [], None),
        "isActive": (FLAG, True, None),
        "expiresAt": (TIME, None, None),
        "lastUsedAt": (TIME, None, None),
        "usageCount": (INT, 0, None),
        "rateLimits": optional(INT, "requestsPerMinute", "requestsPerHour", "requestsPerDay"),
        "permissions": {
            **optional(FLAG, "canRead", "canWrite", "canDelete", "canExecute"),
            **optional(TEXTS, "restrictedIPs"),
        },
    },
    "ExecutionLimit": {
        **BASE,
        "userId": (ID, MUST, None),
        "limitType": (LIMIT_TYPES, MUST, None),
        "maxExecutions": (INT, MUST, None),
        "currentExecutions": (INT, 0, None),
        "periodStart": (TIME, MUST, None),
        "periodEnd": (TIME, MUST, None),
        "isActive": (FLAG, True, None),
    },
    "Organization": {
        **BASE,
        "slug": (TEXT, MUST, 100),
        "name": (TEXT, MUST, 255),
        "description": (TEXT, None, None),
        "logo": (TEXT, None, 500),
        "website": (TEXT, None, 255),
        "plan": (PLANS, "free", None),
        "planLimits": dict.fromkeys(
            (
                "maxWorkflows",
                "maxExecutionsPerMonth",
                "maxTeamMembers",
                "maxCredentials",
                "maxAgents",
                "maxWorkflowComplexity",
                "maxConcurrentExecutions",
                "retentionDays",
            ),
            (INT, MUST, None),
        ),
        "customSettings": {
            "branding": optional(TEXT, "primaryColor", "secondaryColor", "logoUrl"),
            "security": {
                **optional(FLAG, "enforceSSO"),
                **optional(TEXTS, "allowedDomains"),
                **optional(INT, "sessionTimeout"),
            },
            "workflow": optional(INT, "defaultRetention", "maxComplexity"),
        },
        "isActive": (FLAG, True, None),
        "stripeCustomerId": (TEXT, None, 100),
        "stripeSubscriptionId": (TEXT, None, 100),
        "trialEndsAt": (TIME, None, None),
        "currentMonthExecutions": (INT, 0, None),
        "executionResetDate": (TIME, None, None),
        "billingInfo": {
            **optional(TEXT, "companyName", "taxId", "billingEmail"),
            "address": optional(TEXT, "street", "city", "state", "zipCode", "country"),
        },
    },
    "OrganizationMember": {
        **BASE,
        "organizationId": (ID, MUST, None),
        "userId": (ID, MUST, None),
        "role": (ROLES, "member", None),
        "isActive": (FLAG, True, None),
        "invitedAt": (TIME, None, None),
        "joinedAt": (TIME, None, None),
        "invitedBy": (ID, None, None),
        "permissions": {
            "workflows": optional(FLAG, "create", "read", "update", "delete", "execute"),
            "credentials": optional(FLAG, "create", "read", "update", "delete", "use"),
            "organization": optional(FLAG, "invite", "manage", "billing"),
        },
    },
}

ADDED = {
    "AIAgent": {
        "organizationId",
        "userId",
        "isActive",
        "agentVersion",
        "baseUrl",
        "limits",
        "outputSchema",
        "publishedVersion",
    },
    "AIAgentExecution": {
        *("organizationId", "userId", "agentVersion", "errorCode", "startedAt", "finishedAt"),
        *("cancelRequestedAt", "structuredOutput", "waitingFor", "waitsFor", "parentExecutionId", "apiKeyId"),
    },
    "AIAgentTool": {
        "organizationId",
        "userId",
        "toolType",
        "inputSchema",
        "outputSchema",
        "remote",
        "hasApiKey",
        "requiresApproval",
        "approval",
    },
    "AIAgentMemory": {
        *("organizationId", "userId", "validFrom", "validTo", "supersededBy", "subject", "history"),
    },
    "User": {"mfaEnabled"},
    "ApiKey": {"organizationId"},
    "ExecutionLimit": {"organizationId"},
    "Organization": set(),
    "OrganizationMember": {"customRoleId"},
}

EMPTY_BY_DEFAULT = {"preferences", "metadata", "configuration", "rateLimits", "customSettings"} | {
    "ApiKey.permissions",
    "OrganizationMember.permissions",
}
