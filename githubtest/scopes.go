package githubtest

import (
	"slices"
	"strings"
)

// offlineAccess asks for an expiring token and a refresh token for one sign-in; it is no scope that
// a token or a grant has (GitHub docs, Authorizing OAuth apps).
const offlineAccess = "offline_access"

// covers lists the scopes that a broader one includes (GitHub docs, Scopes for OAuth apps: a
// request for user,gist,user:email gives user,gist). Scopes with nothing below them have an empty
// list.
var covers = map[string][]string{
	"admin:enterprise":          {"manage_runners:enterprise", "manage_billing:enterprise", "read:enterprise"},
	"admin:gpg_key":             {"write:gpg_key", "read:gpg_key"},
	"admin:org":                 {"write:org", "read:org", "manage_runners:org"},
	"admin:org_hook":            {},
	"admin:public_key":          {"write:public_key", "read:public_key"},
	"admin:repo_hook":           {"write:repo_hook", "read:repo_hook"},
	"admin:ssh_signing_key":     {"write:ssh_signing_key", "read:ssh_signing_key"},
	"audit_log":                 {"read:audit_log"},
	"codespace":                 {"codespace:secrets"},
	"codespace:secrets":         {},
	"copilot":                   {"manage_billing:copilot"},
	"delete:packages":           {},
	"delete_repo":               {},
	"gist":                      {},
	"manage_billing:copilot":    {},
	"manage_billing:enterprise": {},
	"manage_runners:enterprise": {},
	"manage_runners:org":        {},
	"notifications":             {},
	"project":                   {"read:project"},
	"public_repo":               {},
	"read:audit_log":            {},
	"read:discussion":           {},
	"read:enterprise":           {},
	"read:gpg_key":              {},
	"read:org":                  {},
	"read:packages":             {},
	"read:project":              {},
	"read:public_key":           {},
	"read:repo_hook":            {},
	"read:ssh_signing_key":      {},
	"read:user":                 {},
	"repo":                      {"repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"},
	"repo:invite":               {},
	"repo:status":               {},
	"repo_deployment":           {},
	"security_events":           {},
	"user":                      {"read:user", "user:email", "user:follow"},
	"user:email":                {},
	"user:follow":               {},
	"workflow":                  {},
	"write:discussion":          {"read:discussion"},
	"write:gpg_key":             {"read:gpg_key"},
	"write:org":                 {"read:org"},
	"write:packages":            {"read:packages"},
	"write:public_key":          {"read:public_key"},
	"write:repo_hook":           {"read:repo_hook"},
	"write:ssh_signing_key":     {"read:ssh_signing_key"},
}

// parseScopes reads the scope parameter. GitHub documents the space as separator; the comma works
// too in practice, and clients of many years rely on it. Unknown scopes are returned apart.
func parseScopes(param string) (scopes []string, offline bool, unknown []string) {
	for _, scope := range splitList(param) {
		_, known := covers[scope]
		switch {
		case scope == offlineAccess:
			offline = true
		case !known:
			unknown = append(unknown, scope)
		default:
			scopes = append(scopes, scope)
		}
	}
	return normalizeScopes(scopes), offline, unknown
}

// normalizeScopes drops repeated scopes and those that another one includes, and keeps the order.
func normalizeScopes(scopes []string) []string {
	out := []string{}
	for i, scope := range scopes {
		if slices.Contains(scopes[:i], scope) {
			continue
		}
		included := slices.ContainsFunc(scopes, func(broad string) bool { return slices.Contains(covers[broad], scope) })
		if !included {
			out = append(out, scope)
		}
	}
	return out
}

// unionScopes joins two sets.
func unionScopes(a, b []string) []string { return normalizeScopes(slices.Concat(a, b)) }

// allows reports whether the granted scopes include the wanted one, itself or by a broader one.
func allows(granted []string, wanted string) bool {
	return slices.ContainsFunc(granted, func(g string) bool { return g == wanted || slices.Contains(covers[g], wanted) })
}

// allowsAll reports whether the granted scopes include every wanted one.
func allowsAll(granted, wanted []string) bool {
	for _, w := range wanted {
		if !allows(granted, w) {
			return false
		}
	}
	return true
}

// scopeSet is a key for a set of scopes.
func scopeSet(scopes []string) string {
	return strings.Join(slices.Sorted(slices.Values(scopes)), ",")
}
