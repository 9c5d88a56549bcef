package oauth

import "slices"

// included lists the scopes that another one brings along, one level down (GitHub docs, "Scopes for OAuth apps").
var included = map[string][]string{
	"repo":                  {"repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"},
	"user":                  {"read:user", "user:email", "user:follow"},
	"admin:org":             {"write:org", "manage_runners:org"},
	"write:org":             {"read:org"},
	"admin:repo_hook":       {"write:repo_hook"},
	"write:repo_hook":       {"read:repo_hook"},
	"admin:public_key":      {"write:public_key"},
	"write:public_key":      {"read:public_key"},
	"admin:gpg_key":         {"write:gpg_key"},
	"write:gpg_key":         {"read:gpg_key"},
	"admin:ssh_signing_key": {"write:ssh_signing_key"},
	"write:ssh_signing_key": {"read:ssh_signing_key"},
	"admin:enterprise":      {"manage_runners:enterprise", "manage_billing:enterprise", "read:enterprise"},
	"write:packages":        {"read:packages"},
	"write:discussion":      {"read:discussion"},
	"project":               {"read:project"},
	"audit_log":             {"read:audit_log"},
	"codespace":             {"codespace:secrets"},
	"copilot":               {"manage_billing:copilot"},
}

// MissingScopes returns those of the wanted scopes that granted does not cover: repo covers repo:status, so a token with repo
// misses nothing of that. A scope that GitHub made after this version is covered by itself alone. The tokens of
// GitHub Apps have permissions instead of scopes, and miss them all.
func MissingScopes(granted, wanted []string) []string {
	var missing []string
	for _, scope := range wanted {
		if !covers(granted, scope) && !slices.Contains(missing, scope) {
			missing = append(missing, scope)
		}
	}
	return missing
}

func covers(granted []string, scope string) bool {
	for _, g := range granted {
		if g == scope || covers(included[g], scope) {
			return true
		}
	}
	return false
}
