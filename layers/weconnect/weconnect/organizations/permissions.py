"""Permissions of the organizations' routes, as parameter types."""

from weconnect.api.caller import requires

OrganizationManage = requires("organization:manage")
OrganizationInvite = requires("organization:invite")
OrganizationBilling = requires("organization:billing")
